"""A user's days ahead as a document, made when it is asked for."""

from __future__ import annotations

from typing import Any, Literal

from ubi_stream.features.days import days_before_today
from ubi_stream.insights.kinds.forecast import forecast_document
from ubi_stream.models.forecast import candidates_of, forecast
from ubi_stream.packs.models import ForecastModel
from ubi_stream.packs.plan import Plan
from ubi_stream.packs.schema import Pack
from ubi_stream.state.model import UserState

READY = "ready"
WARMING_UP = "warming_up"


def forecast_model(pack: Pack, *, target: str | None, days: int) -> ForecastModel:
    """What is asked for, by what the pack says; `days` is 0 and `target` None where the pack's are meant.

    A pack without forecasts is asked with the defaults: for money where it knows of money, else for events.
    """
    default: Literal["amount", "events"] = "amount" if pack.events.roles.amount_types else "events"
    model = pack.models.forecast or ForecastModel(target=default)
    changes = ({"target": target} if target else {}) | ({"horizon_days": days} if days else {})
    return ForecastModel.model_validate(model.model_dump() | changes)


def forecast_of(plan: Plan, entity_id: str, state: UserState, model: ForecastModel) -> dict[str, Any]:
    """The document of one entity: the days from that of its newest event on, which are made from those before.

    `status` is `warming_up`, and `forecast` null, while there are too few days with events.
    """
    days = days_before_today(state, plan, model.target)
    found, further = None, candidates_of(plan.parts.models)
    if days.active >= model.min_days:
        found = forecast(days.values, horizon=model.horizon_days, interval=model.interval, further=further)
    return {
        "id": entity_id,
        "entity": plan.entity.name,
        "pack": plan.pack.name,
        "status": WARMING_UP if found is None else READY,
        "active_days": days.active,
        "min_days": model.min_days,
        "forecast": None if found is None else forecast_document(found, days, model, further),
    }
