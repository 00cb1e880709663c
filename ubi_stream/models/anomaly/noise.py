"""Random numbers that need no state: the i-th of a stream is a function of the seed and i."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ubi_stream.arrays import FloatArray

Keys = NDArray[np.uint64]

_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX_1: Final = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2: Final = np.uint64(0x94D049BB133111EB)


def mixed(keys: Keys) -> Keys:
    """Scatter 64-bit integers over all bits (the finaliser of SplitMix64: Steele, Lea, Flood 2014).

    >>> mixed(np.array([1, 2], dtype=np.uint64))
    array([10451216379200822465, 10905525725756348110], dtype=uint64)
    """
    keys = keys + _GOLDEN
    keys = (keys ^ (keys >> np.uint64(30))) * _MIX_1
    keys = (keys ^ (keys >> np.uint64(27))) * _MIX_2
    return keys ^ (keys >> np.uint64(31))


def uniforms(seed: int, numbers: Keys) -> FloatArray:
    """The uniform numbers in [0, 1) at these places of a stream: the same however they are asked for.

    >>> places = np.arange(5, dtype=np.uint64)
    >>> bool((uniforms(7, places)[2:] == uniforms(7, places[2:])).all())
    True
    """
    bits = mixed(numbers + _start(seed))
    found: FloatArray = (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return found


@lru_cache(maxsize=1000)
def _start(seed: int) -> np.uint64:
    """Where the stream of a seed begins: the same for every call, and half the price of a short one."""
    return np.uint64(mixed(np.array([seed], dtype=np.uint64))[0])


def keys_of(rows: FloatArray) -> Keys:
    """A 64-bit key of each row, equal for equal rows; shape (n,). Minus zero is zero, all NaN are one."""
    clean = np.where(np.isnan(rows), np.nan, rows + 0.0)
    bits = np.ascontiguousarray(clean, dtype=np.float64).view(np.uint64)
    keys: Keys = np.add.reduce(mixed(bits ^ _salts(rows.shape[1])), axis=1)
    return keys


@lru_cache(maxsize=1000)
def _salts(n: int) -> Keys:
    """What tells columns apart: the same number in another one is another thing."""
    return mixed(np.arange(n, dtype=np.uint64))
