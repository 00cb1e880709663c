"""The Grafana dashboard, made from code: `python -m tools.dashboard > config/dashboards/ubi.json`.

One overview, top to bottom in the order of an operator's questions: is it well, does it keep up, what does it say, how
good are the models, what goes wrong.
"""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

WIDTH: Final = 24
"""Columns of Grafana's grid."""
_HEIGHT: Final = 8
_SOURCE: Final = {"type": "prometheus", "uid": "${source}"}


class Panel(NamedTuple):
    """One panel: its queries by legend; `unit` is Grafana's name of it."""

    title: str
    meaning: str
    unit: str
    queries: dict[str, str]
    width: int = 8
    kind: str = "timeseries"


def _quantile(share: float, metric: str, by: str = "") -> str:
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, sum by ({labels}) (rate({metric}_bucket[$__rate_interval])))"


def _rate(metric: str, by: str = "") -> str:
    grouped = f" by ({by})" if by else ""
    return f"sum{grouped} (rate({metric}[$__rate_interval]))"


def _grown(metric: str, by: str = "") -> str:
    grouped = f" by ({by})" if by else ""
    return f"sum{grouped} (increase({metric}[$__rate_interval]))"


def _spread(metric: str) -> dict[str, str]:
    return {"p50": _quantile(0.5, metric), "p95": _quantile(0.95, metric)}


_ACCEPTED: Final = 'ubi_events_total{outcome="accepted"}'
ROWS: Final[dict[str, tuple[Panel, ...]]] = {
    "Is it well?": (
        Panel("Workers", "Processes that answer", "short", {"": "count(ubi_build_info)"}, 4, "stat"),
        Panel("Lag", "Events that wait", "short", {"": "sum(ubi_lag_events)"}, 4, "stat"),
        Panel("Not in Postgres", "Records that wait for it", "short", {"": "sum(ubi_sink_lag_events >= 0)"}, 4, "stat"),
        Panel("Users", "Users whose state is kept", "short", {"": "sum(ubi_users)"}, 4, "stat"),
        Panel("State", "Encoded states", "bytes", {"": "sum(ubi_state_bytes)"}, 4, "stat"),
        Panel("Restoring", "Workers that read their state back", "short", {"": "sum(ubi_restoring)"}, 4, "stat"),
    ),
    "Does it keep up?": (
        Panel(
            "Events",
            "Records of the events topic by outcome",
            "ops",
            {"{{outcome}}": _rate("ubi_events_total", "outcome")},
        ),
        Panel("Lag by partition", "Events that wait", "short", {"{{topic}}/{{partition}}": "ubi_lag_events"}),
        Panel(
            "From event to insight",
            "Arrival of the event to the insight's acknowledgement",
            "s",
            _spread("ubi_e2e_latency_seconds"),
        ),
        Panel(
            "Barriers",
            "Time of a barrier",
            "s",
            _spread("ubi_barrier_seconds"),
        ),
        Panel(
            "Time by stage",
            "95th percentile of a batch",
            "s",
            {"{{stage}}": _quantile(0.95, "ubi_stage_seconds", "stage")},
        ),
        Panel(
            "Writes to Postgres",
            "Time of a transaction, waiting included",
            "s",
            _spread("ubi_sink_seconds"),
        ),
    ),
    "What does it say?": (
        Panel("Insights by kind", "Insights a second", "ops", {"{{kind}}": _rate("ubi_insights_total", "kind")}),
        Panel("Insights by severity", "As above", "ops", {"{{severity}}": _rate("ubi_insights_total", "severity")}),
        Panel(
            "Anomaly rate",
            "Share of the accepted events; the pack says how much it shall be",
            "percentunit",
            {
                "": f"{_rate('ubi_anomalies_total')} / {_rate(_ACCEPTED)}",
            },
        ),
    ),
    "How good are the models?": (
        Panel(
            "Quality over the last labels",
            "Each figure of each model; AUC 0.5 is chance",
            "short",
            {
                "{{outcome}} {{model}} {{metric}}": (
                    'avg by (entity, outcome, model, metric) (ubi_model_quality{metric!~"label_delay.*"})'
                )
            },
            16,
        ),
        Panel(
            "Which model serves",
            "Partitions in which each candidate's predictions are told",
            "short",
            {"{{outcome}} {{model}}": "sum by (outcome, model) (ubi_model_serves)"},
        ),
        Panel("Learned", "Rows or labels a second", "ops", {"{{model}}": _rate("ubi_model_learned_total", "model")}),
    ),
    "What goes wrong?": (
        Panel("Dead letters", "By reason", "ops", {"{{reason}}": _rate("ubi_dead_letters_total", "reason")}),
        Panel(
            "Late, unmatched, unknown",
            "Events after the watermark, labels of unknown events, fields that no event has",
            "ops",
            {
                "late events": _rate("ubi_late_events_total"),
                "unmatched labels": _rate("ubi_unmatched_labels_total"),
                "unknown fields": _rate("ubi_unknown_fields_total"),
            },
        ),
        Panel(
            "Lost or unreadable",
            "All of these should stay at 0",
            "short",
            {
                "events expired": _grown('ubi_offsets_missing_total{cause="expired"}'),
                "insights expired": _grown("ubi_sink_expired_total"),
                "unreadable state": _grown("ubi_recovery_quarantined_total"),
                "refused by Postgres": _grown("ubi_sink_rejected_total"),
                "models not usable: {{reason}}": _grown("ubi_snapshot_problems_total", "reason"),
            },
        ),
        Panel("Restores", "Share that is done", "percentunit", {"{{instance}}": "ubi_recovery_ratio"}),
        Panel("Restores: time left", "At the pace so far", "s", {"{{instance}}": "ubi_recovery_eta_seconds"}),
        Panel("Memory", "Resident memory of a worker", "bytes", {"{{instance}}": "process_resident_memory_bytes"}),
    ),
}


def dashboard() -> dict[str, Any]:
    """The dashboard as Grafana's JSON model, for any data source of type Prometheus."""
    panels: list[dict[str, Any]] = []
    top = 0
    for title, row in ROWS.items():
        panels.append({"id": len(panels) + 1, "type": "row", "title": title, "gridPos": _place(0, top, WIDTH, 1)})
        top, left = top + 1, 0
        height = _HEIGHT // 2 if row[0].kind == "stat" else _HEIGHT
        for panel in row:
            if left + panel.width > WIDTH:
                top, left = top + height, 0
            panels.append(_panel(panel, len(panels) + 1, _place(left, top, panel.width, height)))
            left += panel.width
        top += height
    return {
        "uid": "ubi-overview",
        "title": "ubi-stream",
        "tags": ["ubi-stream"],
        "schemaVersion": 39,
        "timezone": "browser",
        "time": {"from": "now-1h", "to": "now"},
        "refresh": "10s",
        "templating": {
            "list": [{"name": "source", "label": "Data source", "type": "datasource", "query": "prometheus"}]
        },
        "panels": panels,
    }


def render() -> str:
    """The dashboard as the text of its file."""
    return json.dumps(dashboard(), indent=2, ensure_ascii=False) + "\n"


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.meaning,
        "datasource": _SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + at), "datasource": _SOURCE, "expr": query, "legendFormat": legend or panel.title}
            for at, (legend, query) in enumerate(panel.queries.items())
        ],
    }


def _place(left: int, top: int, width: int, height: int) -> dict[str, int]:
    return {"x": left, "y": top, "w": width, "h": height}


if __name__ == "__main__":
    print(render(), end="")
