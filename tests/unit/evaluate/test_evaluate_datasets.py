"""Sets by name and files of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.public_data import public_file
from ubi_stream.errors import ConfigError
from ubi_stream.evaluate.datasets import LabelledFile, load_dataset, load_file

CSV = "when,depth,shop,bought\n0,1,north,yes\n10,,south,no\n20,x,north,yes\n30,4.5,,no\n"


@pytest.fixture
def visits(tmp_path: Path) -> Path:
    file = tmp_path / "visits.csv"
    file.write_text(CSV)
    return file


def test_fields_are_numbers_words_or_missing(visits: Path) -> None:
    data = load_file(visits, LabelledFile("bought", time="when"))
    assert [example.x for example in data.examples] == [
        {"depth": 1.0, "shop": "north"},
        {"depth": None, "shop": "south"},
        {"depth": "x", "shop": "north"},
        {"depth": 4.5, "shop": None},
    ]
    assert [example.y for example in data.examples] == [True, False, True, False]
    assert data.at_once


def test_a_delay_moves_labels_and_not_predictions(visits: Path) -> None:
    data = load_file(visits, LabelledFile("bought", features=("depth",), delay_s=15.0, time="when"))
    assert [(example.at_s, example.label_at_s) for example in data.examples][:2] == [(0.0, 15.0), (10.0, 25.0)]
    assert data.examples[0].x == {"depth": 1.0}
    assert not data.at_once


@pytest.mark.parametrize(
    ("description", "message"),
    [
        (LabelledFile("sold"), "no column 'sold', which the label needs"),
        (LabelledFile("bought", features=("depth", "width")), "no column 'width', which the features needs"),
        (LabelledFile("bought", delay_s=5.0), "a delay needs the column of the time"),
        (LabelledFile("shop"), "label 'north': say which value is the positive one"),
        (LabelledFile("bought", time="shop"), "time 'north': expected seconds"),
        (LabelledFile("bought", positive="maybe"), "no 'maybe' among the 'bought' of 4 rows"),
    ],
)
def test_what_is_wrong_is_said(visits: Path, description: LabelledFile, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_file(visits, description)


def test_a_positive_value_can_be_named(visits: Path) -> None:
    data = load_file(visits, LabelledFile("shop", positive="south"))
    assert [example.y for example in data.examples] == [False, True, False, False]


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="no dataset 'iris': expected one of phishing, bananas"):
        load_dataset("iris")


@pytest.mark.parametrize(("name", "positives"), [("phishing", 548), ("bananas", 2_376), ("shuttle", 712)])
def test_bundled_sets_are_whole(name: str, positives: int) -> None:
    assert sum(example.y for example in load_dataset(name).examples) == positives


@pytest.mark.parametrize(
    ("name", "file", "features", "task"),
    [
        ("elec2", "elec2.csv.gz", 8, "classification"),
        ("shoppers", "online_shoppers_intention.csv.gz", 17, "classification"),
        ("smtp", "kdd99_smtp.csv.gz", 3, "anomaly"),
    ],
)
def test_public_files_have_their_features(name: str, file: str, features: int, task: str) -> None:
    data = load_dataset(name, public_file(file).parent, limit=500)
    assert len(data.examples) == 500
    assert {len(example.x) for example in data.examples} == {features}
    assert data.task == task
    assert data.at_once


def test_a_shops_visits_are_labelled_by_their_purchase_and_asked_before_it() -> None:
    data = load_dataset("rees46", public_file("rees46_2019-10-01.csv.gz").parent, limit=2_000)
    assert not data.at_once
    assert 0.01 < sum(example.y for example in data.examples) / len(data.examples) < 0.1
    assert {example.x["event_type"] for example in data.examples} <= {"view", "cart"}
    assert all(example.label_at_s - example.at_s >= 1_800.0 for example in data.examples)
    assert [example.at_s for example in data.examples] == sorted(example.at_s for example in data.examples)
