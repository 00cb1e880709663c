"""What bandits say about themselves: rewards of each recommendation, by partition."""

from __future__ import annotations

from support.advice import advice_pack
from support.folding import make_partition
from ubi_stream.metrics.reports import reports_of


def test_each_recommendation_has_a_line_with_its_rewards() -> None:
    models = make_partition(advice_pack()).models
    chooser = models.choosers["looker"]
    assert [report.warm for report in reports_of([("user", 3, models)])] == [False] * 4
    for arm, reward in (("guide", 1.0), ("guide", 0.0), ("wait", 1.0)):
        assert chooser.learn(arm, {"session_depth": 0.5, "events_24h": 0.1}, reward)
    reports = {report.model: report for report in reports_of([("user", 3, models)])}
    assert set(reports) == {"bandit/dormant/write", "bandit/dormant/call", "bandit/looker/guide", "bandit/looker/wait"}
    guide, write = reports["bandit/looker/guide"], reports["bandit/dormant/write"]
    assert (guide.entity, guide.partition, guide.n_seen, guide.warm) == ("user", 3, 2, True)
    assert guide.quality == {"all_time": {"n": 2, "mean_reward": 0.5}}
    assert (write.warm, write.quality) == (False, {"all_time": {"n": 0, "mean_reward": None}})
