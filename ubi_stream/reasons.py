"""Closed lists of why something was not processed as usual.

Each reason is a metric label, has a line in `docs/dead-letters.md` and a sample in `tests/contract`; a test holds the
three together. Add a reason here first.
"""

from __future__ import annotations

from enum import StrEnum


class DeadLetterReason(StrEnum):
    """Why a record went to the dead-letter topic."""

    MALFORMED_JSON = "malformed_json"
    NULL_VALUE = "null_value"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    INVALID_VALUE = "invalid_value"
    TOO_LARGE = "too_large"
    TOO_DEEP = "too_deep"
    UNKNOWN_EVENT_TYPE = "unknown_event_type"
    TIME_IN_FUTURE = "time_in_future"
    TIME_TOO_OLD = "time_too_old"
    PROCESSING_ERROR = "processing_error"


class SnapshotReason(StrEnum):
    """Why a model snapshot is not used, and the model starts fresh."""

    TOO_SHORT = "too_short"
    TOO_LARGE = "too_large"
    UNSIGNED = "unsigned"
    WRONG_KEY_OR_TAMPERED = "wrong_key_or_tampered"
    CODEC_VERSION = "codec_version"
    RIVER_VERSION = "river_version"
    FEATURE_HASH = "feature_hash"
    UNREADABLE = "unreadable"


class FailStopReason(StrEnum):
    """Why a worker ended itself rather than lose something; `docs/operations.md` says what to do."""

    DELIVERY_FAILED = "delivery_failed"
    OFFSETS_MISSING = "offsets_missing"
    RECOVERY_FAILED = "recovery_failed"
    PROCESSING_FAILED = "processing_failed"
    STATE_STORE_FAILED = "state_store_failed"
    SERVICE_CRASHED = "service_crashed"
