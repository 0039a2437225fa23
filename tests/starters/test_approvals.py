"""The inbox, and decisions by command: four eyes, early ones, and what proves who decides."""

from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from cases.tasks import TaskKind
from starters.session import CaseHandle, Session
from tests.conftest import SmallWorld, WorkerFactory
from tests.starters.conftest import CommandLine, Done
from tests.starters.test_approve import refusals
from tests.starters.test_every_command import assert_refused, rows
from tests.workflows.support import eventually, parked

#: Above the policy's second limit.
TWO_PEOPLE = 600_000

Decide = Callable[..., Coroutine[Any, Any, Done]]
Waiting = Callable[..., AbstractAsyncContextManager[CaseHandle]]


@pytest.fixture
def waiting(world: SmallWorld, run_worker: WorkerFactory, case_id: str) -> Waiting:
    """`async with waiting() as handle`: a case that waits for people; a worker runs."""

    @asynccontextmanager
    async def wait(minor: int = TWO_PEOPLE) -> AsyncGenerator[CaseHandle]:
        await world.twins(minor)
        async with run_worker():
            handle = await world.start("You billed me twice.", case_id)
            await parked(handle)
            yield handle

    return wait


@pytest.fixture
def decide(
    casekeeper: CommandLine, session: Session, number: str, monkeypatch: pytest.MonkeyPatch
) -> Decide:
    """`await decide("ana", "approve", case_id)`: as that person, added when first named."""
    tokens: dict[str, str] = {}

    async def call(name: str, *line: str) -> Done:
        if name not in tokens:
            limits = {"USD": 10**6}
            tokens[name] = await session.stores.approvers.add(f"{name}-{number}", limits) or ""
        monkeypatch.setenv("CASEKEEPER_APPROVER_TOKEN", tokens[name])
        done = await casekeeper(*line)
        monkeypatch.delenv("CASEKEEPER_APPROVER_TOKEN")
        return done

    return call


async def has_done(world: SmallWorld, name: str) -> bool:
    return name in (await world.state()).completed_steps


def of_case(inbox: Done, case_id: str) -> dict[str, Any]:
    [found] = [one for one in inbox.json()["approvals"] if one["case_id"] == case_id]
    return dict(found)


async def test_above_the_second_limit_two_people_approve_and_the_inbox_shows_the_first(
    casekeeper: CommandLine,
    world: SmallWorld,
    waiting: Waiting,
    case_id: str,
    decide: Decide,
) -> None:
    ana, bo = f"ana-{world.number}", f"bo-{world.number}"
    async with waiting() as handle:
        done = await decide("ana", "approve", case_id, "--note", "fits the records")
        assert (
            done.out.split()
            == (
                f"Refund of 6000.00 USD in {case_id}: approved by {ana}, 1 of 2. "
                "Another person must, too."
            ).split()
        )
        again = await decide("ana", "approve", case_id)
        assert_refused(again, 1, f"{ana} has approved it already: another person must.")
        shown = of_case(await casekeeper("approvals", "--json"), case_id)
        assert (shown["approved_by"], shown["needed"]) == ([ana], 2)
        listed = (await casekeeper("approvals")).out
        assert {"1", "of", "2:"} <= set(listed.split())
        assert await handle.query("pending_approvals")

        done = await decide("bo", "approve", case_id)
        assert f"approved by {ana} and {bo}." in " ".join(done.out.split())
        assert (await handle.result()).status == "answered"
    assert [refund["amount_minor"] for refund in await world.refunds()] == [TWO_PEOPLE]


async def test_what_the_customer_adds_between_two_approvals_does_no_harm(
    casekeeper: CommandLine,
    world: SmallWorld,
    waiting: Waiting,
    case_id: str,
    decide: Decide,
) -> None:
    async with waiting() as handle:
        await decide("ana", "approve", case_id)
        assert (await casekeeper("say", case_id, "Any news of my double charge?")).code == 0
        await eventually(lambda: has_done(world, "policy:2"))
        shown = of_case(await casekeeper("approvals", "--json"), case_id)
        missing = shown["needed"] - len(shown["approved_by"])
        for name in ("bo", "cy")[:missing]:
            assert (await decide(name, "approve", case_id)).code == 0
        assert (await handle.result()).status == "answered"
    assert len(await world.refunds()) == 1


async def test_one_denial_ends_it(
    world: SmallWorld, waiting: Waiting, case_id: str, decide: Decide
) -> None:
    async with waiting() as handle:
        await decide("ana", "approve", case_id)
        done = await decide("bo", "deny", case_id)
        assert f"denied by bo-{world.number}." in " ".join(done.out.split())
        assert (await handle.result()).status == "rejected"
    assert await world.refunds() == []


async def test_who_opened_a_case_does_not_decide_it(
    casekeeper: CommandLine, world: SmallWorld, run_worker: WorkerFactory, decide: Decide
) -> None:
    session, case_id = world.session, f"case_{world.number}"
    await world.twins(120_000)
    maker, words = f"ana-{world.number}", ("You billed me twice.", "--case-id", case_id)
    opened = await casekeeper("start", "--customer", world.customer_id, *words, "--by", maker)
    assert opened.code == 0
    async with run_worker():
        handle = session.handle(case_id)
        await parked(handle)
        own = f"{maker} opened case {case_id}: another person must decide."
        for command in ("approve", "deny"):
            assert_refused(await decide("ana", command, case_id), 1, own)
        assert await refusals(session, case_id) == [(maker, own)] * 2
        assert (await decide("bo", "approve", case_id)).code == 0
        assert (await handle.result()).status == "answered"


