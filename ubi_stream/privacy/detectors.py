"""Personal data in text: where it is, and what may stay of it.

Every pattern is linear in the length of the text: it starts at the beginning of a run of its characters alone, and
never gives back what it has taken.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from ipaddress import AddressValueError, IPv4Address, IPv6Address, ip_network
from typing import Final

from ubi_stream.privacy.rules import DataKind

_PART: Final = r"""[^\s\x00-\x20@%<>()\[\]{},;:"'\\/=&?|#*]"""
_EMAIL: Final = re.compile(
    rf"(?:(?<!{_PART})(?<!%)|(?<=%40)|(?<=%3A)|(?<=%3D))(?:{_PART}|%(?!40))++(?:@|%40)(?!\d+x\.)({_PART}++)"
)
_DOMAIN: Final = re.compile(r"[^.]+(?:\.[^.]+)*\.[^\W\d_][\w-]*[^\W_]")
_INTERNATIONAL: Final = re.compile(r"(?<![\w+*])(?:\+|%2B|(?<!\d )00(?=[1-9]))[ (]?\d(?:[ ().\-/]{0,2}\d){6,14}(?!\w)")
_NATIONAL: Final = re.compile(
    r"(?<![\w.\-/+*])(?<!\d )(?:"
    r"(?:\(\d{3}\) ?|\d{3}[-. ])\d{3}[-. ]\d{4}"  # 555-123-4567
    r"|\(?0\d{1,4}\)?[ /-]{1,2}\d{3,9}(?:[ -]\d{2,5}){0,4}"  # 0171 1234567
    r")(?![\w-])"
)
_DIGIT_RUN: Final = re.compile(r"(?<![^\W_])\d(?:[ -]?\d){11,}+(?![^\W_])")
_IPV4: Final = re.compile(r"(?<![\w.\-])(?<!\w/)(?:\d{1,3}\.){3}\d{1,3}(?!\w|\.\d)")
_IPV6: Final = re.compile(
    r"(?<![\w:.])(?:[0-9a-fA-F]{0,4}:){2,7}(?:[0-9a-fA-F]{1,4}|(?:\d{1,3}\.){3}\d{1,3})?(?![\w:])"
)
_NO_DIGIT: Final = re.compile(r"\D+")
_GROUP: Final = re.compile(r"\d+")

SUSPECT: Final = re.compile(
    # All of it begins with one set of characters: the search skips to these at once.
    r"[@%\d:](?:(?<=@)|(?<=%)40|(?<=\d)(?:[ ().\-/]{0,3}\d){6}|(?<=\d)\.\d{1,3}\.\d|(?<=:)[0-9a-fA-F]{0,4}:)"
)
"""Found in every text that `replaced` changes, and in few others."""

_PHONE_DIGITS: Final = range(8, 16)
"""E.164 has at most 15; with fewer than 8 it is more likely a date or a number of an order."""


Replace = Callable[[DataKind, str], str]
"""From the kind and text of personal data to what stands in its place; the text itself leaves it."""


def replaced(text: str, replace: Replace) -> str:
    """A text with its personal data replaced, the most certain kind first.

    >>> replaced("mail bob@example.com or +49 30 901820", lambda kind, _: f"[{kind.value}]")
    'mail [email] or [phone]'
    >>> replaced("Chrome/120.0.0.0, order 2024-000123, 12:30:45", lambda kind, _: f"[{kind.value}]")
    'Chrome/120.0.0.0, order 2024-000123, 12:30:45'
    """
    for kind, search in _SEARCHES:
        chunks: list[str] = []
        after = 0
        for start, end in search(text):
            chunks += (text[after:start], replace(kind, text[start:end]))
            after = end
        if chunks:
            text = "".join((*chunks, text[after:]))
    return text


def truncated(kind: DataKind, text: str) -> str:
    """The part of personal data that names nobody: domain, network, first or last four digits.

    >>> truncated(DataKind.EMAIL, "bob@example.com"), truncated(DataKind.CARD, "4111 1111 1111 1111")
    ('[email]@example.com', '[card 1111]')
    >>> truncated(DataKind.IP, "203.0.113.7"), truncated(DataKind.PHONE, "+49 30 901820")
    ('203.0.113.0', '[phone +493]')
    """
    if kind is DataKind.EMAIL:
        return "[email]@" + re.split("@|%40", text)[-1]
    if kind is DataKind.IP:
        return _network(text)
    digits = _NO_DIGIT.sub("", text)
    if kind is DataKind.CARD:
        return f"[card {digits[-4:]}]"
    return f"[phone {'+' if text.lstrip().startswith('+') else ''}{digits[:3]}]"


def normal(kind: DataKind, text: str) -> str:
    """Personal data in one form, so that equal data has equal hashes.

    >>> normal(DataKind.EMAIL, "Bob@Example.com"), normal(DataKind.PHONE, "+49 (30) 901820")
    ('bob@example.com', '+4930901820')
    """
    if kind is DataKind.PHONE or kind is DataKind.CARD:
        digits = _NO_DIGIT.sub("", text.removeprefix("%2B"))
        return "+" + digits.removeprefix("00") if text.startswith(("+", "%2B", "00")) else digits
    return text.replace("%40", "@").casefold()


def is_card(digits: str) -> bool:
    """Whether digits are the number of a payment card: its network's length, and Luhn's check digit.

    >>> is_card("4111111111111111"), is_card("4111111111111112"), is_card("1569888000123")
    (True, False, False)
    """
    return len(digits) in _lengths(digits) and _luhn(digits)


def _emails(text: str) -> Iterator[_Span]:
    if "@" in text or "%40" in text:
        for match in _EMAIL.finditer(text):
            domain = match[1].rstrip(".-")
            if _DOMAIN.fullmatch(domain):
                yield match.start(), match.start(1) + len(domain)


def _cards(text: str) -> Iterator[_Span]:
    """Numbers of cards, in one piece or in groups: each begins and ends with a group."""
    for run in _DIGIT_RUN.finditer(text):
        groups = [match.span() for match in _GROUP.finditer(run[0])]
        digits = _NO_DIGIT.sub("", run[0])
        ends: dict[int, int] = {}  # place in the text by number of digits before it
        starts: list[tuple[int, int]] = []
        count = 0
        for start, end in groups:
            starts.append((count, start))
            count += end - start
            ends[count] = end
        free_from = 0
        for first, start in starts:
            if first < free_from:
                continue
            for length in _lengths(digits[first : first + 4]):
                if first + length in ends and _luhn(digits[first : first + length]):
                    free_from = first + length
                    yield run.start() + start, run.start() + ends[free_from]
                    break


def _ips(text: str) -> Iterator[_Span]:
    if text.count(".") >= 3:
        yield from (match.span() for match in _IPV4.finditer(text) if _is_address(IPv4Address, match[0]))


def _ips_of_version_6(text: str) -> Iterator[_Span]:
    if text.count(":") >= 2:
        yield from (
            match.span() for match in _IPV6.finditer(text) if len(match[0]) > 2 and _is_address(IPv6Address, match[0])
        )


def _phones(pattern: re.Pattern[str], text: str) -> Iterator[_Span]:
    for match in pattern.finditer(text):
        if len(_NO_DIGIT.sub("", match[0].removeprefix("%2B"))) in _PHONE_DIGITS:
            yield match.span()


_Span = tuple[int, int]
_SEARCHES: Final[tuple[tuple[DataKind, Callable[[str], Iterator[_Span]]], ...]] = (
    (DataKind.EMAIL, _emails),
    (DataKind.CARD, _cards),
    (DataKind.IP, _ips),
    (DataKind.IP, _ips_of_version_6),
    (DataKind.PHONE, partial(_phones, _INTERNATIONAL)),
    (DataKind.PHONE, partial(_phones, _NATIONAL)),
)


def _is_address(kind: type[IPv4Address] | type[IPv6Address], text: str) -> bool:
    try:
        kind(text)
    except AddressValueError:
        return False
    return True


def _network(text: str) -> str:
    """The network that an address is in: of 24 bits, of IPv6 of 48."""
    network = ip_network(f"{text}/{48 if ':' in text else 24}", strict=False)
    return str(network.network_address)


def _lengths(digits: str) -> tuple[int, ...]:
    """Lengths of the numbers of the network that a number begins like; none if there is no such network."""
    first, two, four = digits[:1], int(digits[:2] or 0), int(digits[:4] or 0)
    if first == "4":
        return (19, 16, 13)
    if 51 <= two <= 55 or 2221 <= four <= 2720:
        return (16,)
    if two in (34, 37):
        return (15,)
    if two in (30, 36, 38, 39):
        return (16, 14)
    if two in (35, 60, 62, 64, 65, 81):
        return (19, 18, 17, 16)
    if two == 50 or 56 <= two <= 69:
        return (19, 18, 16)
    return ()


def _luhn(digits: str) -> bool:
    doubled = (int(digit) * 2 for digit in digits[-2::-2])
    total = sum(map(int, digits[-1::-2])) + sum(number - 9 if number > 9 else number for number in doubled)
    return total % 10 == 0
