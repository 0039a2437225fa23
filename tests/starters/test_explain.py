"""`casekeeper explain`: the story for people, the document for programs, and any moment of it."""

import re
from pathlib import Path

import pytest

from cases.approvals import Verdict
from cases.explained_decisions import ExplainedDecision, ModelUse, Ruling, Saw, Written
from cases.explained_effects import Difference, ExplainedEffect
from cases.explained_people import ExplainedApproval, ExplainedCompensation, ExplainedTask
from cases.explanation import Explanation
from cases.records import Record
from cases.trail import Event, Vote
from stores.postgres import Pool
from tests.conftest import SmallWorld, WorkerFactory
from tests.starters.conftest import CommandLine
from tests.starters.test_every_command import assert_refused, assert_refused_as_json
from tests.starters.test_output import assert_readable
from tests.stores.support import commit, opened, probe
from tests.workflows.support import BOTH, decided, finish, parked
from workers.composition import Stores

#: The keys that docs/auditing.md promises.
KEYS = {
    "case_id", "branch", "customer_id", "opened_by", "opened_at", "as_of", "status",
    "checkpoint_id", "parent_checkpoint_id", "forked_by", "decisions", "effects", "approvals",
    "compensations", "tasks", "events", "gaps",
}  # fmt: skip
DECISION = {
    "checkpoint_id", "version", "at", "who", "step", "status", "reason", "wrote", "saw", "model",
    "ruling",
}  # fmt: skip


@pytest.fixture
async def case(world: SmallWorld, run_worker: WorkerFactory) -> str:
    """1,200.00 that a person has approved."""
    await world.twins(120_000)
    async with run_worker():
        handle = await world.start(BOTH)
        await parked(handle)
        await decided(world, Verdict.APPROVED)
        await finish(handle)
    return f"case_{world.number}"


async def test_people_read_what_was_seen_by_which_rule_and_who_allowed_it(
    casekeeper: CommandLine, case: str
) -> None:
    done = await casekeeper("explain", case)
    assert_readable(done)
    text = re.sub(r"\s+", " ", done.out)
    for words in (
        f"{case} answered Opened for cus_",
        "All times are UTC.",
        "policy 1: needs human: above limit (policy version 1)",
        "because: 1200.00 USD within 30 days is above the limit of 500.00 USD.",
        "rule above limit of policy version 1; limit 500.00 USD in 30 days; needs approval by 1",
        "model offline, prompt ",
        "1200.00 USD approved",
        "lead approved at ",
        "receipt re_",
        "effect answer: succeeded",
        "Nothing is missing.",
    ):
        assert words in text
    assert re.search(r"saw main\.\d+: account \d+, billing \d+, understanding 2; messages 1", text)
    assert done.err == ""


async def test_programs_read_the_promised_keys(casekeeper: CommandLine, case: str) -> None:
    told = (await casekeeper("explain", case, "--json")).json()
    assert told.keys() == KEYS
    assert all(decision.keys() == DECISION for decision in told["decisions"])
    assert (told["status"], told["as_of"], told["gaps"]) == ("answered", None, [])
    [refund] = [effect for effect in told["effects"] if effect["kind"] == "refund"]
    [request] = told["approvals"]
    assert refund["approval_id"] == request["approval_id"]
    assert refund["approval_digest"] == request["digest"]
    assert request["consumed_by"] == [refund["key"]]
    assert "T" in refund["claimed_at"]
    assert "gaps" not in refund