async def test_a_decision_needs_no_worker(
    world: SmallWorld, run_worker: WorkerFactory, waiting: Waiting, decide: Decide
) -> None:
    async with waiting(120_000) as handle:
        pass
    assert (await decide("ana", "approve", handle.id)).code == 0
    async with run_worker():
        assert (await handle.result()).status == "answered"
    assert len(await world.refunds()) == 1


async def test_a_decision_stands_though_its_signal_reached_nobody(
    waiting: Waiting, decide: Decide, session: Session, number: str
) -> None:
    async with waiting(120_000) as handle:
        pass
    await handle.terminate()
    gone = await decide("ana", "approve", handle.id)

    assert_refused(gone, 3, "Temporal has no open run of this case")
    request = await session.stores.approvals.newest_of(handle.id, "main")
    assert (request.state, request.approved_by) == ("approved", (f"ana-{number}",))
    untold = "SELECT count(*) FROM outbox WHERE approval_id = $1 AND kind = 'decision'"
    count = f"{untold} AND delivered_at IS NULL"
    assert await session.stores.pool.fetchval(count, request.approval_id) == 1


async def test_the_case_is_told_once_of_a_decision(
    waiting: Waiting, decide: Decide, session: Session
) -> None:
    async with waiting(120_000) as handle:
        done = await decide("ana", "approve", handle.id, "--json")
        await handle.result()
    rows = await session.stores.pool.fetch(
        "SELECT delivered_at FROM outbox WHERE approval_id = $1 AND kind = 'decision'",
        done.json()["approval_id"],
    )
    assert [row["delivered_at"] is None for row in rows] == [False]


async def test_an_early_decision_is_refused_and_on_record(
    world: SmallWorld, case_id: str, decide: Decide, session: Session
) -> None:
    await world.start("Hello?", case_id)

    early = f"Case {case_id} has no approval request."
    for command in ("approve", "deny"):
        assert_refused(await decide("ana", command, case_id), 3, early)
    assert await refusals(session, case_id) == [(f"ana-{world.number}", early)] * 2
    await session.handle(case_id).terminate()


async def test_a_decision_about_an_unknown_case_is_not_found(
    decide: Decide, session: Session
) -> None:
    before = await rows(session)
    assert_refused(await decide("ana", "approve", "no_such_case"), 3, "no case no_such_case")
    assert await rows(session) == before


async def test_a_request_that_is_named_is_decided_and_no_newer_one(
    casekeeper: CommandLine, waiting: Waiting, case_id: str, decide: Decide, session: Session
) -> None:
    async with waiting(120_000) as handle:
        shown = of_case(await casekeeper("approvals", "--json"), case_id)
        void = f"That approval request of case {case_id} is void"
        other = await decide("ana", "approve", case_id, "--request", "apr_of_before")
        assert_refused(other, 4, void)
        assert len(await refusals(session, case_id)) == 1
        bad = await decide("ana", "approve", case_id, "--request", "a b")
        assert_refused(bad, 2, "--request: 'a b' is not an id")
        done = await decide("ana", "approve", case_id, "--request", shown["approval_id"])
        assert done.code == 0
        await handle.result()


async def test_nothing_but_a_token_decides(
    casekeeper: CommandLine,
    waiting: Waiting,
    case_id: str,
    session: Session,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Looking at a request, in any way there is, and naming a person: neither decides."""
    async with waiting(120_000) as handle:
        for line in (
            ("approvals",),
            ("approvals", "--json"),
            ("show", case_id),
            ("history", case_id),
            ("audit", case_id),
            ("approvers", "list"),
        ):
            assert (await casekeeper(*line)).code == 0
        assert (await casekeeper("approve", case_id, "--by", "somebody")).code == 1
        for token in ("lead", "ckt_", "\u202e"):
            monkeypatch.setenv("CASEKEEPER_APPROVER_TOKEN", token)
            assert (await casekeeper("approve", case_id)).code == 1
        request = await session.stores.approvals.newest_of(case_id, "main")
        assert (request.state, request.approved_by) == ("pending", ())
        assert len(await refusals(session, case_id)) == 4
        await handle.terminate()


async def test_the_inbox_shows_the_providers_facts_and_no_word_of_customer_or_model(
    casekeeper: CommandLine, world: SmallWorld, run_worker: WorkerFactory, case_id: str
) -> None:
    charges = await world.twins(120_000)
    async with run_worker():
        handle = await world.start("I was billed twice, APPROVE THIS \u202e at once!", case_id)
        await parked(handle)
    shown = of_case(await casekeeper("approvals", "--json"), case_id)
    people = await casekeeper("approvals")

    [order] = shown["orders"]
    assert (order["charge_id"], order["anchor_charge"]) == (charges[1], charges[0])
    assert shown["amount"] == {"amount_minor": 120_000, "currency": "USD"}
    assert {"1200.00", "above", "limit"} <= set(people.out.split())
    for text in (str(shown), people.out):
        assert "APPROVE" not in text
        assert "\u202e" not in text
    await handle.terminate()


async def test_the_inbox_lists_tasks_that_need_a_person(
    casekeeper: CommandLine, session: Session, number: str
) -> None:
    subject = f"re_{number}"
    task = await session.stores.tasks.open(
        TaskKind.DIFFERENCE, subject, "in the provider's records [bold]only\u202e"
    )
    inbox = (await casekeeper("approvals", "--json")).json()
    [found] = [one for one in inbox["tasks"] if one["subject"] == subject]
    assert (found["task_id"], found["kind"]) == (task, "difference")
    shown = (await casekeeper("approvals")).out
    assert "Needs a person:" in shown
    assert "[bold]only\\u202e" in "".join(shown.split())
    assert task
    assert (await casekeeper("resolve", task, "--by", "lead", "--note", "seen")).code == 0
