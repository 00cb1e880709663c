"""Settings as the command line has them: read, checked, explained, and handed to a child process."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec
from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource, SettingsError

from ubi_stream.errors import ConfigError
from ubi_stream.settings import Settings

Origin = Literal["default", "environment", ".env file"]

HIDDEN = "********"
_MESSAGE_START = re.compile("^(Input|String) should")
_NOT_SETTINGS = frozenset({"UBI_CACHE_DIR"})  # read where the settings are not: by the download of Kafka's jars


class Setting(msgspec.Struct, frozen=True):
    """One setting as it is in force.

    Attributes
    ----------
    value
        As text for a person; a secret that is set is hidden.
    origin
        Where the value came from.
    """

    name: str
    variable: str
    value: str
    origin: Origin
    description: str


def variable(field: str) -> str:
    """Environment variable of a setting.

    >>> variable("web_port")
    'UBI_WEB_PORT'
    """
    return f"UBI_{field.upper()}"


def load_settings(**overrides: Any) -> Settings:
    """Settings from the environment and `.env`; arguments that are not None win.

    Raises
    ------
    ConfigError
        A value is wrong: names the variable, the value unless it is secret, and what was expected.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        raise ConfigError("; ".join(_explain(item) for item in error.errors(include_url=False))) from error
    except SettingsError as error:
        raise ConfigError(f"settings: {error}") from error


def list_settings(settings: Settings) -> list[Setting]:
    """Every setting, in the order of their declaration."""
    environment, dotenv = EnvSettingsSource(Settings)(), DotEnvSettingsSource(Settings)()

    def origin(name: str) -> Origin:
        return "environment" if name in environment else ".env file" if name in dotenv else "default"

    return [
        Setting(name, variable(name), _shown(name, getattr(settings, name)), origin(name), _describe(name, field))
        for name, field in Settings.model_fields.items()
    ]


def unknown_variables(environment: Mapping[str, str]) -> dict[str, str | None]:
    """Variables that look like settings and are none, each with the setting that was probably meant.

    >>> unknown_variables({"UBI_BROKERS": "k:9092", "HOME": "/"})
    {'UBI_BROKERS': 'UBI_BROKER'}
    """
    known = {variable(name) for name in Settings.model_fields} | _NOT_SETTINGS
    misrouted = sorted(name for name in environment if name.upper().startswith("UBI_") and name.upper() not in known)
    return {name: next(iter(difflib.get_close_matches(name.upper(), known, n=1)), None) for name in misrouted}


def child_environment(settings: Settings) -> dict[str, str]:
    """Environment of a child process that shall run with exactly these settings."""
    inherited = {name: value for name, value in os.environ.items() if not name.upper().startswith("UBI_")}
    values = {variable(name): getattr(settings, name) for name in Settings.model_fields}
    return inherited | {name: _revealed(value) for name, value in values.items() if value is not None}


def pack_for(settings: Settings, mapping_pack: str | None) -> Settings:
    """Settings with the pack that a mapping is written for, unless a pack was asked for."""
    if mapping_pack is None or "pack" in settings.model_fields_set:
        return settings
    return settings.model_copy(update={"pack": mapping_pack})


def absolute_pack(settings: Settings) -> Settings:
    """Settings that mean the same pack and mapping files from another working directory."""
    files = {"pack": settings.pack, "events_mapping": settings.events_mapping}
    paths = {name: Path(value) for name, value in files.items() if value is not None}
    update = {name: str(path.absolute()) for name, path in paths.items() if path.suffix and path.is_file()}
    return settings.model_copy(update=update)


def _explain(item: Any) -> str:
    message = item["msg"].removeprefix("Value error, ")
    if not item["loc"]:  # about several settings: the message names them
        return f"settings: {message}"
    name = str(item["loc"][0])
    field = Settings.model_fields.get(name)
    given = HIDDEN if field is not None and _is_secret(field) else repr(item["input"])
    purpose = f" ({field.description})" if field is not None and field.description else ""
    return f"{variable(name)} = {given}: {_MESSAGE_START.sub('it should', message)}{purpose}"


def _describe(name: str, field: FieldInfo) -> str:
    if field.description:
        return field.description
    choices = get_args(field.annotation) if not _is_secret(field) else ()
    if choices and all(isinstance(choice, str) for choice in choices):
        return "One of " + ", ".join(choices)
    return name.replace("_", " ").capitalize()


def _is_secret(field: FieldInfo) -> bool:
    return field.annotation is SecretStr or SecretStr in get_args(field.annotation)


def _shown(name: str, value: object) -> str:
    if not isinstance(value, SecretStr):
        return "" if value is None else str(value)
    if name != "postgres_dsn":
        return HIDDEN if value.get_secret_value() else ""
    from ubi_stream.sinks.database import parse_target  # noqa: PLC0415 - loads asyncpg

    try:
        target = parse_target(value.get_secret_value())
    except ConfigError:
        return HIDDEN
    return f"postgresql://{target.user}:{HIDDEN}@{target}"


def _revealed(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)
