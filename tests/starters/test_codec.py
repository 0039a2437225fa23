"""`casekeeper keys` and `casekeeper codec serve`: which file they use, and what they never show."""

import base64
import json
from pathlib import Path

import pytest

from runtime.keys import ensure_keys, read_keys
from tests.starters.conftest import CommandLine
from tests.starters.test_every_command import assert_refused, is_empty


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of keys that the environment names."""
    path = ensure_keys(tmp_path / "keys.json")
    monkeypatch.setenv("CASEKEEPER_PAYLOAD_KEYS", str(path))
    return path


async def test_keys_are_listed_by_id_and_date_and_never_shown(
    casekeeper: CommandLine, keys: Path
) -> None:
    await casekeeper("keys", "rotate")
    ring = read_keys(keys)
    old, new = ring.keys

    listed = (await casekeeper("keys", "list", "--json")).json()["keys"]
    assert [(key["id"], key["encrypts"]) for key in listed] == [(old, False), (new, True)]
    assert all(key["made_at"] for key in listed)
    shown = await casekeeper("keys", "list")
    assert "decodes only" in shown.out
    for done in (shown, await casekeeper("keys", "rotate"), await casekeeper("keys", "list")):
        for key in read_keys(keys).keys.values():
            assert base64.b64encode(key).decode() not in done.out + done.err


async def test_a_prepared_key_is_used_by_the_next_rotate(
    casekeeper: CommandLine, keys: Path
) -> None:
    first = read_keys(keys).newest
    prepared = (await casekeeper("keys", "rotate", "--prepare", "--json")).json()["keys"]
    assert [key["encrypts"] for key in prepared] == [True, False]
    assert read_keys(keys).newest == first

    used = (await casekeeper("keys", "rotate", "--json")).json()["keys"]
    assert [key["id"] for key in used] == [key["id"] for key in prepared]
    assert [key["encrypts"] for key in used] == [False, True]


async def test_the_first_rotate_makes_the_file_and_list_does_not(
    casekeeper: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASEKEEPER_HOME", str(tmp_path))
    path = tmp_path / "payload-keys.json"
    assert_refused(await casekeeper("keys", "list"), 3, "There is no file of keys")
    assert not path.exists()

    done = await casekeeper("keys", "rotate", "--json")
    assert done.json()["file"] == str(path)
    assert len(read_keys(path).keys) == 1


@pytest.mark.parametrize("command", [("keys", "rotate"), ("keys", "list"), ("codec", "serve")])
async def test_with_a_temporal_of_ones_own_the_file_must_be_named(
    command: tuple[str, ...],
    casekeeper: CommandLine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CASEKEEPER_HOME", str(tmp_path))
    monkeypatch.setenv("TEMPORAL_ADDRESS", "temporal.example.com:7233")
    assert_refused(await casekeeper(*command), 2, "CASEKEEPER_PAYLOAD_KEYS", "say where")
    assert is_empty(tmp_path)


@pytest.fixture
def bad_keys(keys: Path) -> None:
    keys.write_text(json.dumps({"newest": "a", "keys": {"a": "U0VDUkVU"}}))


@pytest.mark.usefixtures("bad_keys")
async def test_a_file_that_cannot_be_used_stops_every_command_that_talks_to_temporal(
    casekeeper: CommandLine,
) -> None:
    for command in (("keys", "list"), ("codec", "serve"), ("show", "case_1"), ("worker",)):
        done = await casekeeper(*command)
        assert_refused(done, 2, "CASEKEEPER_PAYLOAD_KEYS", "not 32 bytes long")
        assert "U0VDUkVU" not in done.err


@pytest.mark.parametrize("given", ["8088", ":8088", "127.0.0.1:", "127.0.0.1:99999", "[::1]:x"])
@pytest.mark.usefixtures("keys")
async def test_an_address_that_cannot_be_used_is_named(casekeeper: CommandLine, given: str) -> None:
    assert_refused(await casekeeper("codec", "serve", "--address", given), 2, "--address: ")


@pytest.mark.parametrize("given", ["temporal.example.com", "ftp://x", "http://"])
@pytest.mark.usefixtures("keys")
async def test_an_origin_that_cannot_be_used_is_named(casekeeper: CommandLine, given: str) -> None:
    assert_refused(await casekeeper("codec", "serve", "--origin", given), 2, "--origin: ")
