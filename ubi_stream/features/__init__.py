"""A state becomes a vector of named, bounded numbers."""
