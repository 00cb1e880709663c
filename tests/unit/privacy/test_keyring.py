"""What is sealed opens with the same key and context alone, whole or not at all; keys can be replaced."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ubi_stream.errors import ConfigError
from ubi_stream.operations.archive import BACKUP
from ubi_stream.operations.sealing import EXPORT, reseal_file
from ubi_stream.privacy.keyring import NO_KEYS, KeyRing, OpeningReader, SealError, SealingWriter, is_sealed

OLD, NEW = KeyRing.generate("2026"), KeyRing.generate("2027")
RING = KeyRing.parse(f"{NEW}, {OLD}")
SIZES = (0, 1, 65_535, 65_536, 65_537, 131_072, 200_000)


@pytest.mark.parametrize("size", SIZES)
def test_content_of_any_size_comes_back(size: int) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    sealed = RING.seal(content[:size], b"for this")
    assert RING.open(sealed, b"for this") == content[:size]
    assert is_sealed(sealed)
    assert not is_sealed(content)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary(max_size=90_000), max_size=4), st.lists(st.integers(1, 100_000), max_size=6))
def test_it_does_not_matter_in_which_pieces_it_is_written_and_read(parts: list[bytes], sizes: list[int]) -> None:
    file = BytesIO()
    writer = SealingWriter(file, RING)
    for part in parts:
        writer.write(part)
    writer.finish()
    reader = OpeningReader(BytesIO(file.getvalue()), RING)
    found = b"".join(reader.read(size) for size in sizes) + reader.read()
    assert found == b"".join(parts)


@pytest.mark.parametrize("size", SIZES)
def test_what_is_cut_off_or_changed_anywhere_does_not_open(size: int) -> None:
    sealed = RING.seal(b"x" * size)
    places = {0, 7, 8, 9, 15, 30, len(sealed) // 2, len(sealed) - 1}
    damaged = [sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :] for place in places]
    cut = [sealed[:-1], sealed[:-17], sealed[: 7 + 2 + 4 + 16], sealed[:20], b"", sealed + b"x"]
    if size > 65_536:
        cut.append(sealed[: 7 + 2 + 4 + 16 + 65_536 + 16])  # at the end of a chunk
    for one in (*damaged, *cut):
        with pytest.raises(SealError):
            RING.open(one)


def test_chunks_can_not_be_swapped() -> None:
    sealed, head, chunk = RING.seal(bytes(65_536) + b"\1" * 65_536 + b"end"), 7 + 2 + 4 + 16, 65_536 + 16
    first, second = sealed[head : head + chunk], sealed[head + chunk : head + 2 * chunk]
    with pytest.raises(SealError):
        RING.open(sealed[:head] + second + first + sealed[head + 2 * chunk :])


def test_another_context_or_key_opens_nothing() -> None:
    sealed = RING.seal(b"x", b"webhook 1")
    with pytest.raises(SealError, match="for something else"):
        RING.open(sealed, b"webhook 2")
    with pytest.raises(SealError, match="key '2027', which UBI_DATA_KEYS does not have"):
        KeyRing.parse(OLD).open(sealed, b"webhook 1")
    other = KeyRing.parse(KeyRing.generate("2027"))
    with pytest.raises(SealError, match="damaged"):
        other.open(sealed, b"webhook 1")


def test_the_first_key_seals_and_all_open() -> None:
    old = KeyRing.parse(OLD).seal(b"x")
    assert RING.open(old) == b"x"
    assert RING.needs_reseal(old)
    assert not RING.needs_reseal(RING.seal(b"x"))
    assert RING.seal(b"x") != RING.seal(b"x")


def test_without_keys_nothing_is_sealed() -> None:
    assert not NO_KEYS
    assert not KeyRing.parse(" , ")
    with pytest.raises(SealError, match="data-key"):
        NO_KEYS.seal(b"x")


@pytest.mark.parametrize(
    "text", ["x", "id:", "id:AAAA", f"no id:{'A' * 43}=", f"{OLD},{OLD}", "id:\N{SNOWMAN}"], ids=range(6)
)
def test_a_wrong_setting_is_said_without_the_key(text: str) -> None:
    with pytest.raises(ConfigError, match="UBI_DATA_KEYS") as caught:
        KeyRing.parse(text)
    assert "A" * 20 not in str(caught.value)


@pytest.mark.parametrize("context", [BACKUP, EXPORT])
def test_a_file_is_sealed_again_in_its_place(tmp_path: Path, context: bytes) -> None:
    path, content = tmp_path / "a", b"x" * 3_000_000
    path.write_bytes(KeyRing.parse(OLD).seal(content, context))
    assert reseal_file(path, RING)
    assert KeyRing.parse(NEW).open(path.read_bytes(), context) == content
    assert not reseal_file(path, RING)
    assert [file.name for file in tmp_path.iterdir()] == ["a"]


def test_a_file_that_does_not_open_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a"
    sealed = KeyRing.parse(OLD).seal(b"x" * 100_000, BACKUP)
    for content in (b"plain", sealed[:-1], sealed[:40]):
        path.write_bytes(content)
        with pytest.raises(ConfigError, match=str(path)):
            reseal_file(path, RING)
        assert path.read_bytes() == content
    assert [file.name for file in tmp_path.iterdir()] == ["a"]
