"""Texts of a pack: places that there are, names that the pack has."""

from __future__ import annotations

import re

import pytest
from pydantic import ValidationError

from support.probe import PROBE_TOML
from ubi_stream.errors import ConfigError
from ubi_stream.packs.loader import parse_pack
from ubi_stream.packs.texts import Texts


@pytest.mark.parametrize("name", [name for name, value in Texts().model_dump().items() if isinstance(value, str)])
def test_a_text_needs_no_place_but_may_not_be_empty(name: str) -> None:
    assert getattr(Texts.model_validate({name: "words"}), name) == "words"
    with pytest.raises(ValidationError, match=name):
        Texts.model_validate({name: ""})


@pytest.mark.parametrize("name", [name for name, value in Texts().model_dump().items() if isinstance(value, str)])
def test_the_english_has_every_place_that_there_is(name: str) -> None:
    """So a sentence that is told in English has been given all that a translation may ask for."""
    sentence = getattr(Texts(), name)
    with_all = sentence + "".join(f"{{{place}}}" for place in re.findall(r"{(\w+)}", sentence))
    assert getattr(Texts.model_validate({name: with_all}), name) == with_all
    if "{" in sentence:
        with pytest.raises(ValidationError) as refused:
            Texts.model_validate({name: "{elsewhere}"})
        known = re.findall(r"{(\w+)}", str(refused.value).split("there are: ")[1].split(" [")[0])
        assert set(known) == set(re.findall(r"{(\w+)}", sentence))


@pytest.mark.parametrize(
    ("sentence", "message"),
    [
        ("{why} {who}", r"no place \{who\}; there are: \{entity\}, \{why\}"),
        ("{}", r"no place \{\}"),
        ("{0}", r"no place \{0\}"),
        ("{why.name}", r"no place \{why.name\}"),
        ("{why!x}", "conversion|can't be filled in"),
        ("{why:d}", "format code|can't be filled in"),
        ("{why", "expected '}'|can't be filled in"),
        ("   ", "empty"),
    ],
)
def test_what_can_not_be_filled_in_is_refused(sentence: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Texts(anomaly=sentence)


def test_braces_may_be_written_twice() -> None:
    assert Texts(anomaly="{{{why}}}").anomaly.format(entity="user", why="x") == "{x}"


def test_names_without_a_word_are_spoken_as_they_are_written() -> None:
    texts = Texts(segments={"at_risk": "in danger"}, entities={"shop": "store"})
    assert [texts.segment_word(name) for name in ("at_risk", "power_user")] == ["in danger", "power user"]
    assert [texts.entity_word(name) for name in ("shop", "caller_id")] == ["store", "caller id"]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('[texts.segments]\nbyer = "x"', "texts.segments names 'byer'"),
        ('[texts.features]\nevents_2h = "x"', "texts.features names 'events_2h'"),
        ('[texts.entities]\nship = "x"', "texts.entities names 'ship'"),
        ('[texts]\nsesion = "x"', "texts.sesion"),
    ],
)
def test_a_pack_names_what_it_has(table: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_pack(f"{PROBE_TOML}\n{table}\n", where="probe")
