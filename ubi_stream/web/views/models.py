"""How good the models are: whether a score can be trusted today."""

from __future__ import annotations

import msgspec
from aiohttp import web

from ubi_stream.metrics.status import Lag, ModelReport
from ubi_stream.web.ports import WorkerPort
from ubi_stream.web.problems import json_response
from ubi_stream.web.routes import Answer, Route
from ubi_stream.web.security.principal import READERS


class ModelsPage(msgspec.Struct, frozen=True):
    """Models of a worker's partitions, and how far behind these are."""

    pack: str
    models: list[ModelReport]
    lag: list[Lag]


class Models:
    """Route of the models of this worker's partitions, and how far behind these are."""

    def __init__(self, port: WorkerPort) -> None:
        self._port = port

    def routes(self) -> list[Route]:
        """Its row of the route table."""
        summary = "Quality and progress of the models"
        answers = (Answer(ModelsPage),)
        return [
            Route(
                "GET",
                "/api/v1/models",
                self.report,
                summary,
                roles=READERS,
                scope="models:read",
                answers=answers,
            )
        ]

    async def report(self, _request: web.Request) -> web.Response:
        """Quality and progress of each model, and the lag of each partition."""
        models, lag = list(self._port.model_quality()), list(self._port.lag())
        return json_response(ModelsPage(self._port.pack.name, models, lag))
