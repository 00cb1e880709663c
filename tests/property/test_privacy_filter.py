"""The filter's promises for any event: nothing is changed twice, nothing that it knows is left, nothing raises."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ubi_stream.privacy.filter import Filtered, PrivacyFilter
from ubi_stream.privacy.rules import Action, DataKind, PrivacyRules
from ubi_stream.privacy.text import TextCleaner

PERSONAL = [
    "bob@example.com",
    "a%40b.cc",
    "+49 30 901820",
    "0171 1234567",
    "4111 1111 1111 1111",
    "203.0.113.7",
    "2001:db8::1",
]
chunks = st.sampled_from(
    [*PERSONAL, *"@.:+-/ ()[]%=&?#0149ae", "00", "token=", "[email]", "[filtered]", "hmac:", "…", "1234567"]
)
texts = st.lists(chunks, max_size=12).map("".join) | st.text(max_size=30)
names = st.sampled_from(["note", "phone", "email", "ip", "password", "user_token", "kept", "page"]) | st.text(
    max_size=5
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
events = st.fixed_dictionaries(
    {"event_type": values, "user_id": values, "properties": values, "context": values},
    optional={"password": values, "note": values},
)
actions = st.sampled_from(Action)
rules = st.builds(
    lambda text, on_secret, properties, keep, max_text: PrivacyRules(
        text=text, on_secret=on_secret, properties=properties, keep=keep, max_text=max_text
    ),
    st.fixed_dictionaries(dict.fromkeys(DataKind, actions)),
    st.sampled_from([Action.MASK, Action.HASH, Action.DROP]),
    st.dictionaries(st.sampled_from(["note", "context.ip", "page"]), actions),
    st.none() | st.just(frozenset(("note", "phone"))),
    st.integers(16, 40),
)


@settings(max_examples=400, deadline=None)
@given(rules=rules, event=events)
def test_an_event_that_passed_once_passes_again_unchanged(rules: PrivacyRules, event: dict[str, Any]) -> None:
    outcome = PrivacyFilter(rules, key=b"key").apply(event)
    if isinstance(outcome, Filtered):
        again = PrivacyFilter(rules, key=b"key").apply(outcome.event)
        assert isinstance(again, Filtered)
        assert not again.changed
        assert again.event is outcome.event
        assert outcome.changed is (outcome.event != event)


@settings(max_examples=200, deadline=None)
@given(stream=st.lists(events, max_size=6))
def test_what_was_seen_before_makes_no_difference(stream: list[dict[str, Any]]) -> None:
    one = PrivacyFilter(PrivacyRules(), key=b"key")
    assert [one.apply(event) for event in stream] == [
        PrivacyFilter(PrivacyRules(), key=b"key").apply(event) for event in stream
    ]


@settings(max_examples=300, deadline=None)
@given(before=st.text("xyz .,", max_size=8), found=st.sampled_from(PERSONAL), after=st.text("xyz ,", max_size=8))
def test_personal_data_between_words_never_stays(before: str, found: str, after: str) -> None:
    outcome = PrivacyFilter(PrivacyRules()).apply({"properties": {"note": f"{before} {found} {after}"}})
    assert isinstance(outcome, Filtered)
    assert found not in outcome.event["properties"]["note"]
    assert outcome.findings


@settings(max_examples=500, deadline=None)
@given(text=texts)
def test_a_text_that_needs_no_look_has_nothing_to_hide(text: str) -> None:
    cleaner = TextCleaner(dict.fromkeys(DataKind, Action.MASK), ("token", "pin"), max_text=1_000)
    assert cleaner.needs_look(text) or cleaner.clean("", text, set()) == text


@settings(max_examples=300, deadline=None)
@given(raw=st.binary(max_size=60) | texts.map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_can_be_cleaned_once(raw: bytes) -> None:
    privacy = PrivacyFilter(PrivacyRules())
    clean = privacy.clean_bytes(raw)
    assert privacy.clean_bytes(clean) == clean
    if not raw.startswith(b"\x1f\x8b"):
        assert len(clean) == len(raw)
