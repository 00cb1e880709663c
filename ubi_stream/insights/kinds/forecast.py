"""What a user is expected to spend or do in the days ahead."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ubi_stream.features.days import Days
from ubi_stream.insights.builder import InsightBuilder
from ubi_stream.insights.claims import Claim, compared, stated
from ubi_stream.insights.encoding import iso_time
from ubi_stream.insights.model import Contribution, Explanation, Insight, InsightKind
from ubi_stream.insights.wording import short
from ubi_stream.models.forecast import Expected, Forecast, ForecastCandidate, candidates_of, forecast
from ubi_stream.packs.models import ForecastModel
from ubi_stream.packs.plan import DAY_MS, Plan

_MINUTES_A_DAY = 1440


class ForecastInsights:
    """Tells of users who will do or spend another amount than of late, by what is usual for them.

    A forecast is made when the days before are over: at the first event of a day.
    """

    def __init__(self, plan: Plan) -> None:
        self._model = plan.parts.models.forecast
        self._further = candidates_of(plan.parts.models)
        self._texts = plan.pack.texts

    def insights(self, builder: InsightBuilder, days: Days) -> Iterator[Insight]:
        """Forecast, if there was none for long enough, and tell it if it says something."""
        model = self._model
        if model is None or not builder.allows(InsightKind.FORECAST, "", model.every_days * _MINUTES_A_DAY):
            return
        found = forecast(days.values, horizon=model.horizon_days, interval=model.interval, further=self._further)
        if found is None or not found.is_worth_reading(model):
            return
        label = f"{model.target}_{'up' if found.change > 0 else 'down'}"
        part = Contribution(f"expected_{model.target}", found.total.value, found.change, usual=found.recent)
        yield builder.insight(
            InsightKind.FORECAST,
            label=label,
            score=min(1.0, found.backtest.skill),
            explanation=Explanation(self._sentence(found, model), (part,), _claims(found, model)),
            window=label,
            evidence=forecast_document(found, days, model, self._further),
        )

    def _sentence(self, found: Forecast, model: ForecastModel) -> str:
        texts, total = self._texts, found.total
        return texts.forecast.format(
            measure=texts.measure_amount if model.target == "amount" else texts.measure_events,
            days=str(model.horizon_days),
            total=short(total.value),
            low=short(total.low),
            high=short(total.high),
            recent=short(found.recent),
        )


def _claims(found: Forecast, model: ForecastModel) -> tuple[Claim, ...]:
    """The total against that of the days before, and the interval that it is in."""
    name, unit, total = f"expected_{model.target}", "money" if model.target == "amount" else "events", found.total
    return (
        compared(name, total.value, unit, found.recent, "own_usual"),
        Claim(name, total.value, unit, ">=", total.low, "threshold"),
        Claim(name, total.value, unit, "<=", total.high, "threshold"),
        stated("horizon_days", float(model.horizon_days), "days"),
    )


def forecast_document(
    found: Forecast, days: Days, model: ForecastModel, further: Sequence[ForecastCandidate]
) -> dict[str, Any]:
    """A forecast as it is shown: its days by date, their total, the same by category, and the backtest."""
    by_category = {
        name: forecast(values, horizon=model.horizon_days, interval=model.interval, further=further)
        for name, values in sorted(days.by_category.items())
        if sum(value > 0 for value in values) >= model.min_days
    }
    backtest = found.backtest
    return {
        "target": model.target,
        "interval": model.interval,
        "days": [
            {"date": iso_time((days.today + ahead) * DAY_MS)[:10], **_figure(day)}
            for ahead, day in enumerate(found.days)
        ],
        "total": _figure(found.total),
        "recent_total": found.recent,
        "weekly_rhythm": found.rhythm,
        "model": found.model,
        "by_category": {name: _figure(part.total) for name, part in by_category.items() if part is not None},
        "backtest": {
            "days": backtest.origins,
            "mean_absolute_error": backtest.error,
            "same_as_day_before": backtest.naive,
            "same_as_week_before": backtest.weekday,
        },
    }


def _figure(expected: Expected) -> dict[str, float]:
    return {"expected": expected.value, "low": expected.low, "high": expected.high}
