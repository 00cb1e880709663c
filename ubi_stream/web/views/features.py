"""What the features are called: the words for names that claims and contributions have."""

from __future__ import annotations

import msgspec
from aiohttp import web

from ubi_stream.features.declared import pack_features
from ubi_stream.insights.claims import titles_of
from ubi_stream.web.parameters import Parameters
from ubi_stream.web.ports import WorkerPort
from ubi_stream.web.problems import json_response


class FeatureWords(msgspec.Struct, frozen=True):
    """A feature's name, what the pack's sentences call it, and the unit of its values."""

    name: str
    title: str
    unit: str


class Features:
    """Route of the features."""

    def __init__(self, port: WorkerPort) -> None:
        features = pack_features(port.pack)
        self._rows = [FeatureWords(name, title, features[name].unit) for name, title in titles_of(port.pack).items()]
        self._pack = port.pack.name

    async def words(self, request: web.Request) -> web.Response:
        """All features by name."""
        Parameters(request, ())
        return json_response({"pack": self._pack, "features": self._rows})
