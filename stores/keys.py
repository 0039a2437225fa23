"""The key pair that signs heads: Ed25519, as PEM files."""

import base64
import contextlib
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from cases.errors import CaseError


class UnusableKey(CaseError):
    """A key file cannot be used; says which, and why."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"The key {path} {problem}.")


class PublicKey:
    """Checks signatures. Whoever has it can sign nothing."""

    def __init__(self, key: Ed25519PublicKey) -> None:
        self._key = key

    @classmethod
    def read(cls, path: Path) -> "PublicKey":
        """From a PEM file; raises UnusableKey."""
        try:
            key = serialization.load_pem_public_key(path.read_bytes())
        except (OSError, ValueError) as error:
            raise UnusableKey(path, "cannot be read") from error
        if not isinstance(key, Ed25519PublicKey):
            raise UnusableKey(path, "is not an Ed25519 public key")
        return cls(key)

    def has_signed(self, content: bytes, signature: str) -> bool:
        """Does the base64 signature belong to the content?"""
        try:
            self._key.verify(base64.b64decode(signature, validate=True), content)
        except (InvalidSignature, ValueError):
            return False
        return True

    def publish(self, path: Path) -> None:
        """Write the PEM file, unless it is there."""
        pem = serialization.PublicFormat.SubjectPublicKeyInfo
        write_new(path, self._key.public_bytes(serialization.Encoding.PEM, pem), 0o644)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicKey) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key.public_bytes_raw())


class SigningKey:
    """Signs. It is never sent anywhere, and verifying needs only its public half."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @classmethod
    def read_or_make(cls, path: Path) -> "SigningKey":
        """From a PEM file, which is made once, for its owner's eyes only; raises UnusableKey."""
        if not path.exists():
            write_new(
                path,
                Ed25519PrivateKey.generate().private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                ),
                0o600,
            )
        try:
            key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        except (OSError, ValueError, TypeError) as error:
            raise UnusableKey(path, "cannot be read") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise UnusableKey(path, "is not an Ed25519 signing key")
        return cls(key)

    @property
    def public(self) -> PublicKey:
        return PublicKey(self._key.public_key())

    def sign(self, content: bytes) -> str:
        """The signature, in base64."""
        return base64.b64encode(self._key.sign(content)).decode()


def write_new(path: Path, content: bytes, mode: int) -> None:
    """Write a file whole and for good; of several processes one wins, and none changes it."""
    if path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{secrets.token_hex(8)}.new")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(unfinished, path)
    finally:
        unfinished.unlink()
    _sync(path.parent)


def _sync(folder: Path) -> None:
    """Make sure that the folder remembers its new file."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
