"""`casekeeper policy check`: what people read of a policy file, and every refusal."""

from importlib.resources import files
from pathlib import Path
from typing import Protocol

import pytest

from tests.starters.conftest import CommandLine
from tests.starters.table import CLOSED
from tests.starters.test_every_command import assert_refused, assert_refused_as_json

SHIPPED = files("cases").joinpath("refund_policy.toml").read_text("utf-8")
OTHER = """
version = 2
limit_days = 14
[limits]
USD = "700.00"
SEK = "5000.00"
"""


class PolicyFile(Protocol):
    def __call__(self, text: str | bytes) -> str: ...


@pytest.fixture
def written(tmp_path: Path) -> PolicyFile:
    """The path of a file of that text."""

    def write(text: str | bytes) -> str:
        path = tmp_path / "policy.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    return write


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_the_shipped_policy_is_shown_as_it_is(
    casekeeper: CommandLine, written: PolicyFile
) -> None:
    file = written(SHIPPED)
    done = await casekeeper("policy", "check", file)

    assert (done.code, done.err) == (0, "")
    assert f"{file} is a refund policy, version 1." in done.out
    assert "for 30 days" in done.out
    rows = [line.split() for line in done.out.splitlines()]
    assert ["USD", "500.00", "5000.00"] in rows
    assert ["JPY", "75000", "750000"] in rows
    assert ["BHD", "190.000", "1900.000"] in rows
    assert done.out.endswith("Its numbers are those of the shipped policy, version 1.\n")


async def test_another_policy_shows_what_it_changes_in_80_columns(
    casekeeper: CommandLine, written: PolicyFile
) -> None:
    file = written(OTHER)
    done = await casekeeper("policy", "check", file)

    assert (done.code, done.err) == (0, "")
    rows = [line.split() for line in done.out.splitlines()]
    assert ["USD", "700.00", "never"] in rows
    assert ["version", "1", "2"] in rows
    assert ["limits.USD", "500.00", "USD", "700.00", "USD"] in rows
    assert ["limits.SEK", "none", "5000.00", "SEK"] in rows
    assert ["second_limits.USD", "5000.00", "USD", "none"] in rows
    assert "needs a person: EUR, GBP, CAD, AUD, CHF, JPY, BHD." in done.out
    assert "one person may approve any sum" in done.out
    assert max(len(line) for line in done.out.splitlines()[1:] if "  " in line) <= 80


async def test_a_changed_policy_that_keeps_its_version_is_told_to_take_another(
    casekeeper: CommandLine, written: PolicyFile
) -> None:
    file = written(SHIPPED.replace('USD = "500.00"', 'USD = "501.00"'))
    kept = await casekeeper("policy", "check", file)
    file = written(SHIPPED.replace("version = 1", "version = 2"))
    raised = await casekeeper("policy", "check", file)

    assert kept.code == raised.code == 0
    assert "give it a version above 1" in kept.out
    assert "give it a version" not in raised.out


async def test_a_machine_reads_the_sums_and_the_changes(
    casekeeper: CommandLine, written: PolicyFile
) -> None:
    file = written(OTHER)
    done = await casekeeper("policy", "check", file, "--json")

    found = done.json()
    assert (found["version"], found["limit_days"], found["shipped_version"]) == (2, 14, 1)
    assert found["limits"][0] == {"amount_minor": 70000, "currency": "USD"}
    assert found["second_limits"] == []
    assert found["changes"][1] == {"field": "limit_days", "before": 30, "after": 14}
    assert len(found["notes"]) == 2


async def test_it_needs_no_server_and_leaves_nothing_behind(
    casekeeper: CommandLine, written: PolicyFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASEKEEPER_HOME", str(tmp_path / "home"))
    for variable, address in CLOSED.items():
        monkeypatch.setenv(variable, address)
    file = written(SHIPPED)

    assert (await casekeeper("policy", "check", file)).code == 0
    assert names_in(tmp_path) == ["policy.toml"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("version = 1\n", "", "version: is missing"),
        ("version = 1", "version = true", "version: "),
        ("limit_days = 30", 'limit_days = "30"', "limit_days: "),
        ("limit_days = 30", "limit_day = 30", "limit_days: is missing"),
        ("version = 1", "version = 1\nlimit = 5", "limit: is no field of a policy"),
        ("version = 1", "version = ", "policy: is not TOML: "),
        ("[limits]", "[limits", "policy: is not TOML: "),
        ('"500.00"', "500.00", "limits.USD: 500.0 is not a decimal string"),
        ('"500.00"', '"5,00.00"', "limits.USD: amount: '5,00.00' is not a plain decimal"),
        ('"75000"', '"75000.5"', "limits.JPY: amount: '75000.5' has too many digits for JPY"),
        ('"500.00"', '"-1.00"', "limits.USD: '-1.00' is below zero"),
        ("USD", "USX", "limits.USX: is not a currency code"),
        ("USD", "usd", "limits.usd: is written USD"),
        ('"5000.00"', '"499.99"', "second_limits.USD: must be there and not below"),
    ],
)
async def test_what_is_wrong_is_one_sentence_with_the_name_of_the_field(
    old: str, new: str, words: str, casekeeper: CommandLine, written: PolicyFile
) -> None:
    file = written(SHIPPED.replace(old, new))

    assert_refused(await casekeeper("policy", "check", file), 2, words)
    assert_refused_as_json(await casekeeper("policy", "check", file, "--json"), 2, words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"\xff\xfeversion", "policy.toml is not UTF-8"),
        (b"", "version: is missing"),
        (b"\x00", "policy: is not TOML: "),
    ],
)
async def test_what_is_no_text_is_no_policy(
    text: bytes, words: str, casekeeper: CommandLine, written: PolicyFile
) -> None:
    assert_refused(await casekeeper("policy", "check", written(text)), 2, words)


async def test_a_file_that_cannot_be_read_is_named(casekeeper: CommandLine, tmp_path: Path) -> None:
    missing = str(tmp_path / "policy.toml")

    done = await casekeeper("policy", "check", missing)
    assert_refused(done, 2, f"FILE: {missing} cannot be read: No such file")
    assert_refused(await casekeeper("policy", "check", str(tmp_path)), 2, "FILE: ", "directory")
