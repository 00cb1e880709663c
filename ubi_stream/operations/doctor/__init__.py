"""`ubi doctor`: looks at everything that a worker or the demo needs, and says what to do about what is missing."""
