"""Bytes become events, or dead letters with a reason."""
