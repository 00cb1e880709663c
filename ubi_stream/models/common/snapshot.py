"""Models as signed bytes: written at each barrier, read on start and when a partition moves.

Layout: magic (4 bytes), codec version (1), HMAC-SHA-256 (32) of everything else, length of the header (2, big-endian),
header (MessagePack: versions and feature hash), zlib-compressed pickle. Unpickling runs code, so nothing is unpickled
before the signature is verified; and as a second line the unpickler resolves only names that models need.
"""

from __future__ import annotations

import copyreg
import hashlib
import hmac
import io
import pickle
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
import river
from river import proba

from ubi_stream.errors import ConfigError, SnapshotError
from ubi_stream.reasons import SnapshotReason

MAX_BYTES = 900_000
"""Of a whole snapshot: with key and headers it stays below Kafka's default limit of a record, 1 MiB."""

_MAX_PICKLE_BYTES = 64 * 1024 * 1024
"""Of what is decompressed, so that a small snapshot can't fill the memory."""

_MAGIC = b"UBIM"
_CODEC_VERSION = 1
_PREFIX = len(_MAGIC) + 1
_SIGNATURE = hashlib.sha256().digest_size
_HEADER_LENGTH = 2
_PICKLE_PROTOCOL = 5
_COMPRESSION = 1  # level 6 saves a few per cent and takes three times as long, at every barrier

_OWN_MODULES = ("river", "ubi_stream.models", "ubi_stream.rules")
_NOT_MODELS = ("river.checks", "river.datasets", "river.evaluate", "river.stream")  # they open files and sockets
_FOREIGN_NAMES = {
    "builtins": {"bool", "bytearray", "complex", "dict", "float", "frozenset", "int", "list", "set", "slice", "tuple"},
    "collections": {"Counter", "OrderedDict", "defaultdict", "deque"},
    "copyreg": {"_reconstructor"},
    "functools": {"partial"},
    "numpy": {"dtype", "ndarray"},
    "numpy._core.multiarray": {"_reconstruct", "scalar"},
    "numpy._core.numeric": {"_frombuffer"},
    "random": {"Random"},
}


class _Header(msgspec.Struct):
    river: str
    feature_hash: str


def dumps(obj: object, *, key: bytes, feature_hash: str) -> bytes:
    """Encode and sign models.

    Parameters
    ----------
    obj
        Models of River or of `ubi_stream.models`, also in tuples, lists and dicts.
    key
        The operator's secret; must be the same after a restart.
    feature_hash
        Names and order of the features, hashed: models of other features are of no use.

    Raises
    ------
    ConfigError
        `key` is empty.
    SnapshotError
        The result is larger than `MAX_BYTES`.
    """
    header = msgspec.msgpack.encode(_Header(river.__version__, feature_hash))
    body = zlib.compress(_pickled(obj), _COMPRESSION)
    signed = len(header).to_bytes(_HEADER_LENGTH, "big") + header + body
    prefix = _MAGIC + bytes([_CODEC_VERSION])
    blob = prefix + _signature(key, prefix, signed) + signed
    if len(blob) > MAX_BYTES:
        raise SnapshotError(SnapshotReason.TOO_LARGE, f"models take {len(blob)} bytes, more than {MAX_BYTES}")
    return blob


def loads(blob: bytes, *, key: bytes, feature_hash: str) -> object:
    """Verify and decode what `dumps` gave.

    Raises
    ------
    ConfigError
        `key` is empty.
    SnapshotError
        The snapshot can't be used; `reason` says why.
    """
    _check_envelope(blob)
    prefix, signature, signed = blob[:_PREFIX], blob[_PREFIX : _PREFIX + _SIGNATURE], blob[_PREFIX + _SIGNATURE :]
    if not hmac.compare_digest(signature, _signature(key, prefix, signed)):
        raise SnapshotError(SnapshotReason.WRONG_KEY_OR_TAMPERED, "the signature of the snapshot doesn't match its key")
    body_start = _HEADER_LENGTH + int.from_bytes(signed[:_HEADER_LENGTH], "big")
    _check_header(signed[_HEADER_LENGTH:body_start], feature_hash)
    return _unpickle(_decompress(signed[body_start:]))


def _pickled(obj: object) -> bytes:
    file = io.BytesIO()
    pickler = pickle.Pickler(file, _PICKLE_PROTOCOL)
    pickler.dispatch_table = {**copyreg.dispatch_table, **REDUCERS}
    pickler.dump(obj)
    return file.getvalue()


