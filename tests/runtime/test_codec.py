"""The payload codec: what it hides, what it still reads, and what it refuses."""

import json
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.exceptions import ApplicationError

from runtime.codec import EncryptedPayloads, PayloadUnreadable, data_converter
from runtime.keys import KeyFile, ensure_keys, read_keys, rotate

WORDS = "I was charged twice, ada@lovelace.org"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return ensure_keys(tmp_path / "keys.json")


@pytest.fixture
def codec(path: Path) -> EncryptedPayloads:
    return EncryptedPayloads(KeyFile(path))


def plain(data: bytes = WORDS.encode()) -> Payload:
    return Payload(metadata={"encoding": b"json/plain"}, data=data)


async def sealed(codec: EncryptedPayloads, payload: Payload | None = None) -> Payload:
    [found] = await codec.encode([payload or plain()])
    return found


@pytest.mark.parametrize("data", [b"", b"x", WORDS.encode(), bytes(2_000_000)], ids=len)
async def test_a_payload_comes_back_whole_and_is_not_seen_on_the_way(
    codec: EncryptedPayloads, data: bytes
) -> None:
    found = await sealed(codec, plain(data))

    assert dict(found.metadata).keys() == {"encoding", "encryption-key-id"}
    assert found.metadata["encoding"] == b"binary/encrypted"
    assert b"json/plain" not in found.SerializeToString()
    assert len(data) < 8 or data not in found.data
    assert await codec.decode([found]) == [plain(data)]


async def test_equal_payloads_do_not_look_equal(codec: EncryptedPayloads) -> None:
    found = await codec.encode([plain()] * 1000)

    assert len({payload.data[:12] for payload in found}) == 1000
    assert len({payload.data[12:] for payload in found}) == 1000


async def test_after_a_rotation_the_new_key_encodes_and_the_old_ones_decode(
    codec: EncryptedPayloads, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = await sealed(codec)
    newest = rotate(path).newest
    monkeypatch.setattr("runtime.keys.LOOK_AGAIN_S", 0)
    new = await sealed(codec)

    assert new.metadata["encryption-key-id"] == newest.encode()
    assert await codec.decode([old, new]) == [plain(), plain()]


async def test_a_payload_of_a_process_that_knew_the_new_key_earlier_decodes(
    codec: EncryptedPayloads, path: Path
) -> None:
    rotate(path)
    theirs = await sealed(EncryptedPayloads(KeyFile(path)))

    assert await codec.decode([theirs]) == [plain()]


@pytest.mark.parametrize("place", [0, 11, 12, 40, -1])
async def test_a_damaged_payload_does_not_open(codec: EncryptedPayloads, place: int) -> None:
    found = await sealed(codec)
    data = bytearray(found.data)
    data[place] ^= 1
    damaged = Payload(metadata=found.metadata, data=bytes(data))

    with pytest.raises(PayloadUnreadable, match="is damaged"):
        await codec.decode([damaged])


@pytest.mark.parametrize("length", [0, 5, 12, 20])
async def test_a_payload_that_was_cut_off_does_not_open(
    codec: EncryptedPayloads, length: int
) -> None:
    found = await sealed(codec)
    cut = Payload(metadata=found.metadata, data=found.data[:length])

    with pytest.raises(PayloadUnreadable, match="is damaged"):
        await codec.decode([cut])


async def test_a_payload_under_another_keys_id_does_not_open(tmp_path: Path) -> None:
    path = tmp_path / "twins.json"
    path.write_text(json.dumps({"newest": "a", "keys": dict.fromkeys("ab", "A" * 43 + "=")}))
    codec = EncryptedPayloads(KeyFile(path))
    found = await sealed(codec)
    found.metadata["encryption-key-id"] = b"b"

    with pytest.raises(PayloadUnreadable, match="is damaged"):
        await codec.decode([found])


@pytest.mark.parametrize("key_id", [b"", b"gone", b"\xff\n"])
async def test_an_unknown_key_is_named(codec: EncryptedPayloads, key_id: bytes) -> None:
    found = await sealed(codec)
    found.metadata["encryption-key-id"] = key_id

    with pytest.raises(PayloadUnreadable, match="which is not here") as refused:
        await codec.decode([found])
    assert "\n" not in str(refused.value)


async def test_a_key_with_the_same_id_but_other_bytes_does_not_open(
    codec: EncryptedPayloads, path: Path, tmp_path: Path
) -> None:
    found = await sealed(codec)
    name = read_keys(path).newest
    other = tmp_path / "other.json"
    other.write_text(f'{{"newest": "{name}", "keys": {{"{name}": "{"A" * 43}="}}}}')

    with pytest.raises(PayloadUnreadable, match="is damaged"):
        await EncryptedPayloads(KeyFile(other)).decode([found])


async def test_what_was_never_encrypted_still_decodes(codec: EncryptedPayloads) -> None:
    assert await codec.decode([plain()]) == [plain()]


async def test_without_keys_nothing_is_encrypted_and_what_is_encrypted_asks_for_them(
    codec: EncryptedPayloads,
) -> None:
    keyless = EncryptedPayloads(None)
    assert await keyless.encode([plain()]) == [plain()]
    assert await keyless.decode([plain()]) == [plain()]

    with pytest.raises(PayloadUnreadable, match="CASEKEEPER_PAYLOAD_KEYS"):
        await keyless.decode([await sealed(codec)])


async def test_a_failures_words_and_its_traceback_are_hidden_and_come_back(path: Path) -> None:
    def fail() -> None:
        raise ApplicationError(WORDS, {"more": WORDS}, type="Refused") from ValueError(WORDS)

    converter = data_converter(KeyFile(path))
    failure = Failure()
    with pytest.raises(ApplicationError) as raised:
        fail()
    await converter.encode_failure(raised.value, failure)

    stored = failure.SerializeToString()
    assert b"lovelace" not in stored
    assert b"test_codec" not in stored
    assert failure.application_failure_info.type == "Refused"
    found: Any = await converter.decode_failure(failure)
    assert found.message == WORDS
    assert found.details == ({"more": WORDS},)
    assert str(found.cause) == f"ValueError: {WORDS}"


async def test_a_failure_of_older_code_is_read_as_it_is(path: Path) -> None:
    failure = Failure()
    await data_converter(None).encode_failure(ApplicationError(WORDS), failure)
    assert failure.message == WORDS

    found: Any = await data_converter(KeyFile(path)).decode_failure(failure)
    assert found.message == WORDS
