"""Snapshots: round trip, each reason for refusal, and nothing unpickled that isn't signed or isn't a model."""

from __future__ import annotations

import hashlib
import hmac
import os
import pickle
import zlib
from pathlib import Path

import msgspec
import numpy as np
import pytest
import river
from river import base, drift, linear_model, naive_bayes, optim, preprocessing, stats, tree

from ubi_stream.errors import ConfigError, SnapshotError
from ubi_stream.models.anomaly.half_space import HalfSpaceForest
from ubi_stream.models.anomaly.peers import PeerBaseline
from ubi_stream.models.common import snapshot
from ubi_stream.models.common.digest import digest
from ubi_stream.models.common.quantile import OnlineQuantile
from ubi_stream.models.outcomes.logistic import OnlineLogistic
from ubi_stream.models.outcomes.quality import RollingQuality
from ubi_stream.reasons import SnapshotReason

KEY = b"a secret of the operator"
FEATURES = ("a", "b", "c")


def models() -> dict[str, object]:
    """One of each model, with something learned."""
    rng = np.random.default_rng(0)
    rows = rng.random((600, 3))
    forest, quantile, peers = HalfSpaceForest(FEATURES), OnlineQuantile(0.9, min_count=100), PeerBaseline(3)
    logistic, quality = OnlineLogistic(FEATURES), RollingQuality()
    quantile.update_many(np.nan_to_num(forest.score_learn_many(rows)))
    peers.observe(rows, [number % 50 for number in range(len(rows))])
    for row in rows[:50]:
        quality.update(logistic.predict(row), bool(row[0] > 0.5))
        logistic.learn(row, bool(row[0] > 0.5))
    return {"forest": forest, "quantile": quantile, "peers": peers, "logistic": logistic, "quality": quality}


def signed(header: bytes, body: bytes, *, version: int = 1) -> bytes:
    """A snapshot with any content, correctly signed."""
    prefix = b"UBIM" + bytes([version])
    rest = len(header).to_bytes(2, "big") + header + body
    return prefix + hmac.digest(KEY, prefix + rest, "sha256") + rest


def header(*, version: str = river.__version__, feature_hash: str = "f1") -> bytes:
    return msgspec.msgpack.encode({"river": version, "feature_hash": feature_hash})


def refusal(blob: bytes, *, key: bytes = KEY, feature_hash: str = "f1") -> SnapshotReason:
    with pytest.raises(SnapshotError) as caught:
        snapshot.loads(blob, key=key, feature_hash=feature_hash)
    return caught.value.reason


def test_round_trip_gives_equal_models() -> None:
    original = models()
    blob = snapshot.dumps(original, key=KEY, feature_hash="f1")
    restored = snapshot.loads(blob, key=KEY, feature_hash="f1")
    assert digest(restored) == digest(original)


@pytest.mark.parametrize(
    "model",
    [
        preprocessing.StandardScaler() | linear_model.LogisticRegression(optimizer=optim.Adam()),
        tree.HoeffdingAdaptiveTreeClassifier(seed=1, grace_period=20),
        naive_bayes.GaussianNB(),
    ],
    ids=lambda model: type(model).__name__,
)
def test_rivers_classifiers_go_on_as_if_nothing_happened(model: base.Classifier) -> None:
    rows = np.random.default_rng(0).random((400, 2)).tolist()
    labelled = [({"a": a, "b": b}, a + 0.2 * b > 0.6) for a, b in rows]
    for x, y in labelled[:300]:
        model.learn_one(x, y)
    restored = snapshot.loads(snapshot.dumps(model, key=KEY, feature_hash="f1"), key=KEY, feature_hash="f1")
    assert isinstance(restored, type(model))
    for x, y in labelled[300:]:
        assert restored.predict_proba_one(x) == model.predict_proba_one(x)
        restored.learn_one(x, y)
        model.learn_one(x, y)


def test_distributions_leave_their_dice_behind() -> None:
    model = naive_bayes.GaussianNB()
    for number in range(100):
        model.learn_one({f"f{column}": number * 0.1 + column for column in range(35)}, number % 3 == 0)
    blob = snapshot.dumps(model, key=KEY, feature_hash="f1")
    assert len(blob) < 10_000
    restored = snapshot.loads(blob, key=KEY, feature_hash="f1")
    assert isinstance(restored, naive_bayes.GaussianNB)
    x = {"f1": 3.0, "f34": 40.0}
    assert restored.predict_proba_one(x) == model.predict_proba_one(x)
    assert all(normal.sample() for by_class in restored.gaussians.values() for normal in by_class.values())


def test_rivers_statistics_and_drift_detectors_survive() -> None:
    original = [drift.ADWIN(), drift.PageHinkley(), stats.Quantile(0.9), stats.EWVar()]
    for value in np.random.default_rng(0).random(200).tolist():
        for model in original:
            model.update(value)
    restored = snapshot.loads(snapshot.dumps(original, key=KEY, feature_hash="f1"), key=KEY, feature_hash="f1")
    assert digest(restored) == digest(original)


