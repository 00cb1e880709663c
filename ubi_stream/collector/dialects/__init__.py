"""One module for each way of sending events: pure functions from a request to calls, and from a call to an event."""
