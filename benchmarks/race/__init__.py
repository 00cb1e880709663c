"""A race between stream processors: the same events, the same pure functions, one machine, one after the other."""
