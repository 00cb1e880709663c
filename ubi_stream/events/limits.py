"""Sizes that an event may have. A constant here is a decision: unit, bound, reason."""

from __future__ import annotations

MAX_ID_BYTES = 256
"""Longest id. Client libraries use 36 (UUID) to 200 (distinct ids of web analytics)."""

MAX_PROPERTIES_BYTES = 32 * 1024
"""Properties or context, as JSON: the limit of the tracking APIs that people come from."""

MAX_VALUE_BYTES = 128 * 1024
"""A whole record: properties, context and ids at their limits, and room for white space."""

MAX_DEPTH = 8
"""Nesting of an event: deeper is a mistake or an attack."""

MAX_AHEAD_MS = 24 * 3600 * 1000
"""An event's time may be this far ahead of its arrival: time zones sent wrongly are within it."""

MAX_SKEW_MS = 5 * 60 * 1000
"""An event counts as at most this far ahead of its arrival: a clock that is a day ahead must not make the user's next
day late."""

MAX_TRANSIT_MS = 5 * 60 * 1000
"""A batch may be this long under way, or a clock this far off, before `sent_at` corrects the event's time: seconds of
transit are no wrong clock, and events of one user that came in two batches must keep their order."""

MIN_TIME_MS = 0
"""Nothing happened before 1970."""

MAX_WEIGHT = 10
"""A person's label counts as at most so many: one mistake must not outweigh all that others said."""

MAX_NOTE_CHARACTERS = 1_000
"""Why a person labels as they do: a few sentences."""
