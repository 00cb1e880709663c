"""Every setting of the product, each with a default, a unit and a reason.

Values come from the environment (`UBI_BROKER=…`), from a `.env` file, or from what the command line passes. Lists of
hosts are comma-separated. `ubi config` prints what is in force and where it came from.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import platformdirs
from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What a worker, a command or a test runs with. Frozen: pass it down, never change it."""

    model_config = SettingsConfigDict(env_prefix="UBI_", env_file=".env", extra="ignore", frozen=True)

    # What runs
    app_id: str = Field(
        "ubi", pattern=r"^[A-Za-z0-9._-]{1,100}$", description="Consumer group and prefix of changelogs"
    )
    pack: str = Field("ecommerce", description="Name of a shipped pack, or path of a pack file")
    seed: int = Field(7, ge=0, description="Seed of every model: same events and seed, same insights")

    nobody_ids: str = Field(
        "",
        description="Ids that stand for nobody, besides those of the pack, comma-separated: their events are refused",
    )
    events_mapping: str | None = Field(
        None, description="Mapping of the events topic, where its records are in a sender's form; default: our own form"
    )
    pii_key: SecretStr = Field(
        SecretStr(""), description="Keys the hashes of values that a mapping hides, such as addresses of people"
    )
    do_not_track: Path | None = Field(
        None,
        description="File of users who are not to be tracked, one a line: the id, or its hash, of `ubi privacy hash`; "
        "Events of these users are counted and not kept; read at start",
    )
    processes: int = Field(
        1, ge=1, le=64, description="Processes of one `ubi worker`, about a core each; they share its partitions"
    )

    # Kafka
    broker: str = Field("127.0.0.1:9092", description="Bootstrap servers, host:port, comma-separated")
    topic_prefix: str = Field("ubi", pattern=r"^[A-Za-z0-9._-]{1,100}$", description="First part of every topic's name")
    events_topic_name: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9._-]{1,249}$",
        description="Events topic that is there already; without it <topic_prefix>.events",
    )
    partitions: int = Field(
        1,
        ge=1,
        le=1024,
        description="Partitions of every topic: one for each worker process. What many users have in common is noticed "
        "in each on its own, so as few as do; `ubi repartition` makes more",
    )
    replication_factor: int = Field(1, ge=1, le=9, description="Copies of every topic; 3 in production")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    ssl_ca_file: Path | None = Field(None, description="PEM file of the authority that signed the broker's certificate")
    ssl_cert_file: Path | None = Field(None, description="PEM file of the client's certificate")
    ssl_key_file: Path | None = Field(None, description="PEM file of the client's key")

    # Postgres
    postgres_dsn: SecretStr = Field(
        SecretStr("postgresql://postgres@127.0.0.1:5432/ubi"), description="Where insights go"
    )
    postgres_pool_size: int = Field(4, ge=1, le=64, description="Connections of one worker")

    # Delivery
    flush_interval_s: float = Field(2.0, gt=0, le=60, description="Longest time between two barriers of a partition")
    flush_max_events: int = Field(20_000, ge=1, description="Events of a partition after which a barrier comes at once")
    chunk_max_events: int = Field(256, ge=1, le=10_000, description="Most events of one pass through the pipeline")
    chunk_max_ms: float = Field(
        20.0, ge=1, le=1_000, description="Time of one pass that its number of events aims at: the views wait so long"
    )
    transport: Literal["chunked", "stock"] = Field(
        "chunked", description="stock: Faust's own way, one message at a time; slow, only to compare with"
    )
    delivery_timeout_s: float = Field(
        120.0, ge=1, description="A record that the broker does not take for so long ends the worker (code 70)"
    )
    state_cache_users: int = Field(
        10_000,
        ge=1,
        description="Decoded states kept of all partitions together, about 7 kB each; the rest stay encoded, 1 kB",
    )
    state_store: Literal["memory", "rocksdb"] = Field(
        "memory", description="rocksdb: encoded states on disk, for more users than memory holds"
    )
    state_dir: Path | None = Field(
        None, description="This worker's own folder for rocksdb, on a local disk; default: the user's folder for state"
    )
    session_timeout_s: float = Field(
        10.0, ge=6, description="Broker gives a silent worker's partitions away after this"
    )
    startup_timeout_s: float = Field(
        60.0, ge=0, description="How long to try to reach Kafka and Postgres before giving up"
    )
    recovery_deadline_s: float = Field(300.0, gt=0, description="A restore that takes longer ends the worker (code 71)")
    instance_id: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9._-]{1,200}$",
        description="Name of this worker alone that outlives its process: started again, it goes on at once",
    )
    data_keys: SecretStr = Field(
        SecretStr(""),
        description="Keys that backups and exports are sealed with, ID:KEY, comma-separated: the first seals, all "
        "open; `ubi keys data-key` makes one",
    )
    snapshot_key: SecretStr = Field(SecretStr(""), description="Signs model snapshots; set it, or every start warns")

    erasure_key: SecretStr = Field(
        SecretStr(""), description="Keys the hashes of erased users' ids: nobody without it can check a guess"
    )

    # Views
    web_host: str = "127.0.0.1"
    web_port: int = Field(
        8088, ge=0, le=65535, description="0 takes a free port; further processes take the ports after it"
    )
    advertised_url: str | None = Field(
        None, description="How other workers reach this one's views; default from host and port"
    )

    # Collector
    collector: bool = Field(True, description="Whether a worker takes events over HTTP beside the stream")
    collector_batch_size: int = Field(10, ge=1, le=10_000, description="So many events of a partition are sent at once")
    collector_flush_ms: float = Field(5.0, gt=0, le=60_000, description="Fewer events wait for others so long")
    collector_max_waiting: int = Field(
        20_000, ge=1, description="Events that may wait for Kafka; further ones are answered by 503"
    )
    collector_timeout_s: float = Field(10.0, gt=0, le=120, description="Kafka not having events by then is a 503")
    collector_origins: str = Field(
        "*", description="Origins of pages whose browsers may send events, comma-separated; * for any"
    )
    source_mappings: str = Field(
        "", description="Own mappings of senders: dialect=mapping or source/dialect=mapping, comma-separated"
    )

    # Who may ask the views
    api_key: SecretStr = Field(SecretStr(""), description="Key that commands send to the views")
    web_public: str = Field(
        "health", description="What needs no key, comma-separated, of health, metrics and docs; all else does"
    )
    web_secret: SecretStr = Field(
        SecretStr(""), description="Signs sessions and requests between workers; default: one made in Postgres"
    )
    keys_secret: SecretStr = Field(
        SecretStr(""), description="Keys the hashes of API keys; set before the first key: under another, none is good"
    )
    keys_file: Path | None = Field(None, description="Further API keys, as `ubi keys create --record` prints them")
    jwt_secret: SecretStr = Field(SecretStr(""), description="Key of tokens signed by HS256, at least 32 bytes")
    jwt_public_key_file: Path | None = Field(None, description="PEM file of the key of tokens signed by RS256")
    jwt_jwks_url: str | None = Field(None, description="Where an identity provider has the keys of its tokens (RS256)")
    jwt_issuer: str | None = Field(None, description="`iss` that tokens must have")
    jwt_audience: str | None = Field(None, description="`aud` that tokens must have")
    trusted_proxies: str = Field(
        "", description="Networks of proxies whose X-Forwarded-For is believed, comma-separated"
    )
    rate_limit_window_ms: int = Field(900_000, ge=1_000, description="Window of the rate limits")
    rate_limit_max: int = Field(1_000, ge=1, description="Requests of a key, token or address in a window")
    rate_limit_page_max: int = Field(20_000, ge=1, description="Requests of a live page's session in a window")
    rate_limit_ingest_max: int = Field(1_000_000, ge=1, description="Requests of an ingest key in a window")
    rate_limit_redis_url: SecretStr | None = Field(
        None, description="Redis in which workers count together (extra `redis`); default: each on its own"
    )
    web_tls_cert_file: Path | None = Field(None, description="PEM file of the views' certificate: they serve TLS")
    web_tls_key_file: Path | None = Field(None, description="PEM file of its key; default: in the same file")
    web_tls_ca_file: Path | None = Field(None, description="PEM file of the authority of other workers' certificates")

    # Shell
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "json", "text"] = Field(
        "auto", description="text: lines for people; auto: text on a terminal, JSON otherwise"
    )
    data_dir: Path | None = Field(
        None, description="Where embedded Kafka and Postgres keep data; default: a temporary folder"
    )

    @field_validator("broker")
    @classmethod
    def _hosts_have_ports(cls, value: str) -> str:
        for host in value.split(","):
            name, _, port = host.strip().rpartition(":")
            if not name or not port.isdigit():
                raise ValueError(f"{host!r} is not host:port")
        return ",".join(host.strip() for host in value.split(","))

    @model_validator(mode="after")
    def _sasl_has_credentials(self) -> Settings:
        if self.security_protocol.startswith("SASL") and not (self.sasl_username and self.sasl_password):
            raise ValueError(f"security_protocol={self.security_protocol} needs sasl_username and sasl_password")
        return self

    @model_validator(mode="after")
    def _every_process_has_a_port(self) -> Settings:
        if self.web_port and self.web_port + self.processes - 1 > 65535:
            raise ValueError(f"web_port={self.web_port} leaves no ports for processes={self.processes}")
        return self

    @property
    def nobody(self) -> tuple[str, ...]:
        """Ids that stand for nobody, besides those of the pack."""
        return tuple(name.strip() for name in self.nobody_ids.split(",") if name.strip())

    @property
    def hash_key(self) -> bytes:
        """Keys the hashes of values that a mapping hides."""
        return self.pii_key.get_secret_value().encode()

    @property
    def ring(self) -> str:
        """Keys that data is sealed with, as `KeyRing.parse` reads them."""
        return self.data_keys.get_secret_value()

    @property
    def events_topic(self) -> str:
        """Where producers write, keyed by user id."""
        return self.events_topic_name or f"{self.topic_prefix}.events"

    @property
    def insights_topic(self) -> str:
        """CloudEvents JSON, keyed by user id."""
        return f"{self.topic_prefix}.insights"

    @property
    def dead_letters_topic(self) -> str:
        """Records that could not be processed, whole, with the reason."""
        return f"{self.topic_prefix}.dead-letters"

    @property
    def windows_topic(self) -> str:
        """Closed five-minute counts per partition."""
        return f"{self.topic_prefix}.windows"

    @property
    def visits_topic(self) -> str:
        """A record of each visit, keyed by user id."""
        return f"{self.topic_prefix}.visits"

    @property
    def recommendations_topic(self) -> str:
        """Choices among recommendations, their rewards and people's answers, keyed by user id."""
        return f"{self.topic_prefix}.recommendations"

    @property
    def features_topic(self) -> str:
        """Feature vectors as the models saw them, where the pack asks for them."""
        return f"{self.topic_prefix}.features"

    @property
    def sunk_topics(self) -> tuple[str, ...]:
        """Topics whose records are stored in Postgres."""
        return (
            self.insights_topic,
            self.dead_letters_topic,
            self.windows_topic,
            self.visits_topic,
            self.recommendations_topic,
        )

    @property
    def state_cache_of_a_partition(self) -> int:
        """Decoded states that each partition keeps."""
        return max(1, self.state_cache_users // self.partitions)

    @property
    def state_root(self) -> Path:
        """Folder of states on disk, those of every group."""
        return (self.state_dir or platformdirs.user_state_path("ubi-stream")).expanduser()

    def repartition_topic(self, entity: str) -> str:
        """Events forwarded to the partition of the entity that they are about."""
        return f"{self.topic_prefix}.events.by-{entity}"

    def changelog_topic(self, table: str) -> str:
        """Changelog of a table: Faust's way of naming it."""
        return f"{self.app_id}-{table}-changelog"
