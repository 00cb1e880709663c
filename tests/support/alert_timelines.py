"""Timelines for the alert rules: what Prometheus scraped, one value a minute, and which alerts fire then.

Values are in promtool's notation: `1+2x3` is 1 3 5 7, `_x5` five scrapes without an answer.
"""

from __future__ import annotations

_WORKER = 'job="ubi",instance="w1"'
_OTHER = 'job="ubi",instance="w2"'
_JUDGED = f'ubi_anomaly_judged_total{{{_WORKER},entity="user"}}'
_ALERTS = f'ubi_anomaly_alerts_total{{{_WORKER},entity="user"}}'
_EVENTS = f'ubi_events_total{{{_WORKER},pack="shop",event_type="view",outcome="accepted"}}'
_LAG = f'ubi_lag_events{{{_WORKER},topic="ubi.events",partition="0"}}'
_LETTERS = f'ubi_dead_letters_total{{{_WORKER},reason="invalid_json"}}'
_BROKE = f'ubi_drifts_total{{{_WORKER},pack="shop",subject="type",verdict="tracking_broke"}}'
_CHANGED = f'ubi_drifts_total{{{_WORKER},pack="shop",subject="feature",verdict="users_changed"}}'
_UP = f"up{{{_WORKER}}}"
_RESTORING = f"ubi_restoring{{{_WORKER}}}"
_WAVES = f'ubi_anomaly_waves{{{_WORKER},entity="user"}}'
_ASKED = {f"ubi_anomaly_asked_ratio{{{_WORKER}}}": "0.003+0x300"}
_EMPTY = f'ubi_offsets_missing_total{{{_WORKER},cause="empty"}}'
_SINK_LAG = f"ubi_sink_lag_events{{{_WORKER}}}"
_SINK_ROWS = f'ubi_sink_rows_total{{{_WORKER},table="insights"}}'
_STARTED = f"process_start_time_seconds{{{_WORKER}}}"

Timeline = tuple[str, str, str | None, dict[str, str]]
"""What happens; when to look; labels of the alert that fires then, or None where it has to be silent; the series."""
_ALL = ""
_USER = 'entity="user"'
_SHOP = 'pack="shop"'


def _latency(fast: str, slow: str) -> dict[str, str]:
    """Insights that took up to 1 s, and all; the rest took up to a minute."""
    bucket = f"ubi_e2e_latency_seconds_bucket{{{_WORKER},le="
    return {f'{bucket}"1"}}': fast, f'{bucket}"60"}}': slow, f'{bucket}"+Inf"}}': slow}


def _visits(bouncers: str, others: str) -> dict[str, str]:
    series = f'ubi_visits_total{{{_WORKER},pack="shop",visit_class='
    return {f'{series}"bouncer"}}': bouncers, f'{series}"browser"}}': others}


def _noticed_at_a_start(series: str, labels: str) -> list[Timeline]:
    """A counter of what a worker notices while it starts, before anybody has seen its 0."""
    return [
        ("while it runs", "40m", labels, {series: "0+0x30 3+0x60"}),
        ("at the start of a new worker", "5m", labels, {series: "3+0x90"}),
        ("at a restart", "40m", labels, {series: "0+0x30 _x2 3+0x60"}),
        ("an hour later", "2h", None, {series: "0+0x30 3+0x100"}),
        ("never", "5m", None, {series: "0+0x30"}),
    ]


def _counter(name: str, *labels: str) -> tuple[str, str]:
    """A series and the labels that its alert has."""
    written = ",".join((_WORKER, *labels))
    return f"{name}{{{written}}}", written


