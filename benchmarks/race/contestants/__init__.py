"""Programs that run the product's core on something else than the product: each a process of its own."""
