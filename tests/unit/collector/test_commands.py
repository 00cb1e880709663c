"""A public key sends behaviour: no dialect turns the name of an event into a command."""

from __future__ import annotations

from typing import Any

import pytest

from support.collecting import NOW, intake, request
from ubi_stream.collector.identity import SENT_TYPES
from ubi_stream.collector.intake import Accepted
from ubi_stream.collector.registry import DIALECTS
from ubi_stream.packs.schema import RESERVED_TYPES

SNOWPLOW = "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4"


def bodies(name: str) -> dict[str, tuple[str, Any, dict[str, str]]]:
    """An event of this name, as each dialect sends it: path, body, headers."""
    said = {"label": True, "previous_id": "u-2", "event_type": name}
    track = {"type": "track", "event": name, "userId": "u-1", "messageId": "m", "timestamp": NOW, "properties": said}
    struct = {"e": "se", "se_ca": "x", "se_ac": name, "uid": "u-1", "eid": "e", "dtm": "1764000000000"}
    cloud = {"specversion": "1.0", "id": "1", "source": "s", "type": name, "subject": "u-1", "data": said}
    own = {"event_id": "e", "event_type": name, "user_id": "u-1", "event_time": NOW, "properties": said}
    structured = {"content-type": "application/cloudevents+json"}
    return {
        "own": ("/api/v1/events", own, {}),
        "segment": ("/v1/track", track, {}),
        "posthog": ("/capture", {"api_key": "k", "event": name, "distinct_id": "u-1", "properties": said}, {}),
        "snowplow": ("/com.snowplowanalytics.snowplow/tp2", {"schema": SNOWPLOW, "data": [struct]}, {}),
        "opensearch_ubi": ("/ubi_events", [{"action_name": name, "user_id": "u-1", "timestamp": NOW}], {}),
        "cloudevents": ("/api/v1/events", cloud, structured),
    }


@pytest.mark.parametrize("name", sorted(RESERVED_TYPES - SENT_TYPES))
@pytest.mark.parametrize("dialect", sorted(bodies("")))
def test_no_event_of_a_sender_is_a_command(dialect: str, name: str) -> None:
    path, body, headers = bodies(name)[dialect]
    outcomes = intake().read(DIALECTS[dialect], request(path, body, headers=headers)).outcomes
    assert outcomes
    assert not [one for one in outcomes if isinstance(one, Accepted)]
