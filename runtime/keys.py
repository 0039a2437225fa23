"""Keys that encrypt: a ring in one private file, of which the newest one encrypts.

Whoever reads the file looks again when it has changed, so that a rotation needs no restart. A key
that is no longer in it opens nothing any more: what it has encrypted is lost for good.
"""

import base64
import binascii
import fcntl
import logging
import os
import secrets
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import BaseModel, ConfigDict, ValidationError

from cases.errors import InvalidInput, NotFound
from runtime.embedded.home import write_private_json

_log = logging.getLogger(__name__)

#: The file's name in the home of an embedded stack.
KEY_FILE = "payload-keys.json"
CUSTOMER_KEY_FILE = "customer-keys.json"
#: The settings that name such a file.
PAYLOAD_KEYS = "CASEKEEPER_PAYLOAD_KEYS"
CUSTOMER_KEYS = "CASEKEEPER_CUSTOMER_KEYS"
KEY_BYTES = 32
#: How long a file is not looked at again, in seconds.
LOOK_AGAIN_S = 1.0


@dataclass(frozen=True)
class KeyRing:
    """Keys by their ids. A key is never shown: not in a repr, not in an error."""

    newest: str
    keys: Mapping[str, bytes] = field(repr=False)


class NoKeyFile(NotFound):
    def __init__(self, path: Path) -> None:
        super().__init__(f"There is no file of keys at {path}.")


class _Stored(BaseModel):
    model_config = ConfigDict(extra="forbid")

    newest: str
    keys: dict[str, str]


class KeyFile:
    """The ring as the file has it, looked at again at most once a second."""

    def __init__(self, path: Path, setting: str = PAYLOAD_KEYS) -> None:
        """Read the file, which that setting names; raises NoKeyFile or InvalidInput."""
        self.path, self._setting = path, setting
        self._seen: object = None
        self._looked = 0.0
        self._ring = KeyRing("", {})
        self._ciphers: dict[str, AESGCM] = {}
        self._read()

    def newest(self) -> tuple[str, AESGCM]:
        """The key that encrypts, and its id."""
        if time.monotonic() - self._looked >= LOOK_AGAIN_S:
            self._look()
        return self._ring.newest, self._ciphers[self._ring.newest]

    def find(self, key_id: str) -> AESGCM | None:
        """The key of that id; one that is not known yet may have just come."""
        if key_id not in self._ciphers:
            self._look()
        return self._ciphers.get(key_id)

    def _look(self) -> None:
        """Go on with the keys at hand where the file cannot be read now."""
        try:
            self._read()
        except (OSError, NotFound, InvalidInput) as error:
            _log.warning("the keys cannot be read again", extra={"problem": str(error)})

    def _read(self) -> None:
        self._looked = time.monotonic()
        try:
            state = self.path.stat()
        except FileNotFoundError:
            raise NoKeyFile(self.path) from None
        seen = (state.st_mtime_ns, state.st_ino, state.st_size)
        if seen == self._seen:
            return
        self._ring = read_keys(self.path, self._setting)
        self._ciphers = {name: AESGCM(key) for name, key in self._ring.keys.items()}
        self._seen = seen


def read_keys(path: Path, setting: str = PAYLOAD_KEYS) -> KeyRing:
    """What is in the file; raises NoKeyFile, or InvalidInput that repeats nothing of it."""
    try:
        stored = _Stored.model_validate_json(path.read_bytes())
        keys = {name: base64.b64decode(key, validate=True) for name, key in stored.keys.items()}
    except FileNotFoundError:
        raise NoKeyFile(path) from None
    except (ValidationError, binascii.Error):
        problem = 'is not like {"newest": ID, "keys": {ID: BASE64}}'
        raise InvalidInput(setting, f"{path} {problem}") from None
    if any(len(key) != KEY_BYTES for key in keys.values()):
        raise InvalidInput(setting, f"{path} holds a key that is not {KEY_BYTES} bytes long")
    if stored.newest not in keys:
        raise InvalidInput(setting, f"{path} does not hold the key that it calls the newest")
    return KeyRing(stored.newest, keys)


def ensure_keys(path: Path) -> Path:
    """Write a file with one key where there is none; its path."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(path):
        if not path.exists():
            _write(path, _with_another(KeyRing("", {})))
    return path


def rotate(path: Path, setting: str = PAYLOAD_KEYS, *, prepare: bool = False) -> KeyRing:
    """Add a key, which encrypts from now on; a prepared one does so from the next call on.

    Where there is no file, one is made. Raises InvalidInput.
    """
    if not path.exists():
        return read_keys(ensure_keys(path), setting)
    with _alone(path):
        ring = read_keys(path, setting)
        latest = list(ring.keys)[-1]
        if prepare:
            ring = KeyRing(ring.newest, _with_another(ring).keys)
        else:
            ring = _with_another(ring) if latest == ring.newest else KeyRing(latest, ring.keys)
        _write(path, ring)
    return ring


def forget_old(path: Path, kept: str) -> KeyRing:
    """Take the keys before this one out of the file, for good; raises NoKeyFile, InvalidInput.

    What came after it stays, prepared or in use.
    """
    with _alone(path):
        ring = read_keys(path, CUSTOMER_KEYS)
        names = list(ring.keys)
        ring = KeyRing(ring.newest, {name: ring.keys[name] for name in names[names.index(kept) :]})
        _write(path, ring)
    return ring


def made_at(key_id: str) -> datetime | None:
    """When a key was made, as its id tells; None where someone else has named it."""
    try:
        return datetime.strptime(key_id.partition("-")[0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def _with_another(ring: KeyRing) -> KeyRing:
    key_id = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    return KeyRing(key_id, {**ring.keys, key_id: secrets.token_bytes(KEY_BYTES)})


@contextmanager
def _alone(path: Path) -> Generator[None]:
    """One writer at a time: a key that two of them lose has perhaps been used."""
    descriptor = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write(path: Path, ring: KeyRing) -> None:
    """Whole or not at all; on the disk before the key is used."""
    keys = {name: base64.b64encode(key).decode() for name, key in ring.keys.items()}
    content: dict[str, Any] = {"newest": ring.newest, "keys": keys}
    write_private_json(path, content)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