async def test_as_of_a_time_or_a_checkpoint_only_what_was_on_record_then_is_told(
    casekeeper: CommandLine, case: str
) -> None:
    whole = (await casekeeper("explain", case, "--json")).json()
    [policy] = [one for one in whole["decisions"] if one["ruling"]]
    version = policy["version"]
    at_checkpoint = await casekeeper("explain", case, "--at", f"main.{version}", "--json")
    then = at_checkpoint.json()
    assert (then["checkpoint_id"], then["status"]) == (f"main.{version}", "awaiting_approval")
    assert [one["checkpoint_id"] for one in then["decisions"]] == [
        one["checkpoint_id"] for one in whole["decisions"] if one["version"] <= version
    ]
    assert (then["effects"], then["approvals"]) == ([], [])

    same = (await casekeeper("explain", case, "--at", then["as_of"], "--json")).json()
    in_utc = then["as_of"].removesuffix("Z").replace("+00:00", "")
    without_zone = (await casekeeper("explain", case, "--at", in_utc, "--json")).json()
    assert same == without_zone == then
    shown = await casekeeper("explain", case, "--at", in_utc)
    assert f"As of {in_utc[:19].replace('T', ' ')} UTC: main.{version}." in shown.out


async def test_what_is_no_time_and_what_was_not_there_is_refused(
    casekeeper: CommandLine, stores: Stores, case_id: str
) -> None:
    await opened(stores, case_id)
    neither = "'tomorrow' is neither a time such as 2026-03-01T09:30Z nor a checkpoint such as"
    assert_refused_as_json(
        await casekeeper("explain", case_id, "--at", "tomorrow", "--json"), 2, f"--at: {neither}"
    )
    early = await casekeeper("explain", case_id, "--at", "0001-01-01T00:00:00+14:00")
    assert_refused(early, 2, "--at")
    before = await casekeeper("explain", case_id, "--at", "2020-01-01")
    assert_refused(before, 3, f"Case {case_id} was not on record yet at 2020-01-01T00:00:00+00:00.")
    later = await casekeeper("explain", case_id, "--at", "main.2")
    assert_refused(later, 3, f"Case {case_id} has no checkpoint main.2.")
    branch = await casekeeper("explain", case_id, "--branch", "b9")
    assert_refused(branch, 3, f"There is no case {case_id} on branch b9.")


async def test_nothing_that_was_written_is_markup_or_hidden(
    casekeeper: CommandLine, stores: Stores, case_id: str
) -> None:
    state = await opened(stores, case_id)
    reason = "[/b] [link=http://x]free\u202e\u200b"
    update = probe({"x": 1}, name="probe:1").model_copy(update={"reason": reason})
    await commit(stores.cases, state, update)
    await stores.audit.note(case_id, "main", "[red]ann", "looked", "[bold]at it\x1b[31m")
    done = await casekeeper("explain", case_id)
    assert_readable(done)
    text = re.sub(r"\s+", " ", done.out)
    assert "because: [/b] [link=http://x]free\\u202e\\u200b" in text
    assert "[red]ann: looked" in text
    assert "[bold]at it\\u001b[31m" in text


async def test_what_does_not_fit_is_said(casekeeper: CommandLine, case: str, owner: Pool) -> None:
    await owner.execute(
        "UPDATE effects SET receipt = 're_forged' WHERE case_id = $1 AND kind = 'refund'", case
    )
    await owner.execute("UPDATE approvals SET digest = 'd' WHERE case_id = $1", case)
    done = await casekeeper("explain", case)
    assert done.code == 0
    assert "and the ledger 'succeeded re_forged'" in done.err
    assert "the request is not the one that was shown" in done.err
    assert "Something is missing or does not fit:" in done.out
    told = (await casekeeper("explain", case, "--json")).json()
    assert len(told["gaps"]) == 2


@pytest.mark.parametrize(
    "kind",
    [Explanation, ExplainedDecision, Written, Saw, ModelUse, Ruling, ExplainedEffect, Difference,
     ExplainedApproval, Vote, ExplainedCompensation, ExplainedTask, Event],
)  # fmt: skip
def test_every_key_stands_in_the_page_for_auditors(kind: type[Record]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "auditing.md").read_text("utf-8")
    for name, field in kind.model_fields.items():
        if not field.exclude:
            assert re.search(rf"`{name}(\[\])?`|\.{name}(\[\])?`", page), name
