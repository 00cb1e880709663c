"""What the filter does with an event: by name, by content, by the pack's word."""

from __future__ import annotations

from typing import Any

import pytest

from support.probe import PROBE_TOML
from ubi_stream.errors import ConfigError
from ubi_stream.packs.loader import parse_pack
from ubi_stream.packs.privacy_filter import privacy_filter
from ubi_stream.privacy.consent import DoNotTrack, WithheldReason
from ubi_stream.privacy.filter import Filtered, PrivacyFilter, Withheld
from ubi_stream.privacy.hashing import hashed
from ubi_stream.privacy.rules import Action, DataKind, PrivacyRules

KEY = b"key"


def hidden(properties: dict[str, Any], privacy: PrivacyFilter | None = None, **fields: Any) -> dict[str, Any]:
    """Properties after the filter."""
    outcome = (privacy or PrivacyFilter(PrivacyRules())).apply({"properties": properties, **fields})
    assert isinstance(outcome, Filtered)
    kept: dict[str, Any] = outcome.event["properties"]
    return kept


def of_pack(section: str, *, source: str | None = None, key: bytes = KEY) -> PrivacyFilter:
    """The filter of the probe pack with a section of its own."""
    return privacy_filter(parse_pack(PROBE_TOML + section, where="test"), key=key, source=source)


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "Passwd",
        "accessToken",
        "ACCESS_TOKEN",
        "X-Api-Key",
        "csrf_token",
        "set-cookie",
        "cardPin",
        "cvv",
        "ssn",
    ],
)
def test_secrets_are_known_by_their_names_in_any_spelling(name: str) -> None:
    assert hidden({name: "abc"}) == {name: "[filtered]"}
    assert hidden({"form": [{name: 1234}]}) == {"form": [{name: "[filtered]"}]}


@pytest.mark.parametrize("name", ["token_count", "shipping", "secretary", "opinion", "pins"])
def test_other_names_are_none(name: str) -> None:
    assert hidden({name: "abc"}) == {name: "abc"}


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("https://a.example/reset?token=abc&x=1", "https://a.example/reset?token=[filtered]&x=1"),
        ("https://a.example/#access_token=abc", "https://a.example/#access_token=[filtered]"),
        ("/login?user[password]=abc", "/login?user[password]=[filtered]"),
        ("/list?token_count=5&page=2", "/list?token_count=5&page=2"),
    ],
)
def test_secrets_in_addresses(text: str, clean: str) -> None:
    assert hidden({"page_url": text}) == {"page_url": clean}


def test_a_name_says_what_its_text_is_in_whatever_form_it_is_written() -> None:
    assert hidden({"phone": "030 90", "mobile": 491711234567, "mail": "bob at home"}) == {
        "phone": "[phone]",
        "mobile": "[phone]",
        "mail": "[email]",
    }


def test_numbers_may_be_cards() -> None:
    assert hidden({"a": 4111111111111111, "b": 1569888000123, "c": 12.5}) == {
        "a": "[card]",
        "b": 1569888000123,
        "c": 12.5,
    }


def test_an_event_with_nothing_to_hide_is_the_same_object() -> None:
    event = {"event_type": "view", "user_id": "u1", "properties": {"price": 1, "list": [{"a": "b"}]}, "context": {}}
    assert PrivacyFilter(PrivacyRules()).apply(event) == Filtered(event)


def test_an_event_is_never_changed_itself() -> None:
    event = {"properties": {"deep": [{"password": "x"}]}, "password": "y"}
    outcome = PrivacyFilter(PrivacyRules()).apply(event)
    assert isinstance(outcome, Filtered)
    assert outcome.event == {"properties": {"deep": [{"password": "[filtered]"}]}, "password": "[filtered]"}
    assert event == {"properties": {"deep": [{"password": "x"}]}, "password": "y"}


def test_ids_stay_and_are_reported() -> None:
    privacy = of_pack("")
    event = {"user_id": "bob@example.com", "properties": {"product_id": "4111111111111111", "note": "bob@example.com"}}
    outcome = privacy.apply(event)
    assert isinstance(outcome, Filtered)
    assert outcome.event == {**event, "properties": {"product_id": "4111111111111111", "note": "[email]"}}
    assert outcome.findings == (
        ("note", "email", Action.MASK),
        ("product_id", "card", Action.KEEP),
        ("user_id", "email", Action.KEEP),
    )


def test_names_that_senders_make_up_are_not_reported() -> None:
    outcome = PrivacyFilter(PrivacyRules()).apply({"properties": {"bob@example.com": 1, "x y": "a@b.cc"}})
    assert isinstance(outcome, Filtered)
    assert outcome.event["properties"] == {"x y": "[email]"}
    assert {name for name, _, _ in outcome.findings} == {"other"}


def test_a_long_text_is_cut_and_cut_only_once() -> None:
    (cut,) = hidden({"a": "x" * 5_000}).values()
    assert len(cut) == 1_024
    assert hidden({"a": cut}) == {"a": cut}


def test_modes_of_a_packs_properties() -> None:
    section = """
[privacy]
properties = { a = "hash", b = "truncate", c = "drop", d = "mask", e = "keep", "context.ip" = "truncate" }
"""
    values: dict[str, Any] = dict.fromkeys("abcde", "bob@example.com")
    assert hidden(values, of_pack(section)) == {
        "a": hashed(KEY, "bob@example.com"),
        "b": "[email]",
        "d": "[filtered]",
        "e": "bob@example.com",
    }


