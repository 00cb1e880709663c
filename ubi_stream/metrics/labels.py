"""Values that the labels of metrics have: closed lists, so that nobody's id becomes one."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

OTHER: Final = "other"
"""Event type of events that the pack doesn't list."""
ANY: Final = "any"
"""Event type of outcomes that are counted whatever the type: the record may have none."""


class RecordOutcome(StrEnum):
    """What became of a record of the events topic."""

    ACCEPTED = "accepted"
    DEAD_LETTER = "dead_letter"
    DUPLICATE = "duplicate"
    REPLAYED = "replayed"
    UNWANTED = "unwanted"
    ERASED = "erased"
    WITHHELD = "withheld"
    MOVED = "moved"


class Stage(StrEnum):
    """Parts of a worker's time."""

    PIPELINE = "pipeline"
    DELIVER = "deliver"


class RefusalReason(StrEnum):
    """Why a record of our own topics is not in the database."""

    REFUSED = "refused"
    UNREADABLE = "unreadable"


class Missing(StrEnum):
    """Why an offset of a source topic has no record: its retention was over, or it never was to be read."""

    EXPIRED = "expired"
    EMPTY = "empty"


class QualityMetric(StrEnum):
    """Which figures of a model's quality are metrics; over its last labels."""

    LOG_LOSS = "log_loss"
    BRIER = "brier"
    ROC_AUC = "roc_auc"
    AVERAGE_PRECISION = "average_precision"
    F1 = "f1"
    ACCURACY = "accuracy"
    MAJORITY_ACCURACY = "majority_accuracy"
    LAST_CLASS_ACCURACY = "last_class_accuracy"
    CALIBRATION_ERROR = "calibration_error"
    LABEL_DELAY_MEAN_S = "label_delay_mean_s"
    LABEL_DELAY_P95_S = "label_delay_p95_s"
