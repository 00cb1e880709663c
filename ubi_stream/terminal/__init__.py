"""What commands print: tables, progress, questions of settings."""
