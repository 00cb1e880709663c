"""The views: an aiohttp application that a worker runs beside the stream."""
