"""Schema versions: what is stored says which one it has, and is brought up to date as it is read.

One number counts the changes of the stored form. A section's body carries the version that last
changed its own type, so that a change of one type leaves the others alone: an older worker goes on
with them, and the digests that people approve stay the same.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cases.errors import InvalidInput, SchemaGap, SchemaTooNew

#: The version of the stored form. A change that old readers cannot take raises it, and brings the
#: upgrade that leads to it.
SCHEMA_VERSION = 2

#: What is stored without a version has the first one.
FIRST = 1

#: Makes a body of the version before into one of its own version: pure, and sure of nothing but the
#: fields that it changes.
Upgrade = Callable[[dict[str, Any]], dict[str, Any]]


def newest(upgrades: Mapping[int, Upgrade]) -> int:
    """The version that last changed a type with those upgrades."""
    return max(upgrades, default=FIRST)


def upgraded(name: str, body: Mapping[str, Any], upgrades: Mapping[int, Upgrade]) -> dict[str, Any]:
    """The body in the newest form of its type; one that has it already is the same.

    Raises SchemaTooNew for a form that this code does not know yet.
    """
    stored, known = _version_of(name, body), newest(upgrades)
    if stored > known:
        raise SchemaTooNew(name, stored, known)
    found = dict(body)
    for version in sorted(upgrades):
        if version > stored:
            found = upgrades[version](found)
    return {**found, "schema_version": known}


def check_complete(types: Iterable[Mapping[int, Upgrade]], current: int = SCHEMA_VERSION) -> None:
    """Raise SchemaGap unless the upgrades of all types lead, together, to the version `current`."""
    found = {version for upgrades in types for version in upgrades}
    for version in range(FIRST + 1, current + 1):
        if version not in found:
            raise SchemaGap(
                f"There is no upgrade from schema version {version - 1} to {version}: "
                f"this code stores version {current} and could not read what it stored before."
            )
    strange = found - set(range(FIRST + 1, current + 1))
    if strange:
        raise SchemaGap(
            f"There is an upgrade to schema version {max(strange)}, "
            f"but this code stores version {current}."
        )


def _version_of(name: str, body: Mapping[str, Any]) -> int:
    found = body.get("schema_version", FIRST)
    if not isinstance(found, int) or isinstance(found, bool) or found < FIRST:
        raise InvalidInput(f"{name}.schema_version", f"{found!r:.40} is not a version")
    return found
