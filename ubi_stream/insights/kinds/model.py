"""Which model serves, and why it is another one now."""

from __future__ import annotations

from ubi_stream.insights.builder import InsightBuilder
from ubi_stream.insights.claims import Claim, compared, stated
from ubi_stream.insights.model import Explanation, Insight, InsightKind
from ubi_stream.insights.wording import short
from ubi_stream.models.outcomes.champion import ChampionChoice
from ubi_stream.packs.plan import Plan


class ModelInsights:
    """Tells the operators of a partition which model serves from now on."""

    def __init__(self, plan: Plan) -> None:
        self._texts = plan.pack.texts

    def insights(self, builder: InsightBuilder, choice: ChampionChoice) -> Insight:
        """Tell of one choice. There is one at the start, and then one for each change."""
        texts = self._texts
        outcome, model = texts.outcome_word(choice.outcome), choice.model.replace("_", " ")
        claims: tuple[Claim, ...] = (stated("labels", float(choice.labels), "labels"),)
        if choice.before is None or choice.loss is None or choice.loss_before is None:
            summary = texts.model_first.format(outcome=outcome, model=model, labels=choice.labels)
        else:
            summary = texts.model_changed.format(
                outcome=outcome,
                model=model,
                before=choice.before.replace("_", " "),
                loss=short(choice.loss),
                loss_before=short(choice.loss_before),
                labels=choice.labels,
            )
            claims += (compared("log_loss", choice.loss, "log-loss", choice.loss_before, "own_usual"),)
        return builder.insight(
            InsightKind.MODEL,
            label=choice.model,
            explanation=Explanation(summary, claims=claims),
            evidence={
                "outcome": choice.outcome,
                "before": choice.before,
                "log_loss": choice.loss,
                "log_loss_before": choice.loss_before,
                "labels": choice.labels,
                "others_log_loss": choice.others,
            },
            window=f"{choice.outcome}/{choice.model}",
            population=True,
        )
