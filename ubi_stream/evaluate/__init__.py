"""How good is a model? Progressive validation on public data or a file: score first, then learn."""