def _without_dice(normal: Any) -> tuple[Callable[..., Any], tuple[Any, ...], Any]:
    """Leave out the random generator of a normal distribution: 3 kB each, for sampling, which no model of ours does.

    Naive Bayes and Hoeffding trees hold one for each feature and class: without, their snapshots are a tenth.
    """
    return proba.Gaussian, (), {name: value for name, value in vars(normal).items() if name != "_rng"}


REDUCERS: Final[Mapping[type, Callable[[Any], tuple[Callable[..., Any], tuple[Any, ...], Any]]]] = {
    proba.Gaussian: _without_dice
}
"""How objects are taken apart that hold more than what they learned."""


def _signature(key: bytes, prefix: bytes, signed: bytes) -> bytes:
    if not key:
        raise ConfigError("snapshot_key is empty: snapshots can't be signed or verified; expected a secret")
    return hmac.digest(key, prefix + signed, "sha256")


def _check_envelope(blob: bytes) -> None:
    if len(blob) > MAX_BYTES:
        raise SnapshotError(SnapshotReason.TOO_LARGE, f"the snapshot has {len(blob)} bytes, more than {MAX_BYTES}")
    if len(blob) < _PREFIX + _SIGNATURE + _HEADER_LENGTH:
        raise SnapshotError(SnapshotReason.TOO_SHORT, f"{len(blob)} bytes are no snapshot")
    if not blob.startswith(_MAGIC):
        raise SnapshotError(SnapshotReason.UNSIGNED, f"a signed snapshot starts with {_MAGIC!r}, not {blob[:4]!r}")
    if blob[len(_MAGIC)] != _CODEC_VERSION:
        raise SnapshotError(
            SnapshotReason.CODEC_VERSION, f"snapshot of codec {blob[len(_MAGIC)]}; this is codec {_CODEC_VERSION}"
        )


def _check_header(data: bytes, feature_hash: str) -> None:
    try:
        header = msgspec.msgpack.decode(data, type=_Header)
    except msgspec.DecodeError as error:
        raise SnapshotError(SnapshotReason.UNREADABLE, f"the header of the snapshot is broken: {error}") from error
    if header.river != river.__version__:
        raise SnapshotError(
            SnapshotReason.RIVER_VERSION, f"snapshot of River {header.river}; installed is {river.__version__}"
        )
    if header.feature_hash != feature_hash:
        raise SnapshotError(
            SnapshotReason.FEATURE_HASH, f"snapshot of features {header.feature_hash}; the pack has {feature_hash}"
        )


def _decompress(body: bytes) -> bytes:
    stream = zlib.decompressobj()
    try:
        data = stream.decompress(body, _MAX_PICKLE_BYTES)
    except zlib.error as error:
        raise SnapshotError(SnapshotReason.UNREADABLE, f"the models can't be decompressed: {error}") from error
    if not stream.eof:
        raise SnapshotError(SnapshotReason.TOO_LARGE, f"the models have more than {_MAX_PICKLE_BYTES} bytes, or no end")
    return data


def _unpickle(data: bytes) -> object:
    try:
        return _ModelUnpickler(io.BytesIO(data)).load()
    except Exception as error:  # signed, yet written by another release: any error means a fresh model
        raise SnapshotError(SnapshotReason.UNREADABLE, f"the models can't be restored: {error}") from error


class _ModelUnpickler(pickle.Unpickler):
    """Resolves classes and functions of models and their containers, nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("builtins", "getattr"):  # pickle's way to a bound method
            return _attribute
        if name in _FOREIGN_NAMES.get(module, ()):
            return super().find_class(module, name)
        if _within(module, _OWN_MODULES) and not _within(module, _NOT_MODELS) and "__" not in name:
            found = super().find_class(module, name)
            # A module's name may be an import of another package: where it is defined decides.
            if callable(found) and _within(getattr(found, "__module__", None) or "", _OWN_MODULES):
                return found
        raise pickle.UnpicklingError(f"{module}.{name} is not part of a model")


def _attribute(owner: object, name: str) -> Any:
    if "__" in name:
        raise pickle.UnpicklingError(f"attribute {name} is not part of a model")
    return getattr(owner, name)


def _within(module: str, roots: tuple[str, ...]) -> bool:
    return any(module == root or module.startswith(root + ".") for root in roots)
