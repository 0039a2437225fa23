"""`casekeeper promote`: the plan for people and machines, who decides, and what is refused."""

from collections.abc import AsyncGenerator

import pytest
from temporalio.worker import Worker

from tests.branches.lines import branch_off, lived
from tests.conftest import SmallWorld, WorkerFactory
from tests.starters.conftest import CommandLine
from tests.starters.test_every_command import assert_refused
from tests.workflows.promotions import forked, has_done
from tests.workflows.support import BILLING, eventually, parked


@pytest.fixture
async def worker(run_worker: WorkerFactory) -> AsyncGenerator[Worker]:
    async with run_worker() as running:
        yield running


@pytest.fixture
async def branch(worker: Worker, world: SmallWorld) -> str:
    """Wants 40.00 where 49.99 was paid."""
    assert worker
    await lived("case_8842", world)
    return await forked(world, "policy", "policy.amount=40.00")


async def test_40_00_where_49_99_was_paid_shows_the_difference_and_needs_a_person(
    casekeeper: CommandLine, case_id: str, branch: str
) -> None:
    done = await casekeeper("promote", f"{case_id}@{branch}")
    assert done.code == 0, done
    words = " ".join(done.out.split())
    assert "49.99 USD 40.00 USD -9.99 USD was paid too" in words
    assert "To recover, by people: 9.99 USD" in words
    assert f"A person must decide: `casekeeper approve {case_id}` or" in words
    assert "To pay:" not in words

    found = (await casekeeper("promote", case_id, "--branch", branch, "--json")).json()
    assert (found["case_id"], found["branch"]) == (case_id, branch)
    refund = next(line for line in found["plan"] if line["kind"] == "refund")
    assert refund["action"] == "correct"
    assert refund["charge_id"]
    assert [refund[name]["amount_minor"] for name in ("done", "wanted", "difference")] == [
        4999,
        4000,
        -999,
    ]
    assert found["to_pay"] == {"amount_minor": 0, "currency": "USD"}
    assert found["to_recover"] == {"amount_minor": 999, "currency": "USD"}
    assert (found["approval_id"][:4], found["state"]) == ("apr_", "awaiting_approval")


async def test_the_inbox_lists_it_and_its_approval_carries_it_out(
    casekeeper: CommandLine, world: SmallWorld, case_id: str, branch: str
) -> None:
    asked = (await casekeeper("promote", f"{case_id}@{branch}", "--by", "kim", "--json")).json()
    inbox = await casekeeper("approvals", "--json")
    [listed] = [one for one in inbox.json()["approvals"] if one["case_id"] == case_id]
    assert (listed["promotes"], listed["requested_by"], listed["rule"]) == (
        branch,
        "kim",
        "promotion",
    )
    assert "branch" in (await casekeeper("approvals")).out
    approved = await casekeeper("approve", case_id, "--request", asked["approval_id"])
    assert " ".join(approved.out.split()) == (
        f"Promotion of {branch} (9.99 USD to pay or recover) in {case_id}: approved by lead."
    )
    again = await casekeeper("deny", case_id)
    assert_refused(again, 4, "was already approved by lead")

    await eventually(lambda: has_done(world, f"promotion:{branch}"))
    found = (await casekeeper("show", case_id, "--json")).json()
    assert (found["status"], found["completed_steps"][-1]) == (
        "manual_review",
        f"promotion:{branch}",
    )
    tasks = (await casekeeper("approvals", "--json")).json()["tasks"]
    assert [t["kind"] for t in tasks if t["case_id"] == case_id] == ["money_to_recover"]


async def test_who_asks_for_it_cannot_approve_it(
    casekeeper: CommandLine, case_id: str, branch: str
) -> None:
    assert (await casekeeper("promote", f"{case_id}@{branch}", "--by", "lead")).code == 0
    refused = await casekeeper("approve", case_id)
    assert_refused(refused, 1, "lead asked for this promotion: another person must decide")


async def test_where_a_case_and_its_promotion_both_wait_they_say_which(
    casekeeper: CommandLine, world: SmallWorld, case_id: str, worker: Worker
) -> None:
    assert worker
    await world.twins(60_000)
    handle = await world.start(BILLING, case_id)
    own = await parked(handle)
    name = await forked(world, "policy")
    asked = (await casekeeper("promote", f"{case_id}@{name}", "--json")).json()["approval_id"]

    vague = await casekeeper("approve", case_id)
    assert vague.code == 2, vague
    words = " ".join(vague.err.split())
    assert f"{asked} (promotion of {name}, 600.00 USD)" in words
    assert f"{own} (refund of 600.00 USD)" in words
    denied = await casekeeper("deny", case_id, "--request", asked)
    assert denied.code == 0, denied
    assert (await casekeeper("approve", case_id)).code == 0
    assert (await handle.result()).status == "answered"


async def test_nothing_to_pay_is_followed_to_its_end_and_a_second_time_is_refused(
    casekeeper: CommandLine, world: SmallWorld, case_id: str, worker: Worker
) -> None:
    assert worker
    await lived("case_8842", world)
    same = await forked(world, "policy")
    done = await casekeeper("promote", f"{case_id}@{same}", "--wait")
    assert done.code == 0, done
    words = " ".join(done.out.split())
    assert words.endswith(f"Branch {same} is the main line of {case_id} now: answered.")
    assert words.count(" stays") == 3

    again = await casekeeper("promote", f"{case_id}@{same}")
    assert_refused(again, 4, f"Branch {same} of case {case_id} was promoted before.")


async def test_a_branch_that_cannot_be_promoted_is_a_conflict_with_its_reason(
    casekeeper: CommandLine, world: SmallWorld, case_id: str, worker: Worker
) -> None:
    assert worker
    await lived("case_8842", world)
    first, second = await forked(world, "policy"), await forked(world, "policy")
    assert (await casekeeper("promote", f"{case_id}@{first}", "--wait")).code == 0

    stale = await casekeeper("promote", f"{case_id}@{second}")
    assert_refused(stale, 4, "is stale", "Fork again.")
    main = await casekeeper("promote", f"{case_id}@main")
    assert_refused(main, 4, "main is the main line")
    unknown = await casekeeper("promote", f"{case_id}@nothing")
    assert_refused(unknown, 3, f"There is no case {case_id} on branch nothing.")


async def test_a_branch_that_has_not_ended_is_refused(
    casekeeper: CommandLine, world: SmallWorld, case_id: str, run_worker: WorkerFactory
) -> None:
    async with run_worker():
        await lived("case_8842", world)
    name, _ = await branch_off(world, 2, [])

    assert_refused(await casekeeper("promote", f"{case_id}@{name}"), 4, "has not ended yet")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (("case_1",), "BRANCH: is missing"),
        (("case_1@b1", "--branch", "b2"), "--branch: the argument names b1"),
        (("case_1@b 1",), "BRANCH: 'b 1' is not an id"),
        (("case_1", "--branch", "a/b"), "--branch: 'a/b' is not an id"),
        (("case_1@b1", "--by", "a b"), "--by: 'a b' is not an id"),
        (("case_1@b1@b2",), "BRANCH: 'b1@b2' is not an id"),
    ],
)
async def test_what_names_no_branch_is_bad_usage(
    casekeeper: CommandLine, line: tuple[str, ...], words: str
) -> None:
    assert_refused(await casekeeper("promote", *line), 2, words)
