"""What is recognised in text as personal data, and what only looks like it."""

from __future__ import annotations

import time

import pytest

from ubi_stream.privacy.detectors import is_card, normal, replaced, truncated
from ubi_stream.privacy.rules import DataKind

FOUND = [
    ("write to bob@example.com.", "write to [email]."),
    ("https://shop.example/?to=bob%40example.com&x=1", "https://shop.example/?to=[email]&x=1"),
    ("müller@bücher.example", "[email]"),
    ("a@b.cc;d@e.ff,g@h.ii", "[email];[email],[email]"),
    ("+49 30 901820", "[phone]"),
    ("call +49(0)30/901820-12 today", "call [phone] today"),
    ("0049 30 901820", "[phone]"),
    ("(555) 123-4567 or 555-123-4567", "[phone] or [phone]"),
    ("0171 1234567", "[phone]"),
    ("%2B4930901820", "[phone]"),
    ("card 4111 1111 1111 1111 12/27", "card [card] 12/27"),
    ("5500-0000-0000-0004", "[card]"),
    ("378282246310005", "[card]"),
    ("from 203.0.113.7:8080", "from [ip]:8080"),
    ("http://10.0.0.1/x", "http://[ip]/x"),
    ("2001:db8::1", "[ip]"),
]
INNOCENT = [
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36",
    "9fe1a3c0-1234-4123-8123-123456789012",
    "2023-11-15T00:00:00.123+02:00",
    "2024-01-02, 01/02/2024 10:30:45",
    "1569888000123",
    "2053013552259662037",
    "978-3-16-148410-0",
    "order 2024-000123 of 12,345.67 EUR",
    "icon@2x.png react@18.2.0 a@localhost",
    "std::string aa:bb:cc:dd:ee:ff v1.2.3.4",
    "electronics.audio.headphone",
    "4111111111111112",
]


@pytest.mark.parametrize(("text", "hidden"), FOUND)
def test_personal_data_is_found(text: str, hidden: str) -> None:
    assert replaced(text, lambda kind, _: f"[{kind.value}]") == hidden


@pytest.mark.parametrize("text", INNOCENT)
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert replaced(text, lambda kind, _: f"[{kind.value}]") == text


@pytest.mark.parametrize(
    "part", ["a", "1", "1 ", "1.", ":", "a:", "@", "a@", "+", "(0", "%40", "a.b@c.", "4111 ", "0171 "]
)
def test_long_texts_take_no_time_that_grows_faster_than_they_do(part: str) -> None:
    def seconds(text: str) -> float:
        started = time.process_time()
        replaced(text, lambda kind, _: "*")
        return time.process_time() - started

    short = max(seconds(part * (20_000 // len(part))), 0.001)
    assert seconds(part * (200_000 // len(part))) < 60 * short  # ten times as long; quadratic would be a hundred


@pytest.mark.parametrize(
    ("kind", "text", "left"),
    [
        (DataKind.EMAIL, "bob%40example.com", "[email]@example.com"),
        (DataKind.IP, "203.0.113.7", "203.0.113.0"),
        (DataKind.IP, "2001:db8:1:2::3", "2001:db8:1::"),
        (DataKind.PHONE, "0171 1234567", "[phone 017]"),
        (DataKind.CARD, "5500-0000-0000-0004", "[card 0004]"),
    ],
)
def test_what_truncation_leaves(kind: DataKind, text: str, left: str) -> None:
    assert truncated(kind, text) == left


def test_one_number_has_one_normal_form_however_it_is_written() -> None:
    assert {normal(DataKind.PHONE, text) for text in ("+49 30 901820", "0049-30-901820", "%2B49 (30) 901820")} == {
        "+4930901820"
    }


def test_a_card_has_the_length_of_its_network() -> None:
    assert is_card("4111111111111111")
    assert not is_card("41111111111111113")
