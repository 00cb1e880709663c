"""What the privacy filter costs an event: `python -m benchmarks.privacy`.

Three kinds of events: a shop's with a few properties, one of a web page with address and browser, and one in which
something is hidden. The best of several runs, as other programs only ever add to one.
"""

from __future__ import annotations

import argparse
import time
from typing import Any, Final

from ubi_stream.packs.loader import load_pack
from ubi_stream.packs.privacy_filter import privacy_filter
from ubi_stream.privacy.filter import PrivacyFilter

RUNS: Final = 5
BROWSER: Final = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"


def shop(number: int) -> dict[str, Any]:
    """An event of a shop."""
    return {
        "event_id": f"e-{number}",
        "event_time": 1_700_000_000_000 + number,
        "event_type": "view",
        "user_id": f"user-{number % 999}",
        "session_id": "9fe1a3c0-1234-4123-8123-123456789012",
        "properties": {"product_id": f"p-{number}", "category": "electronics.audio", "price": 12.5, "latency_ms": 120},
        "context": {"utc_offset_min": 60},
    }


def page(number: int) -> dict[str, Any]:
    """The same with what a tracking script sends."""
    event = shop(number)
    event["properties"] |= {
        "page_url": f"https://shop.example/p/{number}?utm_source=mail&q=head%20phones",
        "referrer": "https://search.example/",
        "title": "Headphones - Shop",
    }
    event["context"] |= {"user_agent": BROWSER, "ip": "203.0.113.7"}
    return event


def secrets(number: int) -> dict[str, Any]:
    """The same with a password, and an address in a text."""
    event = page(number)
    event["properties"] |= {"password": "hunter2", "note": f"write to user{number}@example.com, please"}
    return event


def microseconds(privacy: PrivacyFilter, events: list[dict[str, Any]]) -> float:
    """Microseconds of an event, in the best of several runs."""
    best = float("inf")
    for _ in range(RUNS):
        started_s = time.process_time()
        for event in events:
            privacy.apply(event)
        best = min(best, time.process_time() - started_s)
    return best / len(events) * 1e6


def main() -> None:
    """Print the cost of each kind of event."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=20_000)
    count = parser.parse_args().events
    for make in (shop, page, secrets):
        privacy = privacy_filter(load_pack("ecommerce"))
        print(f"{make.__name__:8} {microseconds(privacy, [make(number) for number in range(count)]):6.1f} us an event")


if __name__ == "__main__":
    main()
