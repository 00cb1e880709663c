"""What form a file has: recognised as one that a shipped mapping reads, or guessed from its columns."""
