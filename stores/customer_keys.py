"""The customers' data keys: what the record holds of a customer is sealed with theirs.

Envelope encryption: a data key lies in Postgres, wrapped by a key of the key file. Destroying it
erases all that it has sealed, wherever copies of that are. Rows before there were keys stay in
clear.
"""

import re
import secrets
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Generic, Protocol, TypeVar

import asyncpg
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cases.errors import CustomerErased, CustomerKeyMissing, DamagedBody
from stores.postgres import Pool, fetch_row, fetch_rows
from stores.seals import MARK, NO_SEAL, SEALED_TEXT, DataKey, Seal, key_of

#: In place of a body, and of a text, whose key was destroyed.
ERASED = b"\0erased"
ERASED_TEXT = "(erased)"
#: How long a process goes on with a key that another one has destroyed, in seconds.
REMEMBERED_S = 60.0
_REMEMBERED = 10_000
_NONCE_BYTES = 12

S = TypeVar("S")
T = TypeVar("T")
#: A row of a query, or a part of one that travelled as JSON.
Row = asyncpg.Record | Mapping[Any, Any]


class WrappingKeys(Protocol):
    """The keys that wrap data keys, by their ids."""

    def newest(self) -> tuple[str, AESGCM]: ...

    def find(self, key_id: str) -> AESGCM | None: ...


class CustomerKeys:
    """Seals what is stored, and opens what is read. Without wrapping keys nothing is sealed."""

    def __init__(self, pool: Pool, wrapping: WrappingKeys | None = None) -> None:
        self._pool, self._wrapping = pool, wrapping
        self._living = _Remembered[DataKey]()
        self._of_cases = _Remembered[DataKey]()
        #: By their ids; None for one that was destroyed.
        self._by_id = _Remembered[DataKey | None]()

    async def of_case(self, case_id: str) -> Seal:
        """What the case's customer is sealed with; a key is made where there is none."""
        if self._wrapping is None:
            return NO_SEAL
        known = self._of_cases.get(case_id)
        if known is None:
            offered = DataKey.new()
            row = await fetch_row(
                self._pool, "key_of_case", case_id, *self._offer(offered, self._wrapping)
            )
            if row is None:
                return NO_SEAL  # there is no such case, so nothing of it will be stored
            known = self._unwrapped(row)
            self._of_cases.put(case_id, known)
        return known

    def for_new_case(self, customer_id: str) -> tuple[Seal, tuple[str, str, bytes] | None]:
        """The customer's key as far as it is known, else a new one; and how it is offered."""
        if self._wrapping is None:
            return NO_SEAL, None
        key = self._living.get(customer_id) or DataKey.new()
        self._living.put(customer_id, key)
        return key, self._offer(key, self._wrapping)

    def correct(self, customer_id: str, living: Row | None) -> None:
        """The offered key was not the customer's: this is, or none."""
        self._living.forget(customer_id)
        if living is not None:
            self._living.put(customer_id, self._unwrapped(living))

    def opened_with(self, case_id: str, seal: Seal) -> None:
        """The case was opened with this key."""
        if isinstance(seal, DataKey):
            self._of_cases.put(case_id, seal)
            self._by_id.put(seal.key_id, seal)

    async def opened(self, rows: Iterable[Row]) -> list[dict[Any, Any]]:
        """The rows in clear, with ERASED and ERASED_TEXT for what was; raises CustomerKeyMissing.

        What only looks sealed stays as it is.
        """
        found: list[dict[Any, Any]] = [dict(row.items()) for row in rows]
        needed = {key for row in found for value in row.values() for key in _keys_in(value)}
        if not needed:
            return found
        keys = await self._read(needed)
        return [{name: _in_clear(value, keys) for name, value in row.items()} for row in found]

    async def _read(self, key_ids: Collection[str]) -> dict[str, DataKey | None]:
        known = {key: self._by_id.get(key) for key in key_ids if key in self._by_id}
        missing = [key for key in key_ids if key not in known]
        if missing:
            for row in await fetch_rows(self._pool, "read_customer_keys", missing):
                key = None if row["wrapped"] is None else self._unwrapped(row)
                known[row["key_id"]] = key
                self._by_id.put(row["key_id"], key)
        return known

    def _offer(self, key: DataKey, wrapping: WrappingKeys) -> tuple[str, str, bytes]:
        return key.key_id, *wrap(key, wrapping)

    def _unwrapped(self, row: Row) -> DataKey:
        key = unwrap(row, self._wrapping)
        self._by_id.put(key.key_id, key)
        return key


