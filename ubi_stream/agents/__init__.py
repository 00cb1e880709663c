"""Faust agents: thin declarations, one for each topic that is read."""
