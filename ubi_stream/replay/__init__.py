"""Where events come from when no producer sends them: files (replay) and invented users (generate)."""