TIMELINES: dict[str, list[Timeline]] = {
    "UbiAnomalyRateHigh": [
        ("a jump after a usual day", "24h30m", _USER, {_JUDGED: "0+1000x1480", _ALERTS: "0+3x1450 4410+60x30"}),
        ("a jump in the third hour", "2h30m", _USER, {_JUDGED: "0+1000x160", _ALERTS: "0+3x130 450+60x30"}),
        ("the first hours, as usual", "3h", None, {_JUDGED: "0+1000x200", _ALERTS: "0+3x200"}),
        (
            "ten times the traffic of the night in which all began",
            "6h",
            None,
            {_JUDGED: "0+1000x300 310000+10000x100", _ALERTS: "0+3x300 930+30x100"},
        ),
        ("alerts begin when the warm-up ends", "1h15m", None, {_JUDGED: "0+0x60 0+1000x60", _ALERTS: "0+0x60 0+3x60"}),
        ("the first minutes, while thresholds settle", "15m", None, {_JUDGED: "0+5x40", _ALERTS: "0+3x40"}),
    ],
    "UbiManyUnusual": [
        ("a wave in two partitions", "10m", _USER, {_WAVES: "0+0x5 2+0x10"}),
        ("none", "10m", None, {_WAVES: "0+0x20"}),
        ("one that is over", "20m", None, {_WAVES: "0+0x5 2+0x5 0+0x20"}),
    ],
    "UbiAlertRateOff": [
        (
            "one in fifty instead of one in 300",
            "4h",
            _USER,
            {**_ASKED, _JUDGED: "0+500x300", _ALERTS: "0+10x300"},
        ),
        (
            "as the pack asks for, in the first hours",
            "4h",
            None,
            {**_ASKED, _JUDGED: "0+500x300", _ALERTS: "0+1.5x300"},
        ),
        ("too few rows to know", "4h", None, {**_ASKED, _JUDGED: "0+20x300", _ALERTS: "0+1x300"}),
    ],
    "UbiTrackingBroke": [
        ("a type is gone", "40m", f'{_SHOP},subject="type"', {_BROKE: "0+0x30 1+0x60"}),
        ("an hour later", "2h", None, {_BROKE: "0+0x30 1+0x100"}),
        ("never", "40m", None, {_BROKE: "0+0x60"}),
    ],
    "UbiUsersChanged": [
        ("four figures", "2h", _SHOP, {_CHANGED: "0+0x60 1 2 3 4 4+0x90"}),
        ("three figures are not more than three", "2h", None, {_CHANGED: "0+0x60 1 2 3 3 3+0x90"}),
        ("seven hours ago", "9h", None, {_CHANGED: "0+0x60 1 2 3 4 4+0x600"}),
    ],
    "UbiBouncersHigh": [
        ("from a third to two thirds", "24h30m", _SHOP, _visits("0+10x1450 14510+40x40", "0+20x1450 29020+20x40")),
        ("in the second hour", "2h", _SHOP, _visits("0+10x90 910+40x40", "0+20x90 1820+20x40")),
        ("twice the visits, of the same kind", "2h", None, _visits("0+10x90 910+20x40", "0+20x90 1820+40x40")),
        ("as usual, in the first minutes", "15m", None, _visits("0+10x40", "0+20x40")),
        ("three visits", "2h", None, _visits("0+0x110 0+1x20", "0+1x130")),
    ],
    "UbiLagGrows": [
        ("more comes than is processed", "40m", _ALL, {_LAG: "0+600x60"}),
        ("a first start works on a week of events", "40m", None, {_LAG: "900000-600x60"}),
        ("a little waits", "40m", None, {_LAG: "100+10x60"}),
    ],
    "UbiStalled": [
        ("events wait and none is processed", "20m", _WORKER, {_LAG: "50+0x30", _EVENTS: "900+0x30"}),
        (
            "one of two workers stands still",
            "20m",
            _OTHER,
            {
                _LAG: "0+0x30",
                _EVENTS: "0+600x30",
                f'ubi_lag_events{{{_OTHER},topic="ubi.events",partition="1"}}': "50+60x30",
                f'ubi_events_total{{{_OTHER},pack="shop",event_type="view",outcome="accepted"}}': "900+0x30",
            },
        ),
        ("it works on a backlog", "20m", None, {_LAG: "90000-100x30", _EVENTS: "0+600x30"}),
        ("nothing is sent", "3h", None, {_LAG: "0+0x200", _EVENTS: "900+0x200"}),
        ("an event every five minutes", "1h", None, {_LAG: "0 0 1 0 0 0 0 1 0 0 0+0x60", _EVENTS: "0+0.2x90"}),
        ("a restore", "20m", None, {_LAG: "50+0x30", _EVENTS: "0+0x30", _RESTORING: "1+0x30"}),
        ("the first five minutes of a start", "5m", None, {_LAG: "50+0x30", _EVENTS: "0+0x30"}),
    ],
    "UbiDeadLetters": [
        ("one record in fifty, at once", "10m", _ALL, {_LETTERS: "0+2x40", _EVENTS: "0+100x40"}),
        ("all records of a small sender", "1h", _ALL, {_LETTERS: "0+0.2x80", _EVENTS: "0+0.2x80"}),
        ("one record in a thousand", "40m", None, {_LETTERS: "0+1x60", _EVENTS: "0+1000x60"}),
        ("one wrong record of a quiet night", "1h", None, {_LETTERS: "0+0x50 1+0x50", _EVENTS: "0+0.1x100"}),
        ("nothing is sent", "1h", None, {_LETTERS: "7+0x80", _EVENTS: "900+0x80"}),
    ],
    "UbiWorkerDown": [
        ("it does not answer", "10m", _WORKER, {_UP: "1+0x5 0+0x10"}),
        ("a scrape fails", "10m", None, {_UP: "1+0x5 0 1+0x10"}),
        ("it answers", "10m", None, {_UP: "1+0x20"}),
    ],
    "UbiNoWorker": [
        ("the only one is gone", "20m", _ALL, {_UP: "1+0x5 stale"}),
        ("none was ever there", "10m", _ALL, {}),
        ("one of two is gone", "20m", None, {_UP: "1+0x5 stale", f"up{{{_OTHER}}}": "1+0x30"}),
    ],
    "UbiWorkerRestarts": [
        ("three times", "12m", _WORKER, {_STARTED: "100 200 200 300 300 400+0x20"}),
        ("a release", "12m", None, {_STARTED: "100 200 200 200+0x20"}),
    ],
    "UbiRestoring": [
        ("ten minutes", "10m", _WORKER, {_RESTORING: "1+0x20"}),
        ("two minutes", "10m", None, {_RESTORING: "1 1 0+0x20"}),
    ],
    "UbiStateUnreadable": _noticed_at_a_start(*_counter("ubi_recovery_quarantined_total")),
    "UbiEventsExpired": [
        *_noticed_at_a_start(*_counter("ubi_offsets_missing_total", 'cause="expired"')),
        (
            "offsets of which none had an event",
            "40m",
            None,
            {_counter("ubi_offsets_missing_total", 'cause="empty"')[0]: "0+1x60"},
        ),
    ],
    "UbiInsightsExpired": _noticed_at_a_start(*_counter("ubi_sink_expired_total")),
    "UbiPostgresBehind": [
        ("the database takes nothing", "20m", _ALL, {_SINK_LAG: "5+2x40", _SINK_ROWS: "900+0x40"}),
        ("very many wait", "10m", _ALL, {_SINK_LAG: "20000+0x40", _SINK_ROWS: "0+50x40"}),
        (
            "a worker that does not know what it lacks hides nothing",
            "20m",
            _ALL,
            {f"ubi_sink_lag_events{{{_OTHER}}}": "NaN+0x40", _SINK_LAG: "5+2x40", _SINK_ROWS: "900+0x40"},
        ),
        ("it keeps up", "20m", None, {_SINK_LAG: "3+0x40", _SINK_ROWS: "0+50x40"}),
        ("the writer reads its topics again", "20m", None, {_SINK_LAG: "9000-200x40", _SINK_ROWS: "900+0x40"}),
        ("nothing comes", "3h", None, {_SINK_LAG: "0+0x200", _SINK_ROWS: "900+0x200"}),
    ],
    "UbiSnapshotNotUsable": _noticed_at_a_start(*_counter("ubi_snapshot_problems_total", 'reason="unsigned"')),
    "UbiSlow": [
        ("a tenth of the insights takes a minute", "20m", _ALL, _latency("0+90x40", "0+100x40") | {_LAG: "5+0x40"}),
        ("a backlog gets longer", "20m", _ALL, _latency("0+0x40", "0+100x40") | {_LAG: "5000+100x40"}),
        ("all take less than a second", "20m", None, _latency("0+100x40", "0+100x40") | {_LAG: "5+0x40"}),
        ("a first start works on a week", "2h", None, _latency("0+0x200", "0+100x200") | {_LAG: "900000-1000x200"}),
        ("no insights", "20m", None, _latency("90+0x40", "100+0x40")),
    ],
}
