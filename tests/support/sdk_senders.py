"""Tracking SDKs of others, as their users use them. A program of its own: they leave threads and settings behind.

`python -m support.sdk_senders URL KEY [NAME]...` sends the events of each SDK and prints how many it sent.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any, Final

USER: Final = "u-1"
_WITHIN_S: Final = 60.0
PRICE: Final = {"price": 5, "category": "hats", "product_id": "p-1"}


def _check(error: Any, _items: Any) -> None:
    raise SystemExit(f"an SDK gave up: {error!r}")


def segment(url: str, key: str) -> int:
    from segment.analytics.client import Client  # noqa: PLC0415 - each program loads one

    client = Client(key, host=url, max_retries=6, on_error=_check)
    client.identify(USER, {"plan": "x"})
    client.group(USER, "company-1")
    client.page(USER, name="Home")
    client.track(USER, "Product Viewed", PRICE)
    client.track(USER, "Product Added", PRICE)
    client.track(USER, "Order Completed", {"revenue": 20})
    client.flush()
    client.join()
    return 4


def rudder(url: str, key: str) -> int:
    from rudderstack.analytics.client import Client  # noqa: PLC0415

    client = Client(key, host=url, max_retries=6, on_error=_check)
    client.identify(USER, {"plan": "x"})
    client.group(USER, "company-1")
    client.screen(USER, name="Home")
    client.track(USER, "Product Viewed", PRICE)
    client.track(USER, "Products Searched", {"query": "hats"})
    client.flush()
    client.join()
    return 3


def posthog(url: str, key: str, mode: str = "v0") -> int:
    from posthog import Posthog  # noqa: PLC0415

    client = Posthog(key, host=url, capture_mode=mode, max_retries=6, on_error=_check, sync_mode=False)
    client.capture("$pageview", distinct_id=USER, properties={"$current_url": "http://shop.example/"})
    client.capture("product_viewed", distinct_id=USER, properties=PRICE)
    client.capture("add_to_cart", distinct_id=USER, properties=PRICE)
    client.set(distinct_id=USER, properties={"plan": "x"})
    client.group_identify("company", "company-1", {"name": "x"})
    client.flush()
    client.shutdown()
    return 3


def posthog_v1(url: str, key: str) -> int:
    return posthog(url, key, "v1")


def snowplow(url: str, _key: str) -> int:
    from snowplow_tracker import EmitterConfiguration, PageView, Snowplow, StructuredEvent, Subject  # noqa: PLC0415

    taken: list[Any] = []
    for method in ("post", "get"):
        subject = Subject().set_user_id(USER)
        tracker = Snowplow.create_tracker(
            namespace=f"ns-{method}",
            endpoint=url,
            method=method,
            subject=subject,
            emitter_config=EmitterConfiguration(batch_size=1, on_success=taken.extend),
        )
        tracker.track(PageView("http://shop.example/hats", "Hats"))
        tracker.track(StructuredEvent("shop", "add_to_cart", property_="p-1", value=5.0))
    deadline = time.monotonic() + _WITHIN_S
    while len(taken) < 4:  # it tries again in threads of its own
        if time.monotonic() > deadline:
            raise SystemExit("an SDK did not come through")
        time.sleep(0.05)
    return 4


def cloudevents(url: str, key: str) -> int:
    import requests  # noqa: PLC0415
    from cloudevents.core.bindings.http import to_binary_event, to_structured_event  # noqa: PLC0415
    from cloudevents.core.v1.event import CloudEvent  # noqa: PLC0415

    for number, write in enumerate((to_binary_event, to_structured_event)):
        attributes = {"id": f"ce-{number}", "source": "/shop one", "type": "com.example.view", "specversion": "1.0"}
        message = write(CloudEvent(attributes, {"user_id": USER, **PRICE}))
        for _ in range(30):
            headers = {**message.headers, "X-Api-Key": key}
            try:
                answer = requests.post(f"{url}/api/v1/events", data=message.body, headers=headers, timeout=15)
            except requests.ConnectionError:
                continue
            if answer.status_code == 200:
                break
            if answer.status_code not in (429, 503):
                raise SystemExit(answer.text)
        else:
            raise SystemExit("never accepted")
    return 2


SENDERS: Final[dict[str, Callable[[str, str], int]]] = {
    "segment": segment,
    "rudder": rudder,
    "posthog": posthog,
    "posthog_v1": posthog_v1,
    "snowplow": snowplow,
    "cloudevents": cloudevents,
}

if __name__ == "__main__":
    print(json.dumps({name: SENDERS[name](sys.argv[1], sys.argv[2]) for name in sys.argv[3:] or SENDERS}))
