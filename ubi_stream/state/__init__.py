"""What is remembered about each entity: a function of its own events, in their order."""
