"""ubi-stream: user-behaviour intelligence as a stream processor."""

__version__ = "0.1.0"
