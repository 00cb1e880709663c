"""How good the models are: whether a score can be trusted today."""

from __future__ import annotations

from aiohttp import web

from ubi_stream.web.parameters import Parameters
from ubi_stream.web.ports import WorkerPort
from ubi_stream.web.problems import json_response


class Models:
    """Route of the models of this worker's partitions, and how far behind these are."""

    def __init__(self, port: WorkerPort) -> None:
        self._port = port

    async def report(self, request: web.Request) -> web.Response:
        """Quality and progress of each model, and the lag of each partition."""
        Parameters(request, ())
        return json_response(
            {"pack": self._port.pack.name, "models": self._port.model_quality(), "lag": self._port.lag()}
        )
