"""Are two models the same, to the last bit?"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable
from types import BuiltinFunctionType, FunctionType, NoneType

import numpy as np

from ubi_stream.models.common.snapshot import REDUCERS


def digest(obj: object) -> str:
    """Return the SHA-256 of what a model holds, in hexadecimal.

    Equal states give equal digests, however they came to be: a pickle also tells which equal parts are one object,
    and the order of a dict, both of which change when a model is restored. Floats count by their bits, arrays by type,
    shape and bytes, dicts and sets without order, other objects by class and the state that pickle would take.

    Examples
    --------
    >>> digest({"a": 1.0, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1.0})
    True
    >>> digest(1) == digest(1.0) or digest(0.0) == digest(-0.0)
    False

    Raises
    ------
    TypeError
        Something in `obj` can't be pickled, such as an open file.
    """
    return _Walk().digest(obj).hex()


class _Walk:
    """One walk over an object graph: hashes of hashes, each object once."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[object, bytes]] = {}  # holds the object too, so that its id stays taken
        self._open: dict[int, int] = {}  # objects being hashed, by their depth: the way out of a cycle

    def digest(self, obj: object) -> bytes:
        atom = _atom(obj)
        if atom is not None:
            return hashlib.sha256(atom).digest()
        identity = id(obj)
        if identity in self._known:
            return self._known[identity][1]
        if identity in self._open:
            return _hash("cycle", [struct.pack(">q", len(self._open) - self._open[identity])])
        self._open[identity] = len(self._open)
        result = self._compound(obj)
        del self._open[identity]
        self._known[identity] = (obj, result)
        return result

    def _compound(self, obj: object) -> bytes:
        kind = type(obj)
        if isinstance(obj, (list, tuple)) and kind in (list, tuple):
            return _hash(kind.__name__, map(self.digest, obj))
        if isinstance(obj, (set, frozenset)) and kind in (set, frozenset):
            return _hash(kind.__name__, sorted(map(self.digest, obj)))
        if isinstance(obj, dict) and kind is dict:
            # Sorted before the values are walked: how a cycle hashes depends on where the walk enters it.
            items = sorted(((self.digest(key), value) for key, value in obj.items()), key=lambda item: item[0])
            return _hash("dict", (key + self.digest(value) for key, value in items))
        return self._object(obj)

    def _object(self, obj: object) -> bytes:
        reducer = REDUCERS.get(type(obj))
        reduced = obj.__reduce_ex__(4) if reducer is None else reducer(obj)
        if isinstance(reduced, str):
            return _hash("global", [reduced.encode()])
        function, arguments, *rest = (*reduced, None, None, None)[:5]
        state, items, pairs = rest
        parts = [self.digest(type(obj)), self.digest(function), self.digest(arguments), self.digest(state)]
        parts.append(self.digest(list(items) if items is not None else None))
        parts.append(self.digest(dict(pairs) if pairs is not None else None))
        return _hash("object", parts)


def _atom(obj: object) -> bytes | None:
    """Return the bytes of a value that holds no other objects, with its type in front; None for the others."""
    kind = type(obj)
    if kind in (NoneType, bool, int, float, str, bytes):
        if isinstance(obj, bytes):
            data = obj
        elif isinstance(obj, float):
            data = obj.hex().encode()
        else:
            data = str(obj).encode("utf-8", "surrogatepass")
        return kind.__name__.encode() + b":" + data
    if isinstance(obj, (np.ndarray, np.generic)) and not obj.dtype.hasobject:
        return b":".join((b"array", obj.dtype.str.encode(), repr(obj.shape).encode(), obj.tobytes()))
    if isinstance(obj, (type, FunctionType, BuiltinFunctionType)):
        return f"global:{obj.__module__}.{obj.__qualname__}".encode()
    return None


def _hash(kind: str, parts: Iterable[bytes]) -> bytes:
    return hashlib.sha256(kind.encode() + b":" + b"".join(parts)).digest()
