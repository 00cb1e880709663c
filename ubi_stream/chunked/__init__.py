"""Faust, extended: chunks instead of messages, tables by partition, a recovery that loses nothing."""
