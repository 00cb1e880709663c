"""The `ubi` command."""
