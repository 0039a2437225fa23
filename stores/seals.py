"""Sealed bodies and texts: AES-256-SIV (RFC 5297) under a customer's data key.

It is deterministic: the same body gives the same bytes, so that a step that is repeated is seen to
be the same one. All that this tells is which values of one customer are equal.
"""

import base64
import re
import secrets
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from cases.errors import DamagedBody

#: No body in clear begins like this: a text holds no NUL, and nothing packed starts with one.
MARK = b"\0CK1"
#: A text: "sealed:", the key's id, and the sealed bytes.
SEALED_TEXT = re.compile(r"sealed:([0-9a-f]{16}):([A-Za-z0-9_-]{22,})")
_KEY_BITS = 512
_ID_BYTES = 8
#: By so much a sealed body is longer: the mark, the key's id, and the tag of AES-SIV.
SEAL_BYTES = len(MARK) + _ID_BYTES + 16


class Seal(Protocol):
    """What makes a customer's data unreadable to others."""

    def body(self, body: bytes) -> bytes: ...

    def text(self, text: str) -> str: ...


class _NoSeal:
    """Leaves everything in clear."""

    def body(self, body: bytes) -> bytes:
        return body

    def text(self, text: str) -> str:
        return text


NO_SEAL: Seal = _NoSeal()


class DataKey:
    """One customer's key. It is never shown: not in a repr, not in an error."""

    def __init__(self, key_id: str, secret: bytes) -> None:
        self.key_id, self.secret = key_id, secret
        self._cipher = AESSIV(secret)
        self._bound = [key_id.encode()]

    @classmethod
    def new(cls) -> "DataKey":
        return cls(secrets.token_hex(_ID_BYTES), AESSIV.generate_key(_KEY_BITS))

    def body(self, body: bytes) -> bytes:
        """Seal a body."""
        return MARK + bytes.fromhex(self.key_id) + self._cipher.encrypt(body, self._bound)

    def text(self, text: str) -> str:
        """Seal a text for a text column; an empty one stays empty."""
        if not text:
            return text
        sealed = self._cipher.encrypt(text.encode(), self._bound)
        return f"sealed:{self.key_id}:{base64.urlsafe_b64encode(sealed).decode().rstrip('=')}"

    def open(self, sealed: bytes) -> bytes:
        """The body; raises DamagedBody."""
        return self._opened(sealed[len(MARK) + _ID_BYTES :])

    def open_text(self, sealed: str) -> str:
        """The text; raises DamagedBody."""
        encoded = sealed.rpartition(":")[2]
        return self._opened(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))).decode()

    def _opened(self, sealed: bytes) -> bytes:
        try:
            return self._cipher.decrypt(sealed, self._bound)
        except (InvalidTag, ValueError):
            raise DamagedBody(f"What was sealed with the key {self.key_id} was changed.") from None


def key_of(body: bytes) -> str | None:
    """The id of the key that sealed the body; None where it is in clear."""
    place = len(MARK)
    return body[place : place + _ID_BYTES].hex() if body.startswith(MARK) else None