@pytest.mark.parametrize("position", [5, 36, 37, 38, 45, 200, -1])
def test_any_changed_byte_after_the_version_is_noticed(position: int) -> None:
    blob = bytearray(snapshot.dumps(models(), key=KEY, feature_hash="f1"))
    blob[position] ^= 1
    assert refusal(bytes(blob)) is SnapshotReason.WRONG_KEY_OR_TAMPERED


def test_wrong_key() -> None:
    blob = snapshot.dumps([], key=KEY, feature_hash="f1")
    assert refusal(blob, key=b"another") is SnapshotReason.WRONG_KEY_OR_TAMPERED


def test_bare_pickle_is_unsigned() -> None:
    assert refusal(pickle.dumps(models())) is SnapshotReason.UNSIGNED


@pytest.mark.parametrize("blob", [b"", b"UBIM", b"UBIM\x01" + bytes(33)])
def test_too_short(blob: bytes) -> None:
    assert refusal(blob) is SnapshotReason.TOO_SHORT


def test_too_large_to_write() -> None:
    with pytest.raises(SnapshotError) as caught:
        snapshot.dumps(os.urandom(snapshot.MAX_BYTES), key=KEY, feature_hash="f1")
    assert caught.value.reason is SnapshotReason.TOO_LARGE


def test_too_large_to_read() -> None:
    assert refusal(bytes(snapshot.MAX_BYTES + 1)) is SnapshotReason.TOO_LARGE


def test_small_snapshot_of_a_large_model_is_too_large() -> None:
    bomb = zlib.compress(bytes(65 * 1024 * 1024))
    assert len(bomb) < snapshot.MAX_BYTES
    assert refusal(signed(header(), bomb)) is SnapshotReason.TOO_LARGE


def test_other_codec() -> None:
    assert refusal(signed(header(), b"", version=2)) is SnapshotReason.CODEC_VERSION


def test_other_river() -> None:
    assert refusal(signed(header(version="0.1.0"), b"")) is SnapshotReason.RIVER_VERSION


def test_other_features() -> None:
    blob = snapshot.dumps(models(), key=KEY, feature_hash="f1")
    assert refusal(blob, feature_hash="f2") is SnapshotReason.FEATURE_HASH


@pytest.mark.parametrize("body", [b"no zlib", zlib.compress(b"no pickle"), zlib.compress(b"")])
def test_signed_but_unreadable(body: bytes) -> None:
    assert refusal(signed(header(), body)) is SnapshotReason.UNREADABLE


def test_signed_header_of_another_shape_is_unreadable() -> None:
    assert refusal(signed(b"\xc1", b"")) is SnapshotReason.UNREADABLE


class Evil:
    """Would make a file when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.path),)


def test_unsigned_code_is_not_run(tmp_path: Path) -> None:
    body = zlib.compress(pickle.dumps(Evil(tmp_path / "unsigned")))
    blob = bytearray(signed(header(), body))
    blob[5:37] = hashlib.sha256(b"a guess").digest()
    assert refusal(bytes(blob)) is SnapshotReason.WRONG_KEY_OR_TAMPERED
    assert not (tmp_path / "unsigned").exists()


def test_signed_code_is_not_run_either(tmp_path: Path) -> None:
    body = zlib.compress(pickle.dumps(Evil(tmp_path / "signed")))
    assert refusal(signed(header(), body)) is SnapshotReason.UNREADABLE
    assert not (tmp_path / "signed").exists()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("builtins", "eval"),
        ("builtins", "__import__"),
        ("os", "system"),
        ("numpy", "load"),
        ("river.base.base", "sys"),
        ("river.base.base", "gc.collect"),
        ("river.base.base", "Base.__init__"),
        ("river.datasets.base", "RemoteDataset"),
        ("ubi_stream.models.common.snapshot", "pickle.loads"),
        ("ubi_stream.errors", "UbiError"),
        ("riverine", "Model"),
    ],
)
def test_names_that_are_no_part_of_a_model_are_not_resolved(module: str, name: str) -> None:
    body = b"\x80\x04" + b"".join(b"\x8c" + bytes([len(part)]) + part.encode() for part in (module, name)) + b"\x93."
    with pytest.raises(SnapshotError, match="is not part of a model"):
        snapshot.loads(signed(header(), zlib.compress(body)), key=KEY, feature_hash="f1")


def test_private_attributes_are_not_reached() -> None:
    body = pickle.dumps(OnlineLogistic(FEATURES).learn).replace(b"learn", b"__x__")
    with pytest.raises(SnapshotError, match="attribute __x__"):
        snapshot.loads(signed(header(), zlib.compress(body)), key=KEY, feature_hash="f1")


def test_empty_key_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match="snapshot_key"):
        snapshot.dumps([], key=b"", feature_hash="f1")
    with pytest.raises(ConfigError, match="snapshot_key"):
        snapshot.loads(signed(header(), b""), key=b"", feature_hash="f1")


def test_forest_of_the_usual_size_is_small() -> None:
    forest = HalfSpaceForest(tuple(f"f{i}" for i in range(16)))
    forest.learn_many(np.random.default_rng(0).random((625, 16)))
    assert len(snapshot.dumps(forest, key=KEY, feature_hash="f1")) < 20_000
