"""How odd is an event? Several detectors on arrays, and their combination."""
