"""What changed over time: volumes, missing properties, features, losses; and whether users did it or tracking."""
