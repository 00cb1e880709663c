"""What the features are called: the words for names that claims and contributions have."""

from __future__ import annotations

import msgspec
from aiohttp import web

from ubi_stream.features.declared import pack_features
from ubi_stream.insights.claims import titles_of
from ubi_stream.web.ports import WorkerPort
from ubi_stream.web.problems import json_response
from ubi_stream.web.routes import Answer, Route
from ubi_stream.web.security.principal import READERS


class FeatureWords(msgspec.Struct, frozen=True):
    """A feature's name, what the pack's sentences call it, and the unit of its values."""

    name: str
    title: str
    unit: str


class FeaturePage(msgspec.Struct, frozen=True):
    """All features of a pack."""

    pack: str
    features: list[FeatureWords]


class Features:
    """Route of the features."""

    def __init__(self, port: WorkerPort) -> None:
        features = pack_features(port.pack)
        self._rows = [FeatureWords(name, title, features[name].unit) for name, title in titles_of(port.pack).items()]
        self._pack = port.pack.name

    def routes(self) -> list[Route]:
        """Its row of the route table."""
        summary = "What the features are called"
        answers = (Answer(FeaturePage),)
        return [
            Route(
                "GET",
                "/api/v1/features",
                self.words,
                summary,
                roles=READERS,
                scope="models:read",
                answers=answers,
            )
        ]

    async def words(self, _request: web.Request) -> web.Response:
        """All features by name."""
        return json_response(FeaturePage(self._pack, self._rows))
