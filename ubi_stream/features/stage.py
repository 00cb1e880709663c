"""The featurize stage: moments become rows of numbers, right when each happens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from struct import Struct
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from ubi_stream.features.days import Days, days_before_today, opens_day
from ubi_stream.features.declared import features_of
from ubi_stream.features.event_context import EventContext, context_of
from ubi_stream.features.history import DailyHistory, history_until
from ubi_stream.features.registry import Column, FamilyExtractor, Feature
from ubi_stream.ids import short_hash
from ubi_stream.packs.plan import Plan
from ubi_stream.packs.schema import RESERVED_TYPES
from ubi_stream.state.model import Session, UserState
from ubi_stream.state.pending import Opened, ask
from ubi_stream.state.stage import StateChange
from ubi_stream.state.visit_class import class_of

Matrix = NDArray[np.float64]

NO_ROW = -1


class Labelled(NamedTuple):
    """An entity right when a person labels it: events so far, time of the newest, and features as of that, if any.

    `visit` is its newest visit, with its class.
    """

    events: int
    at_ms: int
    values: Matrix | None
    visit: Session | None = None
    visit_class: str = ""


@dataclass(frozen=True, slots=True)
class Featurized:
    """A batch of changes and the features of those that are behaviour.

    Attributes
    ----------
    changes
        All changes in order.
    rows
        For each change its row in the matrices, or `NO_ROW` (inactivity and commands have none).
    values, usual
        Shape (rows, features): the feature, and the entity's own usual value of it; NaN where there is none.
    scaled
        The same shape: features in [0, 1] by their registered range and scale.
    checked
        Shape (rows, features of the rules): what the pack's rules are checked with.
    context
        Numbers of each row that models need whatever features a pack lists.
    scale
        Maps feature values to [0, 1] as `scaled` has them.
    labelled
        Where the first moment is a person's label: whom it is about.
    days
        By row, the days before, where the row is the first of a day and the user has enough of them for a forecast.
    asked
        Rows at which questions were asked that are still open then, each with one question.
    histories
        By position of the change, the days before one at which an entity's habits are looked at, if there are enough.
    """

    changes: list[StateChange]
    rows: list[int]
    values: Matrix
    usual: Matrix
    scaled: Matrix
    checked: Matrix
    context: list[EventContext]
    scale: Callable[[Matrix], Matrix]
    labelled: Labelled | None = None
    days: Mapping[int, Days] = field(default_factory=dict)
    asked: list[tuple[int, Opened]] = field(default_factory=list)
    histories: Mapping[int, DailyHistory] = field(default_factory=dict)


class _Layout:
    """Which families to ask, and where in their answers the pack's features are."""

    def __init__(self, columns: list[Column], of_rules: list[Column]) -> None:
        starts: dict[FamilyExtractor, int] = {}
        self.width = 0
        for column in (*columns, *of_rules):
            if column.family not in starts:
                starts[column.family] = self.width
                self.width += column.width
        self.families = tuple(starts)
        self._values = [starts[column.family] + column.value for column in columns]
        self._of_rules = [starts[column.family] + column.value for column in of_rules]
        # Packing with a known size takes a third of what an `array` takes to check and convert number by number.
        self.pack = Struct(f"{self.width}d").pack
        self._pack_kept = Struct(f"{len(columns)}f").pack
        usual = [(i, starts[c.family] + c.usual) for i, c in enumerate(columns) if c.usual is not None]
        self._usual = np.array(usual, dtype=np.intp).reshape(-1, 2)

    def pick(self, row: list[float]) -> list[float]:
        """The features of one row of answers."""
        return [row[position] for position in self._values]

    def pack_kept(self, row: list[float]) -> bytes:
        """The features of one row of answers as they are kept for a question; `unpack_kept` reads them."""
        return self._pack_kept(*self.pick(row))

    def split(self, cells: list[bytes], rows: int) -> tuple[Matrix, Matrix, Matrix]:
        """Features, their usual values, and the rules' features of so many packed rows of answers."""
        delayed_labels = np.frombuffer(b"".join(cells), dtype=np.float64).reshape(rows, self.width)
        usual = np.full((rows, len(self._values)), np.nan)
        usual[:, self._usual[:, 0]] = delayed_labels[:, self._usual[:, 1]]
        return np.take(delayed_labels, self._values, axis=1), usual, np.take(delayed_labels, self._of_rules, axis=1)


def _column(feature: Feature) -> Column:
    """The feature's place in its family; one that has none is a family of its own."""
    if feature.column is not None:
        return feature.column
    value, usual = feature.extract, feature.usual
    if usual is None:
        return Column(lambda state, at_ms, plan: (value(state, at_ms, plan),), 0, None, 1)
    return Column(lambda state, at_ms, plan: (value(state, at_ms, plan), usual(state, at_ms, plan)), 0, 1, 2)


