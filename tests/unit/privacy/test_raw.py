"""Bytes that are no event: overwritten where something is recognised, else untouched."""

from __future__ import annotations

import gzip

import pytest

from ubi_stream.privacy.raw import OPAQUE, RawCleaner
from ubi_stream.privacy.rules import Action, DataKind, PrivacyRules

CLEANER = RawCleaner(PrivacyRules())


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        (b'{"password": "hunter2", "to": "b@c.dd"', b'{"password": *********, "to": "******"'),
        (b"token=abc&x=1", b"token=***&x=1"),
        (b"Authorization: Bearer abc.def", b"Authorization: **************"),
        (b'{"accessToken":"a\\"b","x":1', b'{"accessToken":******,"x":1'),
        (b"\x00\x00\x00\x00\x07\x1eb@c.dd\x02", b"\x00\x00\x00\x00\x07\x1e******\x02"),
        ("hä 4111 1111 1111 1111 \xff".encode("latin-1"), "hä ******************* \xff".encode("latin-1")),
    ],
)
def test_what_is_recognised_is_overwritten(raw: bytes, clean: bytes) -> None:
    assert CLEANER.clean(raw) == clean
    assert len(clean) == len(raw)
    assert CLEANER.clean(clean) == clean


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"\xff\xfe\x00", bytes(range(256)), b'{"user_id": "u1", "price": 12.5', b"\xff\xfea\x00"]
)
def test_other_bytes_are_the_same_object(raw: bytes) -> None:
    assert CLEANER.clean(raw) is raw


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16(encoding: str) -> None:
    mark = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}[encoding]
    clean = CLEANER.clean(mark + '{"pin": "1234", "to": "b@c.dd"'.encode(encoding))
    assert clean == mark + '{"pin": ******, "to": "******"'.encode(encoding)


def test_gzip_is_unpacked_and_packed_again() -> None:
    clean = CLEANER.clean(gzip.compress(b'{"pin": "1234"'))
    assert gzip.decompress(clean) == b'{"pin": ******'
    innocent = gzip.compress(b'{"a": "1234"')
    assert CLEANER.clean(innocent) is innocent


@pytest.mark.parametrize(
    "raw", [gzip.compress(b"\0" * 2_000_000, mtime=0), b"\x1f\x8bnot gzip", gzip.compress(b"abc", mtime=0)[:-5]]
)
def test_what_can_not_be_unpacked_is_not_kept(raw: bytes) -> None:
    assert CLEANER.clean(raw) == OPAQUE


def test_what_the_rules_keep_stays() -> None:
    keeping = RawCleaner(PrivacyRules(secrets=(), text=dict.fromkeys(DataKind, Action.KEEP)))
    raw = b'{"pin": "1234", "to": "b@c.dd", "url": "?secret=1"'
    assert keeping.clean(raw) is raw
