"""A shadow run says what the workers said, and of a changed pack what would be another; it writes nothing."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from support.expected import in_postgres, read_insights
from support.topics import Offsets
from support.workers import WorkerProcess, send
from ubi_stream.clock import SystemClock
from ubi_stream.data.records import ProducerRecord
from ubi_stream.packs.loader import load_pack
from ubi_stream.replay.compare import ShadowOptions, ShadowReport, run_shadow
from ubi_stream.resources import config_dir
from ubi_stream.settings import Settings
from ubi_stream.synthetic.personas import session

MakeWorker = Callable[..., WorkerProcess]
PACE = '{ feature = "session_pace_s", op = "<", value = 3 }'
IN_A_HURRY = 90


def in_a_hurry(events: list[ProducerRecord]) -> list[ProducerRecord]:
    """The events of a shop, and all through them visits of users who are in a hurry: each is an insight."""
    every = len(events) // IN_A_HURRY
    hurried = [
        ProducerRecord(event["user_id"].encode(), json.dumps(event).encode(), event["event_time"])
        for number in range(IN_A_HURRY)
        for event in session("impulsive", f"hurried-{number}", "s", events[number * every].time_ms or 0)
    ]
    return sorted([*events, *hurried], key=lambda record: record.time_ms or 0)


def changed_pack(folder: Path) -> Path:
    """The shop's pack, where nobody is in a hurry who only has a quick pace."""
    text = (config_dir() / "packs" / "ecommerce.toml").read_text(encoding="utf-8")
    assert PACE in text
    path = folder / "changed.toml"
    path.write_text(text.replace(PACE, PACE.replace("3", "0.1")), encoding="utf-8")
    return path


async def test_the_same_pack_says_the_same_and_a_changed_one_what_it_changes(
    settings: Settings, make_worker: MakeWorker, shop_events: list[ProducerRecord], tmp_path: Path
) -> None:
    clock = SystemClock()
    worker, events = await make_worker().started(), in_a_hurry(shop_events[:4_400])
    half = len(events) // 2
    async with Offsets(settings) as offsets:
        await send(settings, events[:half])
        await offsets.all_committed(half)
        middle_ms = clock.now_ms()
        await send(settings, events[half:])
        await offsets.all_committed(len(events))
    insights = await read_insights(settings)
    await in_postgres(settings, insights.keys())
    assert await worker.stop() == 0

    async def shadow(options: ShadowOptions, pack: str = settings.pack) -> tuple[ShadowReport, list[dict[str, object]]]:
        out = io.BytesIO()
        report = await run_shadow(options, settings, load_pack(pack), out, clock)
        return report, [json.loads(line) for line in out.getvalue().splitlines()]

    for options in (ShadowOptions("topic"), ShadowOptions("postgres")):
        report, differences = await shadow(options)
        assert report.equal, report
        assert (report.events, report.insights.live, differences) == (len(events), len(insights), [])

    later, _ = await shadow(ShadowOptions("postgres", from_ms=middle_ms))
    earlier, _ = await shadow(ShadowOptions("postgres", to_ms=middle_ms))
    assert later.equal, "what came before the window made states and models"
    assert earlier.equal
    assert (earlier.events, later.events) == (half, len(events))
    assert earlier.insights.live + later.insights.live == len(insights)
    assert min(earlier.insights.live, later.insights.live) > 30

    report, differences = await shadow(ShadowOptions("postgres"), str(changed_pack(tmp_path)))
    risks, total = report.kinds["risk"], report.insights
    assert risks.missing > 0
    assert 0 < total.same < total.live, "who is in a hurry by more than the pace is so in both"
    assert Counter(one["difference"] for one in differences) == Counter(
        {name: count for name in ("missing", "additional", "changed") if (count := getattr(total, name))}
    )
    assert await read_insights(settings) == insights, "nothing was told"
    await in_postgres(settings, insights.keys())
