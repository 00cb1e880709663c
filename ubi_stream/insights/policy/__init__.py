"""Decides what is told: one module for each kind of insight, and the stage that asks them in turn."""
