"""What `$label` events say about the events that they name."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from support.folding import Runner
from support.probe import START_MS
from support.timeline import at, forward


class TestLabels:
    PAYMENT: ClassVar[dict[str, Any]] = {"event_type": "purchase", "shop_id": "s", "order_id": "o1", "price": 5}

    def label(self, minutes: float, *, bad: object = True, order: object = "o1", event_id: str = "l") -> dict[str, Any]:
        properties = {"order_id": order, "bad": bad, "shop_id": "s"}
        return at(minutes, event_type="$label", event_id=event_id, properties=properties)

    def runner(self) -> Runner:
        return Runner(entity="shop")

    def send(self, runner: Runner, *contents: dict[str, Any]) -> int:
        """Unmatched labels among these."""
        start = runner.offset
        runner.offset += len(contents)
        records = [forward(c, start + n, ("ubi.events/0", start + n)) for n, c in enumerate(contents)]
        return runner.run_records(records).tally.unmatched_labels

    def bad(self, runner: Runner) -> list[bool | None]:
        state = runner.state("s")
        assert state is not None
        return [entry.outcome for entry in state.log]

    def test_a_label_after_its_event(self) -> None:
        runner = self.runner()
        assert self.send(runner, at(0, **self.PAYMENT), self.label(5)) == 0
        assert self.bad(runner) == [True]

    def test_a_label_before_its_event_is_unmatched_and_not_lost_from_the_counts(self) -> None:
        runner = self.runner()
        assert self.send(runner, self.label(0), at(1, **self.PAYMENT)) == 1
        assert self.bad(runner) == [None]

    def test_a_label_that_comes_twice_counts_once(self) -> None:
        runner = self.runner()
        self.send(runner, at(0, **self.PAYMENT), self.label(5), self.label(6))
        state = runner.state("s")
        assert state is not None
        assert (state.labels, self.bad(runner)) == (1, [True])

    def test_a_later_label_corrects_an_earlier_one(self) -> None:
        runner = self.runner()
        self.send(runner, at(0, **self.PAYMENT), self.label(5), self.label(6, bad=False, event_id="l2"))
        assert self.bad(runner) == [False]

    def test_a_label_of_nothing_known_is_counted(self) -> None:
        runner = self.runner()
        assert self.send(runner, at(0, **self.PAYMENT), self.label(5, order="other")) == 1
        assert self.bad(runner) == [None]

    @pytest.mark.parametrize(
        ("written", "means"), [(1, True), (0, False), (0.0, False), ("Yes", True), ("false", False)]
    )
    def test_a_label_says_yes_or_no_in_many_ways(self, written: object, means: bool) -> None:
        runner = self.runner()
        self.send(runner, at(0, **self.PAYMENT), self.label(5, bad=written))
        assert self.bad(runner) == [means]

    @pytest.mark.parametrize("change", [{"order": None}, {"bad": None}, {"bad": "maybe"}, {"bad": 2}, {"bad": [True]}])
    def test_a_label_that_says_nothing_is_a_dead_letter(self, change: dict[str, Any]) -> None:
        runner = self.runner()
        self.send(runner, at(0, **self.PAYMENT))
        records = [forward(self.label(5, **change), runner.offset, ("ubi.events/0", runner.offset))]
        [letter] = runner.run_records(records).dead_letters
        assert letter.path == f"$.properties.{'order_id' if 'order' in change else 'bad'}"
        assert self.bad(runner) == [None]

    def test_a_number_and_its_text_are_the_same_reference(self) -> None:
        runner = self.runner()
        payment = at(0, **(self.PAYMENT | {"order_id": 17}))
        assert self.send(runner, payment, self.label(5, order="17")) == 0

    def test_a_label_makes_no_unknown_entity_known(self) -> None:
        runner = self.runner()
        assert self.send(runner, self.label(0)) == 1
        assert runner.state("s") is None
        assert runner.partition.take_checkpoint()[1] == []

    def test_a_label_long_after_is_no_sign_of_life(self) -> None:
        """Neither does it make what is known be forgotten, nor is it a visit."""
        runner = self.runner()
        self.send(runner, at(0, **self.PAYMENT), self.label(26 * 60))
        state = runner.state("s")
        assert state is not None
        assert (state.events, state.last_ms, self.bad(runner)) == (1, START_MS, [True])

    def test_the_window_of_a_feature_ends_the_delay_before(self) -> None:
        #   0 payment, labelled bad      3 h: its window ends at 0 and holds it
        runner = self.runner()
        self.send(runner, at(0, **self.PAYMENT), self.label(5))
        later = [at(m, **(self.PAYMENT | {"order_id": f"o{m}"})) for m in (179, 180)]
        records = [forward(c, 10 + n, ("ubi.events/0", 10 + n)) for n, c in enumerate(later)]
        rows = [row.features for row in runner.run_records(records).features]
        assert [row["exact_count_1d"] for row in rows] == [0.0, 1.0]
        assert [row["exact_bad_share_1d"] for row in rows] == [0.0, 1.0]
