"""Labelled data by name, and files of whoever wants to know."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from ubi_stream.data.readers import open_rows
from ubi_stream.errors import ConfigError
from ubi_stream.evaluate.payments import payment_examples
from ubi_stream.evaluate.progressive import Example, Task
from ubi_stream.evaluate.shop import shop_examples
from ubi_stream.mappings.specs import FileSpec
from ubi_stream.models.catalogue import bundled_rows

DATA_DIR = Path("../shared/data")
"""Where the public files are: beside the checkout."""

_TRUE = frozenset({"1", "1.0", "true", "yes", "y"})
_FALSE = frozenset({"0", "0.0", "false", "no", "n", ""})
_SHUTTLE_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class Dataset:
    """A labelled set.

    Attributes
    ----------
    examples
        In order, once read.
    warm_up
        Predictions made on fewer labels are not judged.
    at_once
        Whether each label is known before the next prediction.
    """

    name: str
    task: Task
    examples: list[Example]
    warm_up: int = 0

    @property
    def at_once(self) -> bool:
        """Whether each label is known before the next prediction."""
        return all(example.label_at_s <= example.at_s for example in self.examples)


@dataclass(frozen=True, slots=True)
class LabelledFile:
    """What to know about a file besides its path.

    Attributes
    ----------
    label
        Column of the label.
    positive
        Its value that is True; None for 1, true, yes.
    features
        Columns to use; None for all but label and time.
    delay_s, time
        How long after a row its label comes, in seconds of the column `time`.
    """

    label: str
    positive: str | None = None
    features: tuple[str, ...] | None = None
    delay_s: float = 0.0
    time: str | None = None
    task: Task = "classification"


_FILES: Mapping[str, tuple[str, LabelledFile]] = {
    "elec2": ("elec2.csv.gz", LabelledFile("class", "UP")),
    "shoppers": ("online_shoppers_intention.csv.gz", LabelledFile("Revenue")),
    "smtp": ("kdd99_smtp.csv.gz", LabelledFile("service", task="anomaly")),
}

_REES46 = "rees46_2019-10-01.csv.gz"
_CARDS = "card_transactions_2018-06-17_07-31.csv.gz"

DATASETS: Mapping[str, str] = {
    "phishing": "web pages, 1,250 (in River's wheel)",
    "bananas": "two features, 5,300 (in River's wheel)",
    "shuttle": "anomalies among sensor readings, the first 10,000 (in River's wheel)",
    "elec2": "a market's price, up or down, with drift, 45,312",
    "shoppers": "visits of a shop with or without revenue, in file order, 12,330",
    "smtp": "anomalies among mail connections, in native order, 95,156",
    "cards": "frauds among card payments, a week to learn, a week's delay, a week to predict, 134,168",
    "rees46": "purchase in this visit, asked at each event, labels at the visit's end, about 17,000",
}
"""What there is by name. What isn't in River's wheel is read from a folder."""


def load_dataset(name: str, folder: Path = DATA_DIR, *, limit: int | None = None) -> Dataset:
    """Read a set by name.

    Parameters
    ----------
    name
        One of `DATASETS`.
    folder
        Where the files are.
    limit
        Only so many rows from the start.

    Raises
    ------
    ConfigError
        There is no such set, or its file can't be read.
    """
    if name not in DATASETS:
        raise ConfigError(f"no dataset {name!r}: expected one of {', '.join(DATASETS)}, or the path of a file")
    if name in _FILES:
        file, description = _FILES[name]
        return load_file(folder / file, description, name=name, limit=limit)
    if name == "cards":
        return Dataset(name, "classification", payment_examples(folder / _CARDS, limit=limit), warm_up=1)
    if name == "rees46":
        return Dataset(name, "classification", shop_examples(folder / _REES46, limit=limit))
    limit = min(limit or _SHUTTLE_ROWS, _SHUTTLE_ROWS) if name == "shuttle" else limit
    rows = islice(bundled_rows(name), limit)
    return Dataset(name, "anomaly" if name == "shuttle" else "classification", [Example(x, y) for x, y in rows])


def load_file(path: Path, description: LabelledFile, *, name: str | None = None, limit: int | None = None) -> Dataset:
    """Read a file of rows: CSV, JSON Lines or Parquet, plain or compressed.

    A field that reads as a number is one; an empty one is missing; every other is a word.

    Raises
    ------
    ConfigError
        The file can't be read, lacks a column, has a label or time that can't be understood, or no positive label.
    """
    if description.delay_s and description.time is None:
        raise ConfigError("a delay needs the column of the time it is counted from: name it by --time")
    examples = list(islice(_examples(path, description), limit))
    if name is None and description.positive is not None and not any(example.y for example in examples):
        raise ConfigError(
            f"file {path} has no {description.positive!r} among the {description.label!r} of {len(examples):,} rows: "
            "nothing could be judged"
        )
    return Dataset(name or path.stem, description.task, examples)


def _examples(path: Path, description: LabelledFile) -> Iterator[Example]:
    needed = {description.label: "the label"} | dict.fromkeys(description.features or (), "the features")
    if description.time is not None:
        needed[description.time] = "the time"
    is_positive = _label_reader(path, description)
    apart = {description.label, description.time}
    with open_rows(path, FileSpec(), needed) as reader:
        for row in reader:
            if row.values is None:
                continue
            values = row.values
            names = description.features or [name for name in values if name not in apart]
            at_s = _seconds(values[description.time], path) if description.time is not None else 0.0
            x = {name: _value(values.get(name)) for name in names}
            yield Example(x, is_positive(values[description.label]), at_s=at_s, label_at_s=at_s + description.delay_s)


def _label_reader(path: Path, description: LabelledFile) -> Callable[[Any], bool]:
    def read(value: Any) -> bool:
        text = str(value).strip()
        if description.positive is not None:
            return text == description.positive
        if text.lower() not in _TRUE | _FALSE:
            raise ConfigError(f"file {path} has label {text!r}: say which value is the positive one, by --positive")
        return text.lower() in _TRUE

    return read


def _value(value: Any) -> Any:
    """Return a field as a number where it reads as one, None where it is empty."""
    if not isinstance(value, str):
        return value
    try:
        number = float(value)
    except ValueError:
        return value or None
    return number if math.isfinite(number) else None


def _seconds(value: Any, path: Path) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"file {path} has time {value!r}: expected seconds, as a number") from error
