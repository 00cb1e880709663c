"""Conditions of a pack over features: segments, risks, and rules that many users meet at once."""
