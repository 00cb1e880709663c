"""Scores become insights: policy, explanation, encoding."""
