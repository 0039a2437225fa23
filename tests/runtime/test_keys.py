"""The file of the payload keys: private, whole, and read again when it has changed."""

import json
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cases.errors import InvalidInput
from runtime.keys import KeyFile, NoKeyFile, ensure_keys, made_at, read_keys, rotate


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return ensure_keys(tmp_path / "home" / "payload-keys.json")


def test_the_file_is_made_once_and_for_its_owner_only(path: Path) -> None:
    before = path.read_bytes()

    assert ensure_keys(path).read_bytes() == before
    assert path.stat().st_mode & 0o777 == 0o600
    assert {len(key) for key in read_keys(path).keys.values()} == {32}


def test_a_rotation_adds_a_key_that_encrypts_and_keeps_the_old_ones(path: Path) -> None:
    first = read_keys(path)
    second = rotate(path)

    assert list(second.keys) == [first.newest, second.newest]
    assert read_keys(path) == second
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_prepared_key_encrypts_from_the_next_rotation_on(path: Path) -> None:
    first = read_keys(path)
    prepared = rotate(path, prepare=True)
    assert prepared.newest == first.newest
    assert len(prepared.keys) == 2

    used = rotate(path)
    assert used.newest == list(prepared.keys)[-1]
    assert used.keys == prepared.keys


def test_a_rotation_where_there_is_no_file_makes_one(tmp_path: Path) -> None:
    assert len(rotate(tmp_path / "keys.json").keys) == 1


def test_rotations_at_the_same_time_lose_no_key(path: Path) -> None:
    threads = [threading.Thread(target=rotate, args=(path,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(read_keys(path).keys) == 9


def test_a_keys_id_tells_when_it_was_made(path: Path) -> None:
    made = made_at(read_keys(path).newest)

    assert made is not None
    assert abs(datetime.now(UTC) - made) < timedelta(minutes=1)
    assert made_at("the-one-of-the-vault") is None


def test_a_reader_takes_up_a_new_key_within_a_second(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("runtime.keys.time.monotonic", lambda: now)
    file = KeyFile(path)
    old, _ = file.newest()
    new = rotate(path).newest

    now += 0.9
    assert file.newest()[0] == old
    now += 0.1
    assert file.newest()[0] == new


def test_a_key_that_has_just_come_decodes_at_once(path: Path) -> None:
    file = KeyFile(path)
    file.newest()

    assert file.find(rotate(path).newest) is not None


def test_a_file_that_was_damaged_or_lost_leaves_the_keys_at_hand(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = KeyFile(path)
    known, _ = file.newest()
    for damage in (lambda: path.write_text("{"), path.unlink):
        damage()
        assert file.find("another") is None
        assert file.newest()[0] == known

    assert "cannot be read again" in caplog.text


KEY = "A" * 43 + "="


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is not like"),
        ("[]", "is not like"),
        ('{"newest": "a", "keys": {"a": "SECRET!"}}', "is not like"),
        ('{"newest": "a", "keys": {"a": 5}}', "is not like"),
        ('{"newest": "a", "keys": {"a": "U0VDUkVU"}}', "not 32 bytes long"),
        (json.dumps({"newest": "b", "keys": {"a": KEY}}), "does not hold the key"),
        (json.dumps({"newest": "a", "keys": {}}), "does not hold the key"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_without_repeating_it(
    path: Path, text: str, words: str
) -> None:
    path.write_text(text)
    with pytest.raises(InvalidInput, match=words) as refused:
        KeyFile(path)

    assert "CASEKEEPER_PAYLOAD_KEYS" in str(refused.value)
    assert "SECRET" not in str(refused.value)
    assert "U0VDUkVU" not in str(refused.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoKeyFile, match=r"keys\.json"):
        KeyFile(tmp_path / "keys.json")


def test_no_repr_shows_a_key(path: Path) -> None:
    ring = read_keys(path)

    assert repr(ring) == f"KeyRing(newest={ring.newest!r})"
