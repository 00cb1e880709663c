"""The filter that a pack's section `[privacy]` comes to."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Final

from ubi_stream.errors import ConfigError, likely
from ubi_stream.packs.privacy import Hiding, Privacy, SourceHiding
from ubi_stream.packs.roles import Roles, TypeRoles
from ubi_stream.packs.schema import IDENTITY_PROPERTIES, RESERVED_TYPES, WATERMARK, Pack
from ubi_stream.privacy.consent import NOBODY_LISTED, DoNotTrack
from ubi_stream.privacy.filter import PrivacyFilter
from ubi_stream.privacy.rules import SECRETS, Action, Consent, DataKind, PrivacyRules, TextFilter
from ubi_stream.settings import Settings

FILTERS: Final = "ubi_stream.privacy_filters"
"""Entry points of this group are factories: `factory()` returns a `TextFilter`."""

COMMAND_IDS: Final = IDENTITY_PROPERTIES | {"author", "insight_id"}
"""Properties of commands that are ids: they stay as they are."""
_COMMAND_PROPERTIES: Final = frozenset(("label", "outcome", "weight", "note", WATERMARK))
"""What commands say, besides who says it and of what."""


def privacy_filter(
    pack: Pack, *, key: bytes = b"", source: str | None = None, do_not_track: DoNotTrack = NOBODY_LISTED
) -> PrivacyFilter:
    """Make the filter of a pack's events.

    Parameters
    ----------
    key
        Keys the hashes of values (`UBI_PII_KEY`).
    source
        Name of the source that the events come from, if it is known: what the pack says of it is hidden as well.
    do_not_track
        People whose events are counted and not kept.

    Raises
    ------
    ConfigError
        A filter is not installed, or values are to be hashed and there is no key.
    """
    privacy = pack.privacy
    of_source = next((one for one in privacy.sources if one.name == source), None)
    rules = _rules(privacy, of_source, _named_by(pack))
    try:
        return PrivacyFilter(rules, key=key, ids=_ids(pack), do_not_track=do_not_track, commands=RESERVED_TYPES)
    except ValueError as error:
        raise ConfigError(f"pack {pack.name}: privacy: {error}: set UBI_PII_KEY") from error


def filter_of(pack: Pack, settings: Settings, *, source: str | None = None) -> PrivacyFilter:
    """Make the filter of a pack's events as the settings say: with their key, and their list of people not to track.

    Raises
    ------
    ConfigError
        As `privacy_filter`, or the list can't be read.
    """
    path = settings.do_not_track
    try:
        lines = [] if path is None else path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"UBI_DO_NOT_TRACK = {path}: {error}") from error
    listed = DoNotTrack(lines, key=settings.hash_key)
    return privacy_filter(pack, key=settings.hash_key, source=source, do_not_track=listed)


def _rules(privacy: Privacy, source: SourceHiding | None, named: frozenset[str]) -> PrivacyRules:
    parts: tuple[Hiding, ...] = (privacy,) if source is None else (privacy, source)
    kept = [frozenset(part.keep) for part in parts if part.keep is not None]
    return PrivacyRules(
        secrets=tuple(dict.fromkeys((*SECRETS, *(name for part in parts for name in part.secrets)))),
        on_secret=Action(privacy.on_secret),
        text={kind: Action(getattr(privacy.text, kind.value)) for kind in DataKind},
        max_text=privacy.max_text,
        properties={name: Action(action) for part in reversed(parts) for name, action in part.properties.items()},
        keep=frozenset.intersection(*kept) | named if kept else None,
        allow=frozenset(privacy.allow),
        consent=Consent(privacy.consent),
        filters=dict(_filters({name: None for part in parts for name in part.filters})),
    )


def _filters(names: dict[str, None]) -> dict[str, TextFilter]:
    installed = {point.name: point for point in entry_points(group=FILTERS)} if names else {}
    for name in names:
        if name not in installed:
            raise ConfigError(
                f"privacy.filters names {name!r}: {likely(name, installed)}installed are {sorted(installed) or 'none'}"
            )
    return {name: installed[name].load()() for name in names}


def _all_roles(pack: Pack) -> tuple[Roles | TypeRoles, ...]:
    """Roles of the events, of single types, and of single kinds of entities."""
    roles = pack.events.roles
    return (roles, *roles.by_type.values(), *map(pack.roles_of, pack.entities))


def _ids(pack: Pack) -> frozenset[str]:
    """Properties that are ids or names by the pack: hidden, one would be taken for another."""
    ids = {getattr(one, role, None) for one in _all_roles(pack) for role in ("reference", "item", "category")}
    ids.update(entity.key for entity in pack.entities)
    return COMMAND_IDS | {name for name in ids if name}


def _named_by(pack: Pack) -> frozenset[str]:
    """Properties that the pack itself uses: `keep` need not name them."""
    events = pack.events
    used = {getattr(one, role, None) for one in _all_roles(pack) for role in ("amount", "latency", "outcome")}
    used.update(events.limits, (feature.property for feature in pack.features))
    used.update(condition.property for derived in events.derived for condition in derived.where)
    used.update(condition.property for feature in pack.features for condition in feature.where)
    return _COMMAND_PROPERTIES | _ids(pack) | {name for name in used if name}
