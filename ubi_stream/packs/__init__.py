"""A pack says which events exist, whom they are about, and which features, segments, rules and models apply."""
