"""Personal data: what is hidden before anything is kept, and how. Standard library only; usable outside a worker."""
