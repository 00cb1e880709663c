"""One module for each kind of insight."""
