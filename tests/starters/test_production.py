"""The profile `production` at the command line: what changes something is refused, doctor tells."""

import pytest

from tests.starters.conftest import CommandLine
from tests.starters.table import COMMANDS

REFUSED = (
    "start", "say", "cancel", "reopen", "approve", "deny", "resolve", "unlock", "approvers add",
    "approvers revoke", "fork", "promote", "worker", "reconcile", "migrate",
)  # fmt: skip
REASONS = ("CASEKEEPER_PAYMENTS", "CASEKEEPER_PAYLOAD_KEYS", "TEMPORAL_TLS", "REDIS_URL")


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CASEKEEPER_PROFILE", "production")


@pytest.mark.usefixtures("production")
@pytest.mark.parametrize("name", REFUSED)
async def test_a_command_that_changes_something_is_refused_with_every_reason(
    name: str, casekeeper: CommandLine
) -> None:
    (command,) = (command for command in COMMANDS if command.name == name)
    done = await casekeeper(*command.line)

    assert done.code == 2, done
    assert done.out == ""
    assert all(reason in done.err for reason in REASONS), done.err


@pytest.mark.usefixtures("production")
async def test_doctor_fails_in_production_and_tells_programs_why(casekeeper: CommandLine) -> None:
    done = await casekeeper("doctor", "--json")
    found = done.json()

    assert done.code == found["exit_code"] == 2
    assert found["ok"] is False
    assert found["problems"] == {}
    assert all(reason in found["error"] for reason in REASONS)


async def test_doctor_only_warns_in_development(casekeeper: CommandLine) -> None:
    done = await casekeeper("doctor")

    assert done.code == 0
    assert "Production would not start like this:" in done.out
    assert all(reason in done.out for reason in REASONS)


async def test_a_misspelt_profile_is_not_taken_for_development(
    casekeeper: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASEKEEPER_PROFILE", "Production")
    done = await casekeeper("worker")

    assert done.code == 2
    assert "CASEKEEPER_PROFILE" in done.err
