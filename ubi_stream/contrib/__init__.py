"""Senders of events for other people's applications: needs none of the engine's packages, only aiohttp to send."""