def wrap(key: DataKey, wrapping: WrappingKeys) -> tuple[str, bytes]:
    """The id of the key file's newest key, and the data key as it is stored under it."""
    name, cipher = wrapping.newest()
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return name, nonce + cipher.encrypt(nonce, key.secret, key.key_id.encode())


def unwrap(row: Row, wrapping: WrappingKeys | None) -> DataKey:
    """A living data key; raises CustomerKeyMissing."""
    if wrapping is None:
        raise CustomerKeyMissing("name the file of their keys in CASEKEEPER_CUSTOMER_KEYS")
    name, wrapped = str(row["wrapped_by"]), bytes(row["wrapped"])
    cipher = wrapping.find(name)
    if cipher is None:
        raise CustomerKeyMissing(f"the key {name!r} is not in the file of CASEKEEPER_CUSTOMER_KEYS")
    nonce, sealed = wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:]
    try:
        secret = cipher.decrypt(nonce, sealed, str(row["key_id"]).encode())
    except (InvalidTag, ValueError):
        raise CustomerKeyMissing(f"a data key was not wrapped by the key {name!r}") from None
    return DataKey(str(row["key_id"]), secret)


def readable(body: bytes, case_id: str) -> bytes:
    """The body; raises CustomerErased, DamagedBody."""
    if body == ERASED:
        raise CustomerErased(case_id)
    if body.startswith(MARK):
        raise DamagedBody(f"What case {case_id} holds was sealed, and was changed since.")
    return body


def _keys_in(value: object) -> list[str]:
    """The ids of the keys that a value was sealed with."""
    if isinstance(value, bytes):
        key_id = key_of(value)
        return [key_id] if key_id else []
    if isinstance(value, str) and "sealed:" in value:
        return [found[1] for found in SEALED_TEXT.finditer(value)]
    return []


def _in_clear(value: object, keys: Mapping[str, DataKey | None]) -> object:
    if isinstance(value, bytes) and value.startswith(MARK):
        key_id = key_of(value)
        if key_id is None or key_id not in keys:
            return value
        key = keys[key_id]
        return _or_as_it_is(key.open, value) if key else ERASED
    if isinstance(value, str) and "sealed:" in value:
        return SEALED_TEXT.sub(lambda found: _text(found, keys), value)
    return value


def _text(found: re.Match[str], keys: Mapping[str, DataKey | None]) -> str:
    if found[1] not in keys:
        return found[0]
    key = keys[found[1]]
    return _or_as_it_is(key.open_text, found[0]) if key else ERASED_TEXT


def _or_as_it_is(opener: Callable[[S], S], sealed: S) -> S:
    """What was tampered with must not hide the rest of a trail; `readable` finds it."""
    try:
        return opener(sealed)
    except DamagedBody:
        return sealed


class _Remembered(Generic[T]):
    """What was looked up lately."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[float, T]] = {}

    def __contains__(self, name: str) -> bool:
        until, _ = self._found.get(name, (0.0, None))
        return time.monotonic() < until

    def get(self, name: str) -> T | None:
        return self._found[name][1] if name in self else None

    def put(self, name: str, value: T) -> None:
        if len(self._found) >= _REMEMBERED:
            self._found.clear()
        self._found[name] = (time.monotonic() + REMEMBERED_S, value)

    def forget(self, name: str) -> None:
        self._found.pop(name, None)
