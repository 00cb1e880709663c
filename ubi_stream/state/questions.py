"""Questions about a user's future, kept with the features they were asked at until the answer is known.

They are part of the state: a function of the user's own events. Whether an answer was given is not stored. By time it
was, exactly if the partition's watermark has passed the question's end; so it is with silences (`state/timers.py`).
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from ubi_stream.events.model import Event
from ubi_stream.ids import short_hash
from ubi_stream.packs.plan import Plan, PlannedOutcome
from ubi_stream.state.model import Question, Session, UserState
from ubi_stream.state.visits import EndedVisit


class Answer(msgspec.Struct, frozen=True, gc=False):
    """What became of a question, and with which features it was asked.

    `at_ms` is the event time at which it was known; `late` says that time had answered no before, and this is a yes or
    no that came after.
    """

    question: Question
    row: bytes
    positive: bool
    at_ms: int
    late: bool = False


def ask(
    state: UserState, event_hash: int, at_ms: int, reference: int, plan: Plan, row: Callable[[], bytes]
) -> list[Question]:
    """Ask what is to be asked at an event, with the features right after it; returns the new questions.

    Mostly nothing is: only else `row` is called for the features, once.

    Of a visit's events the one with the smallest hash is asked at, among those before the first yes: each is as likely
    as another, and a replay chooses the same. Labels name an event: each event with a reference is asked about.
    """
    asked: list[Question] = []
    questions, session, replaced = state.questions, state.session, False
    for outcome in plan.outcomes:
        waiting: Question | None = None
        if outcome.by == "label":
            if not reference:
                continue
            _limit(state, outcome)
            questions = state.questions
        else:
            if outcome.by == "visit" and (session.hits >> outcome.index & 1 or at_ms < session.start_ms):
                continue
            name = outcome.name
            for question in questions:
                if question.outcome == name:
                    waiting = question
                    break
            if waiting is not None and (waiting.settled or event_hash >= waiting.id):
                continue  # as nearly always: it is asked at its event
        due_ms = at_ms + outcome.within_ms if outcome.within_ms else 0
        question = Question(outcome.name, event_hash, at_ms, due_ms, reference if outcome.by == "label" else 0)
        if waiting is None:
            questions.append(question)
        else:
            questions[questions.index(waiting)] = question
            replaced = True
        asked.append(question)
    if asked:
        state.rows[event_hash] = row()
    if replaced:
        state.keep_questions(questions)
    return asked


def answer_at_event(
    state: UserState, event: Event, ended: EndedVisit | None, plan: Plan, watermark_ms: int
) -> list[Answer]:
    """Answers that an event of the user brings, which `state` contains already; those questions are done with.

    `ended` is the visit that the event ended, `watermark_ms` the watermark before it.
    """
    answers: list[Answer] = []
    if not state.questions:
        return answers
    at_ms, type_index = event.event_time_ms, plan.type_index.get(event.event_type)
    done: list[Question] = []
    for question in state.questions:
        outcome = plan.outcome_of(question.outcome)
        if outcome is None:
            done.append(question)  # the pack asked that once
            continue
        is_visit = outcome.by == "visit"
        if ended is not None:
            question.settled = True
        elif is_visit or (type_index not in outcome.types and at_ms <= question.due_ms + plan.lateness_ms):
            continue  # nothing that could answer it, as nearly always
        if is_visit:
            answer = _of_visit(state, question, outcome, ended, at_ms, plan, watermark_ms)
        else:
            answer = _of_horizon(state, question, outcome, at_ms, type_index, ended, plan, watermark_ms)
        if answer is None:
            continue
        done.append(question)
        if answer.positive or not answer.late:
            answers.append(answer)
    if done:
        state.keep_questions([question for question in state.questions if question not in done])
    return answers


def _of_visit(
    state: UserState,
    question: Question,
    outcome: PlannedOutcome,
    ended: EndedVisit | None,
    at_ms: int,
    plan: Plan,
    watermark_ms: int,
) -> Answer | None:
    if ended is None:
        return None
    told = ended.session.last_ms + plan.session_gap_ms <= watermark_ms  # then all of it was told, a yes as well
    positive = not told and has_hit(ended.session, outcome)
    return Answer(question, state.rows[question.id], positive, at_ms, late=told)


def _of_horizon(
    state: UserState,
    question: Question,
    outcome: PlannedOutcome,
    at_ms: int,
    type_index: int | None,
    ended: EndedVisit | None,
    plan: Plan,
    watermark_ms: int,
) -> Answer | None:
    """The answer that an event gives; a no is `late` where time gave it before. None while the question is open."""
    told = question.due_ms <= watermark_ms
    if question.asked_ms < at_ms <= question.due_ms:
        is_yes = type_index in outcome.types if outcome.by == "event" else outcome.by == "return" and ended is not None
        return Answer(question, state.rows[question.id], True, at_ms, late=told) if is_yes else None
    # Events may come as late as the lateness, so a question is kept for so long.
    over = at_ms > question.due_ms + plan.lateness_ms
    return Answer(question, state.rows[question.id], False, question.due_ms, late=told) if over else None


def answer_by_label(state: UserState, event: Event, plan: Plan, watermark_ms: int) -> tuple[Answer, ...]:
    """Answers that a `$label` event brings to the questions asked at the event that it names."""
    name = event.properties.get(plan.reference) if plan.reference else None
    positive = event.properties.get(plan.outcome) if plan.outcome else None
    if not state.questions or name is None or not isinstance(positive, bool):
        return ()
    reference = short_hash(str(name))
    named = [question for question in state.questions if reference and question.reference == reference]
    at_ms, rows = event.event_time_ms, state.rows
    state.keep_questions([question for question in state.questions if question.reference != reference])
    return tuple(
        Answer(question, rows[question.id], positive, at_ms, late=question.due_ms <= watermark_ms) for question in named
    )


def answers_of_visit(state: UserState, at_ms: int, plan: Plan) -> tuple[Answer, ...]:
    """Answers that the end of the current visit brings. The state stays: its next event says that again, unheard."""
    asked = ((question, plan.outcome_of(question.outcome)) for question in state.questions)
    return tuple(
        Answer(question, state.rows[question.id], has_hit(state.session, outcome), at_ms)
        for question, outcome in asked
        if outcome is not None and outcome.by == "visit"
    )


def answers_due(state: UserState, due_ms: int, plan: Plan) -> tuple[Answer, ...]:
    """Answers that the end of a horizon brings: nothing happened. The state stays, as above."""
    return tuple(
        Answer(question, state.rows[question.id], positive=False, at_ms=due_ms)
        for question in state.questions
        if question.due_ms == due_ms and plan.outcome_of(question.outcome) is not None
    )


def has_hit(session: Session, outcome: PlannedOutcome) -> bool:
    """Whether a visit had an event that is a yes to the outcome."""
    return bool(session.hits >> outcome.index & 1)


def dues(state: UserState) -> list[int]:
    """Ends of the horizons of open questions, in ms of event time."""
    return [question.due_ms for question in state.questions if question.due_ms]


def next_due_ms(state: UserState, watermark_ms: int) -> int:
    """The first end of a horizon that the watermark has not passed; 0 if there is none."""
    first_ms = 0
    for question in state.questions:
        if question.due_ms > watermark_ms and not 0 < first_ms <= question.due_ms:
            first_ms = question.due_ms
    return first_ms


def _limit(state: UserState, outcome: PlannedOutcome) -> None:
    """Make room for one more of an outcome: the oldest goes, unanswered."""
    same = [question for question in state.questions if question.outcome == outcome.name]
    if len(same) >= outcome.max_open:
        state.keep_questions([question for question in state.questions if question is not same[0]])
