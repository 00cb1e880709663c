"""The `ubi` command: `main` is the entry, `commands` has one module for each command, the rest does their work."""