class Featurizer:
    """Extracts a pack's features for one kind of entity.

    Attributes
    ----------
    names
        Features in the order of the matrices' columns.
    rule_features
        Those that the pack's rules are about; the models don't look at them unless the entity lists them too.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.features: tuple[Feature, ...] = features_of(plan.entity.features, plan)
        self.names = tuple(feature.name for feature in self.features)
        rules = plan.parts.rules
        of_rules = tuple(dict.fromkeys(name for rule in rules for name in rule.features))
        self.rule_features = features_of(of_rules, plan)
        self._layout = _Layout([_column(one) for one in self.features], [_column(one) for one in self.rule_features])
        self._is_log = np.array([feature.scale == "log" for feature in self.features])
        low, high = (np.array([getattr(f, bound) for f in self.features]) for bound in ("low", "high"))
        self._low = np.where(self._is_log, np.log1p(np.maximum(low, 0)), low)
        self._span = np.where(self._is_log, np.log1p(np.maximum(high, 0)), high) - self._low
        self._forecast = plan.parts.models.forecast
        self._asks = bool(plan.outcomes)

    def featurize(self, changes: Iterable[StateChange]) -> Featurized:
        """Rows of a batch. Pulls the moments one by one: each row is the state right after its event."""
        kept: list[StateChange] = []
        rows: list[int] = []
        context: list[EventContext] = []
        labelled: Labelled | None = None
        days: dict[int, Days] = {}
        asked: list[tuple[int, Opened]] = []
        histories: dict[int, DailyHistory] = {}
        cells: list[bytes] = []
        plan, layout = self._plan, self._layout
        families, pack = layout.families, layout.pack
        types, other = plan.type_index, plan.other_type
        for change in changes:
            kept.append(change)
            event = change.event
            if event is None or event.event_type in RESERVED_TYPES:
                rows.append(NO_ROW)
                if event is not None and event.verdict is not None:
                    labelled = self._labelled(change.state)
                if change.reviewed >= 0 and (history := history_until(change.state, change.reviewed, plan)):
                    histories[len(rows) - 1] = history
                continue
            row_number = len(context)
            rows.append(row_number)
            state, at_ms = change.state, change.at_ms
            row: list[float] = []
            for extract in families:
                row += extract(state, at_ms, plan)
            cells.append(pack(*row))
            known = context_of(state, at_ms, types.get(event.event_type, other), plan)
            context.append(known)
            if known.first_in_pane and (found := self._days(change)) is not None:
                days[row_number] = found
            if self._asks and (opened := self._ask(change, row)):
                asked.extend((row_number, one) for one in opened)
        values, usual, checked = layout.split(cells, len(context))
        scaled = self.scale(values)
        return Featurized(
            kept, rows, values, usual, scaled, checked, context, self.scale, labelled, days, asked, histories
        )

    def scale(self, values: Matrix) -> Matrix:
        """Map features to [0, 1], elementwise; NaN stays NaN."""
        with np.errstate(invalid="ignore"):
            logs = np.where(self._is_log, np.log1p(np.maximum(values, 0)), values)
        scaled: Matrix = np.clip((logs - self._low) / self._span, 0.0, 1.0)
        return scaled

    def _days(self, change: StateChange) -> Days | None:
        """Days before today where a forecast may be made of them; taken now, because the state goes on."""
        if self._forecast is None:
            return None
        state = change.state
        most = len(state.log if self._plan.exact else state.days.panes)  # most users have too few days: this is cheap
        if most <= self._forecast.min_days or not opens_day(state, change.at_ms, self._plan):
            return None
        days = days_before_today(change.state, self._plan, self._forecast.target)
        return days if days.active >= self._forecast.min_days else None

    def _labelled(self, state: UserState) -> Labelled:
        """An entity as of its newest event; taken now, because the state goes on."""
        if state.events == 0:
            return Labelled(0, 0, None)
        row = [answer for extract in self._layout.families for answer in extract(state, state.last_ms, self._plan)]
        values = np.array(self._layout.pick(row), dtype=np.float64)
        found = class_of(state.session, self._plan)
        visit, name = msgspec.structs.replace(state.session), found.name if found else ""
        return Labelled(state.events, state.last_ms, values, visit, name)

    def _ask(self, change: StateChange, row: list[float]) -> list[Opened]:
        """Ask what is to be asked at an event; the questions that time has not answered already."""
        plan, event = self._plan, change.event
        assert event is not None, "a row is made of an event"
        reference = event.properties.get(plan.reference) if plan.reference else None
        named = 0 if reference is None else short_hash(str(reference))
        opened = ask(
            change.state,
            change.event_hash,
            change.at_ms,
            named,
            plan,
            lambda: self._layout.pack_kept(row),
        )
        return opened and [one for one in opened if not 0 < one.pending.due_ms <= change.watermark_ms]


def unpack_kept(kept: bytes) -> Matrix:
    """The row kept for a question: feature values, rounded to 32 bits."""
    return np.frombuffer(kept, dtype=np.float32).astype(np.float64)
