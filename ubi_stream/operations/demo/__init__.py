"""`ubi demo`: real servers, a worker, a stream of events, and what comes out of them, on one bare machine."""
