"""The payload codec: what Temporal stores of us is encrypted before it leaves this process.

AES-256-GCM with a fresh nonce for each payload; the id of the key lies beside the payload and is
bound to it. What was never encrypted still decodes: histories of older code, and signals that the
`temporal` program sends. What is marked as encrypted opens with its key or not at all.
"""

import dataclasses
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from google.protobuf.message import DecodeError
from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import (
    DataConverter,
    DefaultFailureConverterWithEncodedAttributes,
    PayloadCodec,
)

from cases.errors import CaseError
from runtime.keys import KeyFile

ENCODING, KEY_ID = "encoding", "encryption-key-id"
ENCRYPTED = b"binary/encrypted"
_NONCE_BYTES = 12


class PayloadUnreadable(CaseError):
    """A payload is encrypted, and cannot be opened here."""


class EncryptedPayloads(PayloadCodec):
    """Encrypts with the newest key; without keys it encrypts nothing, and says so when it must."""

    def __init__(self, keys: KeyFile | None) -> None:
        self._keys = keys

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        if self._keys is None:
            return list(payloads)
        return [_encrypt(payload, self._keys) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [self._decode(payload) for payload in payloads]

    def _decode(self, payload: Payload) -> Payload:
        if payload.metadata.get(ENCODING) != ENCRYPTED:
            return payload
        if self._keys is None:
            raise PayloadUnreadable(
                "Temporal's payloads are encrypted: name the file of their keys in "
                "CASEKEEPER_PAYLOAD_KEYS."
            )
        return _decrypt(payload, self._keys)


def data_converter(keys: KeyFile | None) -> DataConverter:
    """How our typed messages are stored; with keys also the texts of failures are encrypted."""
    converter = dataclasses.replace(pydantic_data_converter, payload_codec=EncryptedPayloads(keys))
    if keys is None:
        return converter
    return dataclasses.replace(
        converter, failure_converter_class=DefaultFailureConverterWithEncodedAttributes
    )


def _encrypt(payload: Payload, keys: KeyFile) -> Payload:
    key_id, key = keys.newest()
    nonce = os.urandom(_NONCE_BYTES)
    sealed = key.encrypt(nonce, payload.SerializeToString(), _bound(key_id.encode()))
    return Payload(metadata={ENCODING: ENCRYPTED, KEY_ID: key_id.encode()}, data=nonce + sealed)


def _decrypt(payload: Payload, keys: KeyFile) -> Payload:
    name = payload.metadata.get(KEY_ID, b"")
    shown = name.decode(errors="backslashreplace")
    key = keys.find(shown)
    if key is None:
        raise PayloadUnreadable(
            f"A payload is encrypted with the key {shown!r}, which is not here."
        )
    nonce, sealed = payload.data[:_NONCE_BYTES], payload.data[_NONCE_BYTES:]
    try:
        return Payload.FromString(key.decrypt(nonce, sealed, _bound(name)))
    except (InvalidTag, ValueError, DecodeError):
        raise PayloadUnreadable(
            f"A payload is damaged, or was not encrypted with the key {shown!r}."
        ) from None


def _bound(key_id: bytes) -> bytes:
    """What a payload is read with: under another key's id or encoding it does not open."""
    return ENCRYPTED + b"\0" + key_id
