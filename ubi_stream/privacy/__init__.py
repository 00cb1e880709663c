"""Personal data: what is hidden before anything is kept, and how. All but the key ring is standard library only."""
