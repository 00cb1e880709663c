"""Where a stream is cut into batches changes no forecast, no chosen recommendation and nothing that was learned."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from support.advice import advice_pack, weeks
from support.folding import Runner
from ubi_stream.insights.model import Insight, InsightKind
from ubi_stream.models.common.digest import digest
from ubi_stream.packs.schema import Pack
from ubi_stream.state.codec import decode_state

ADVICE = advice_pack()
THOMPSON = advice_pack(("LinUCBDisjoint", "ThompsonSampling"))


def run(pack: Pack, contents: list[dict[str, Any]], cuts: list[int]) -> tuple[list[Insight], object, str]:
    runner = Runner(pack, cache_size=2)
    bounds = [0, *sorted({cut for cut in cuts if cut < len(contents)}), len(contents)]
    delivered = [insight for a, b in pairwise(bounds) if a < b for insight in runner.run(*contents[a:b]).insights]
    runner.partition.take_checkpoint()
    states = {key: decode_state(blob)[1] for key, blob in runner.states.items()}
    return delivered, states, digest(runner.partition.models)


@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 10_000), st.lists(st.integers(1, 200), unique=True, max_size=12), st.sampled_from([ADVICE, THOMPSON])
)
def test_any_cut_gives_the_same(seed: int, cuts: list[int], pack: Pack) -> None:
    contents = weeks(seed)
    assert run(pack, contents, cuts) == run(pack, contents, [])


def test_the_streams_have_what_is_tested() -> None:
    delivered, _, _ = run(ADVICE, weeks(1), [])
    kinds = [insight.kind for insight in delivered]
    assert kinds.count(InsightKind.FORECAST) >= 1
    assert kinds.count(InsightKind.RECOMMENDATION) >= 10
    assert {
        insight.evidence["rewards_seen"] > 5 for insight in delivered if insight.kind is InsightKind.RECOMMENDATION
    } == {
        False,
        True,
    }
