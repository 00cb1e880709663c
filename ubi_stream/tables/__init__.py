"""Faust tables: thin declarations of what is kept in changelogs."""
