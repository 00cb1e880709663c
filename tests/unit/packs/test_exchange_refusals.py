"""An exchange of a score that there is not is refused."""

from __future__ import annotations

import pytest

from support.probe import PROBE_TOML
from ubi_stream.errors import ConfigError
from ubi_stream.packs.loader import parse_pack

WRONG = {
    "of the user": ('entity = "user"\nproperty = "odd"', "entity = 'user' is no kind of entity besides the user"),
    "of nobody": ('entity = "card"\nproperty = "odd"', "entity = 'card' is no kind of entity"),
    "no such score": (
        'entity = "shop"\nscore = "spam"\nproperty = "odd"',
        "score = 'spam', but the scores of 'shop' are: anomaly",
    ),
    "type of others": ('entity = "shop"\nproperty = "odd"\ntypes = ["view"]', "type 'view' is not about 'shop'"),
    "property with a role": ('entity = "shop"\nproperty = "price"', "that property has a role"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_there_is_not_is_not_exchanged(case: str) -> None:
    text, message = WRONG[case]
    with pytest.raises(ConfigError) as refused:
        parse_pack(PROBE_TOML.replace("[[segments]]", f"[[exchanges]]\n{text}\n\n[[segments]]", 1), where="probe")
    assert message in str(refused.value)


def test_a_property_is_one_score() -> None:
    twice = '[[exchanges]]\nentity = "shop"\nproperty = "odd"\n' * 2
    with pytest.raises(ConfigError, match="exchanges: properties: 'odd' listed twice"):
        parse_pack(PROBE_TOML.replace("[[segments]]", f"{twice}\n[[segments]]", 1), where="probe")
