"""The proof: faults on real servers, and every difference to an independent oracle counted."""