def test_kept_is_what_is_listed_and_what_the_pack_needs() -> None:
    privacy = of_pack('\n[privacy]\nkeep = ["query"]\n')
    kept = {"query": "q", "price": 1, "category": "c", "shop_id": "s", "order_id": "o"}
    event = {
        "event_type": "view",
        "properties": {**kept, "other": 1},
        "context": {"timezone": "UTC", "ip": "x"},
        "more": 1,
    }
    outcome = privacy.apply(event)
    assert isinstance(outcome, Filtered)
    assert outcome.event == {"event_type": "view", "properties": kept, "context": {"timezone": "UTC"}}


def test_a_source_adds_rules_and_takes_none_away() -> None:
    section = """
[privacy]
keep = ["query", "note"]
properties = { note = "drop" }
[[privacy.sources]]
name = "app"
keep = ["note", "more"]
properties = { note = "keep" }
secrets = ["category"]
"""
    values = {"query": "q", "note": "n", "more": "m"}
    assert hidden(values, of_pack(section)) == {"query": "q"}
    assert hidden(values, of_pack(section, source="app")) == {}
    assert hidden(values, of_pack(section, source="web")) == {"query": "q"}


def test_hashing_needs_a_key() -> None:
    with pytest.raises(ConfigError, match="UBI_PII_KEY"):
        of_pack('\n[privacy.text]\nemail = "hash"\n', key=b"")


def test_a_filter_that_is_not_installed_is_said_so() -> None:
    with pytest.raises(ConfigError, match="names 'iban'"):
        of_pack('\n[privacy]\nfilters = ["iban"]\n')


def test_filters_of_others_come_after_ours_and_hide_what_never_settles() -> None:
    rules = PrivacyRules(filters={"iban": lambda _, text: text.replace("DE89", "[iban]"), "odd": _grows})
    assert hidden({"a": "DE89 and bob@example.com", "odd": "x"}, PrivacyFilter(rules)) == {
        "a": "[iban] and [email]",
        "odd": "[filtered]",
    }


def _grows(name: str, text: str) -> str:
    return text + "!" if name == "odd" else text


@pytest.mark.parametrize(
    ("context", "reason"),
    [
        ({"consent": False}, WithheldReason.NO_CONSENT),
        ({"consent": "denied"}, WithheldReason.NO_CONSENT),
        ({"consent": {"analytics": False, "ads": True}}, WithheldReason.NO_CONSENT),
        ({"do_not_track": "1"}, WithheldReason.DO_NOT_TRACK),
        ({"consent": True}, None),
        ({"consent": "perhaps"}, None),
        ({"do_not_track": 0}, None),
        ({}, None),
        (None, None),
        ("odd", None),
    ],
)
def test_consent(context: Any, reason: WithheldReason | None) -> None:
    event = {"event_type": "view", "user_id": "u", "context": context}
    assert _reason(PrivacyFilter(PrivacyRules()), event) is reason
    ignoring = of_pack('\n[privacy]\nconsent = "ignore"\n')
    assert _reason(ignoring, event) is (reason if reason is WithheldReason.DO_NOT_TRACK else None)


@pytest.mark.parametrize(("context", "kept"), [({"consent": True}, True), ({}, False), ({"consent": "perhaps"}, False)])
def test_where_consent_is_required_silence_is_none(context: dict[str, Any], kept: bool) -> None:
    privacy = of_pack('\n[privacy]\nconsent = "require"\n')
    assert (_reason(privacy, {"event_type": "view", "context": context}) is None) is kept


def test_people_who_are_not_to_be_tracked_are_listed_by_id_or_hash() -> None:
    listed = DoNotTrack(["# since May", "", "7", hashed(KEY, "bob")], key=KEY)
    privacy = PrivacyFilter(PrivacyRules(), do_not_track=listed, commands=frozenset(("$erase",)))
    for user_id in (7, "7", "bob"):
        assert _reason(privacy, {"event_type": "view", "user_id": user_id}) is WithheldReason.DO_NOT_TRACK
        assert _reason(privacy, {"event_type": "$erase", "user_id": user_id}) is None
    assert _reason(privacy, {"event_type": "view", "user_id": "ann"}) is None


def _reason(privacy: PrivacyFilter, event: dict[str, Any]) -> WithheldReason | None:
    outcome = privacy.apply(event)
    return outcome.reason if isinstance(outcome, Withheld) else None


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("kind", DataKind)
def test_each_mode_of_each_kind_settles_at_once(kind: DataKind, action: Action) -> None:
    texts = {"email": "bob@example.com", "phone": "+4930901820", "card": "4111111111111111", "ip": "203.0.113.7"}
    privacy = PrivacyFilter(PrivacyRules(text={**dict.fromkeys(DataKind, Action.KEEP), kind: action}), key=KEY)
    value = {"note": f"a {texts[kind]} b", kind.value: texts[kind], "plain": "x"}
    once = hidden(value, privacy)
    assert hidden(once, privacy) == once
    assert (once == value) is (action is Action.KEEP)
    assert (texts[kind] in str(once)) is (action is Action.KEEP)


def test_roles_of_a_single_kind_of_entity_are_ids_and_need_not_be_kept() -> None:
    shop = 'key = "shop_id"\n'
    text = PROBE_TOML.replace(shop, shop + 'roles = { amount = "fee", item = "sku", category = "line" }\n', 1)
    assert text != PROBE_TOML
    properties = {"fee": 0.5, "sku": "4111111111111111", "line": "bob@example.com", "other": 1}
    kept = privacy_filter(parse_pack(text + '[privacy]\nkeep = ["note"]\n', where="test"))
    assert hidden(properties, kept) == {name: properties[name] for name in ("fee", "sku", "line")}
    assert hidden(properties, privacy_filter(parse_pack(text, where="test"))) == properties
