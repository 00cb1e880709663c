"""The words that insights are told with: English, neutral as to the domain, until a pack says otherwise."""

from __future__ import annotations

from string import Formatter
from typing import Annotated

from pydantic import AfterValidator, Field

from ubi_stream.packs.base import Model, Name, Operator

Words = Annotated[str, Field(min_length=1, max_length=100)]


def _says(*places: str) -> AfterValidator:
    """A sentence with these places in braces, any of which it may leave out."""

    def check(sentence: str) -> str:
        try:
            found = {name for _, name, _, _ in Formatter().parse(sentence) if name is not None}
            if unknown := sorted(found - set(places)):
                known = ", ".join(f"{{{place}}}" for place in places) or "none"
                raise ValueError(f"it has no place {{{unknown[0]}}}; there are: {known}")
            sentence.format(**dict.fromkeys(places, "words"))
        except (IndexError, KeyError, AttributeError, TypeError) as error:
            raise ValueError(f"it can't be filled in with words ({error})") from error
        if not sentence.strip():
            raise ValueError("it is empty")
        return sentence

    return AfterValidator(check)


class Texts(Model):
    """Sentences with places in braces, and words for names. What fills a place is words already."""

    segment_before: Annotated[str, _says("segment", "before", "entity")] = (
        "The {entity} is now {segment} (before: {before})"
    )
    segment_silent: Annotated[str, _says("segment", "before", "days", "entity")] = (
        "The {entity} has been silent for {days} days and is now {segment} (before: {before})"
    )
    because: Annotated[str, _says("statement", "why")] = "{statement}: {why}"
    recommendation: Annotated[str, _says("text", "segment", "entity")] = (
        "{text} (because the {entity} is now {segment})"
    )
    anomaly: Annotated[str, _says("entity", "why")] = "Unusual for this {entity}: {why}"
    anomaly_among: Annotated[str, _says("entity", "why")] = "Unusual compared with others ({entity}): {why}"
    population: Annotated[str, _says("count", "entity", "minutes", "factor", "why")] = (
        "A wave of unusual behaviour ({entity}): {count} in {minutes} minutes, {factor} times as many as usual: {why}"
    )
    population_over: Annotated[str, _says("count", "entity", "minutes", "held")] = (
        "The wave of unusual behaviour ({entity}) is over after {minutes} minutes; {held} alerts about {count} were "
        "held back"
    )
    in_common: Annotated[str, _says("feature", "share")] = "{feature} leads in {share}"
    tracking_broke: Words = "Tracking seems to be broken"
    users_changed: Words = "Users behave differently"
    drift_rate: Annotated[str, _says("before", "after")] = "{after} events a minute, usually {before} at this hour"
    drift_type: Annotated[str, _says("name", "before", "after")] = "{name} is {after} of the events, usually {before}"
    drift_missing: Annotated[str, _says("name", "before", "after")] = (
        "{name} is missing from {after} of the events that have it, usually from {before}"
    )
    drift_loss: Annotated[str, _says("name", "before", "after")] = (
        "predictions of {name} have a log-loss of {after}, {before} before"
    )
    drift_feature: Annotated[str, _says("name", "before", "after")] = (
        "{name} is at {after} of its range on average, usually at {before}"
    )
    tracking_after: Annotated[str, _says("name", "given", "count", "of", "usual")] = (
        "{count} of {of} users had {name} soon after {given}, usually {usual}"
    )
    tracking_before: Annotated[str, _says("name", "given", "count", "of", "usual")] = (
        "{count} of {of} users had {name} before {given}, usually {usual}"
    )
    tracking_missing: Annotated[str, _says("name", "given", "count", "of", "usual")] = (
        "{name} is missing from {given} of {count} of {of} users, usually of {usual}"
    )
    tracking_repeat: Annotated[str, _says("name", "count", "of", "usual")] = (
        "{name} comes twice at once from {count} of {of} users, usually from {usual}"
    )
    since: Annotated[str, _says("statement", "time")] = "{statement}; since {time} UTC"
    wave_over: Annotated[str, _says("rule", "minutes", "count", "of", "held")] = (
        "It is over ({rule}): {count} of {of} users within {minutes} minutes; {held} alerts about them were held back"
    )
    change: Annotated[str, _says("measure", "span", "recent", "usual")] = "{measure} {span}: {recent} (usually {usual})"
    change_wave_up: Annotated[str, _says("count", "of", "usual", "median")] = (
        "Many users changed their habits: of {of} users looked at, {count} do more than they used to, half of them "
        "{median} as much or more; usually {usual} do"
    )
    change_wave_down: Annotated[str, _says("count", "of", "usual", "median")] = (
        "Many users changed their habits: of {of} users looked at, {count} do less than they used to, half of them "
        "{median} as much or less; usually {usual} do"
    )
    three_days: Words = "in three days"
    week: Words = "in a week"
    two_weeks: Words = "in two weeks"
    prediction: Annotated[str, _says("outcome", "probability")] = "{outcome}: {probability} likely"
    model_first: Annotated[str, _says("outcome", "model", "labels")] = (
        "{model} has learned {labels} labels of {outcome} and begins to predict it"
    )
    model_changed: Annotated[str, _says("outcome", "model", "before", "loss", "loss_before", "labels")] = (
        "{model} now predicts {outcome} in place of {before}: mean log-loss {loss} instead of {loss_before}, "
        "over the last {labels} labels"
    )
    forecast: Annotated[str, _says("measure", "days", "total", "low", "high", "recent")] = (
        "{measure} expected in the next {days} days: {total} ({low} to {high}); in the {days} days before: {recent}"
    )
    label_confirmed: Words = "Confirmed"
    label_false_alarm: Words = "Taken for a false alarm"
    label_true: Annotated[str, _says("outcome")] = "Learned that {outcome} is true"
    label_untrue: Annotated[str, _says("outcome")] = "Learned that {outcome} is not true"
    label_against: Annotated[str, _says("taken")] = "{taken}, against what was said before"
    label_outcome: Annotated[str, _says("taken", "probability")] = "{taken}; its probability is now {probability}"
    label_alert: Annotated[str, _says("taken", "entity", "own", "others", "probability")] = (
        "{taken}; from now on this {entity} alerts above {own}, others above {others}; an alert like it is taken to be "
        "right with a probability of {probability}"
    )
    label_shift: Annotated[str, _says("after", "before")] = "{after} (before {before})"
    label_recommendation: Annotated[str, _says("action")] = "Taken as the answer to the recommendation {action}"
    label_repeated: Words = "The same was said before: nothing changed"
    label_unknown_insight: Annotated[str, _says("entity")] = (
        "The label is about nothing that is still kept of this {entity}: nothing was learned from it"
    )
    label_unknown_outcome: Annotated[str, _says("outcome")] = (
        "No model here learns {outcome}: nothing was learned from it"
    )
    erased: Annotated[str, _says("entity")] = "What was known about the {entity} was erased"
    erased_unknown: Annotated[str, _says("entity")] = "Nothing was known about this {entity} that could be erased"
    measure_amount: Words = "Money"
    measure_events: Words = "Events"
    measure_visits: Words = "Visits"
    measure_type: Annotated[str, _says("name")] = "Events of type “{name}”"
    measure_category: Annotated[str, _says("name")] = "Events in category “{name}”"
    feature: Annotated[str, _says("feature", "value")] = "{feature}: {value}"
    feature_usual: Annotated[str, _says("feature", "value", "usual")] = "{feature}: {value} (usually {usual})"
    feature_peers: Annotated[str, _says("feature", "value", "peers")] = "{feature}: {value} (others {peers})"
    feature_threshold: Annotated[str, _says("feature", "value", "bound")] = "{feature}: {value}, {bound}"
    more_than: Annotated[str, _says("bound")] = "more than {bound}"
    at_least: Annotated[str, _says("bound")] = "at least {bound}"
    less_than: Annotated[str, _says("bound")] = "less than {bound}"
    at_most: Annotated[str, _says("bound")] = "at most {bound}"
    exactly: Annotated[str, _says("bound")] = "exactly {bound}"
    other_than: Annotated[str, _says("bound")] = "not {bound}"
    rule_usual: Annotated[str, _says("statement", "days", "entity")] = (
        "{statement}; usually so for this {entity}, on {days} of the last month"
    )
    rule_never: Annotated[str, _says("statement", "days")] = (
        "{statement}; never before for this user, in {days} with events"
    )
    rule_common: Annotated[str, _says("statement", "share")] = "{statement}; so do {share} of users on a day"
    clock_of_user: Words = "on the user's clock"
    clock_of_pack: Annotated[str, _says("zone")] = "by the time of {zone}"
    separator: str = Field("; ", min_length=1, max_length=10, description="Between two reasons")
    unknown: Words = "unknown"
    yes: Words = "yes"
    no: Words = "no"
    hardly_any: Words = "hardly any"
    entities: dict[Name, Words] = Field({}, description="What a kind of entity is called")
    segments: dict[Name, Words] = Field({}, description="What a segment is called in a sentence")
    outcomes: dict[Name, Words] = Field({}, description="What an outcome is called in a sentence")
    features: dict[Name, Words] = Field({}, description="What a feature is called, in place of its title")
    units: dict[Words, Words] = Field({}, description="What a unit is called")

    def entity_word(self, name: str) -> str:
        """What a kind of entity is called."""
        return self.entities.get(name, name.replace("_", " "))

    def segment_word(self, name: str) -> str:
        """What a segment is called."""
        return self.segments.get(name, name.replace("_", " "))

    def bound(self, op: Operator, bound: str) -> str:
        """What a value is compared with: `more than 3 seconds`."""
        words = {
            ">": self.more_than,
            ">=": self.at_least,
            "<": self.less_than,
            "<=": self.at_most,
            "==": self.exactly,
            "!=": self.other_than,
        }
        return words[op].format(bound=bound)

    def outcome_word(self, name: str) -> str:
        """What an outcome is called."""
        return self.outcomes.get(name, name.replace("_", " "))
