"""The way of an event, on one screen: one call per stage. No input or output, no clock, no Kafka.

    records - read - route - fold - featurize - assign, score - decide - effects

The same function runs in a Kafka agent, in an offline replay and in tests. Between two stages there is one type.
A person's label is about what was told, an erasure of all of it: what comes before in a batch is decided before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ubi_stream.effects import BatchResult, Effects, tally
from ubi_stream.events.decode import Decode
from ubi_stream.events.model import Event, Record
from ubi_stream.events.stage import read_events, up_to_commands
from ubi_stream.events.validate import Validator
from ubi_stream.features.stage import Featurizer
from ubi_stream.insights.stage import DecideStage
from ubi_stream.insights.visits import VisitRecorder
from ubi_stream.insights.windows import WindowCounter
from ubi_stream.models.stage import PartitionModels
from ubi_stream.models.visit_confidence import VisitConfidence
from ubi_stream.packs.plan import Plan
from ubi_stream.privacy.filter import PrivacyFilter
from ubi_stream.routing import (
    arrivals,
    fan_out,
    feature_rows,
    go_ahead,
    key_by_user,
    pass_on,
    reroute,
    shared_scores,
)
from ubi_stream.rules.risks import Rules
from ubi_stream.rules.segments import Segments
from ubi_stream.state.progress import Progress
from ubi_stream.state.stage import Fold


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The stages of one kind of entity in one partition, over its states and its models."""

    plan: Plan
    owner_partition: Callable[[bytes], int] | None
    further: tuple[Plan, ...]
    exchanging: tuple[Plan, ...]
    progress: Progress
    decode: Decode
    privacy: PrivacyFilter
    validator: Validator
    folder: Fold
    featurizer: Featurizer
    segments: Segments
    rules: Rules
    models: PartitionModels
    policy: DecideStage
    windows: WindowCounter
    visits: VisitRecorder
    visit_confidence: VisitConfidence

    def run(self, records: Sequence[Record], *, forwarded: bool) -> Effects:
        """Process a batch of records of one topic, in order; `forwarded` if it is a repartition topic.

        Afterwards states, models and memory contain the batch, and its effects are to be delivered.
        """
        read = read_events(records, self.validator, forwarded=forwarded, decode=self.decode, privacy=self.privacy)
        stay, ahead = (read.events, []) if forwarded else go_ahead(read.events, self.exchanging)
        local, misrouted = (stay, []) if forwarded else key_by_user(stay, records, self.owner_partition)
        arrived = arrivals(local, self.plan, self.progress)
        results = [self._process(part) for part in up_to_commands(local, self.folder.refers_back)]
        changes = [change for part in results for change in part.batch.changes]
        # What was delivered before a crash is not delivered again; what was folded above knows that by itself.
        is_new = self.progress.is_new
        letters = [letter for letter in read.dead_letters if is_new(letter.record.topic, letter.record.offset)]
        unwanted = [event for event in read.unwanted if is_new(event.record.topic, event.record.offset)]
        not_kept = [event for event in read.not_kept if is_new(event.record.topic, event.record.offset)]
        findings = [one for one in read.findings if is_new(one.record.topic, one.record.offset)]
        misrouted = [event for event in misrouted if is_new(event.topic, event.offset)]
        ahead = [(to, event) for to, event in ahead if is_new(event.topic, event.offset)]
        shared = {offset: scores for part in results for offset, scores in part.shared.items()}
        self.windows.count_personal_data(findings, not_kept)
        self.progress.learn_up_to(records[-1].topic, records[-1].offset)
        counts = self.folder.take_counts()
        return Effects(
            tally=tally(
                len(records),
                changes,
                counts,
                letters=letters,
                unwanted=unwanted,
                not_kept=not_kept,
                findings=findings,
                misrouted=[*misrouted, *(event for _, event in ahead)],
                unknown_fields=read.unknown_fields,
                plan=self.plan,
            ),
            insights=[insight for part in results for insight in part.insights],
            dead_letters=letters,
            forwards=[
                *reroute(misrouted, self.plan.entity.name),
                *fan_out(changes, self.further, ahead),
                *pass_on(arrived, shared, self.plan, self.exchanging),
            ],
            windows=[count for part in results for count in part.windows],
            features=feature_rows((part.batch for part in results), self.featurizer.names, self.plan),
            visits=[visit for part in results for visit in part.visits],
            recommendations=[record for part in results for record in part.recommendations],
        )

    def _process(self, events: Sequence[Event]) -> BatchResult:
        batch = self.featurizer.featurize(self.folder.fold(events))
        assigned = self.segments.assign(batch)
        assessed = self.rules.assess(batch)
        scores = self.models.score_and_learn(batch, assigned.after)
        self.visit_confidence.learn(batch)
        decided = self.policy.decide(scores, assigned, assessed)
        return BatchResult(
            batch,
            decided.insights,
            self.windows.count(batch, assigned),
            list(self.visits.records(batch, assigned)),
            decided.recommendations,
            shared_scores(scores, self.plan),
        )
