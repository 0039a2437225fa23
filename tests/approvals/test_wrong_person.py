"""Who may not decide: refused with the reason, on record, and nothing has changed."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from cases.approvals import ApprovalState, Verdict
from cases.errors import Forbidden
from stores.postgres import Pool
from tests.approvals.support import NOT_APPROVED, Desk
from tests.stores.support import blocked_by, usd
from tests.workflows.support import eventually
from workers.composition import Stores

BOTH = pytest.mark.parametrize("verdict", list(Verdict))


async def stranger(_: Desk) -> str:
    return "ckt_forged"


async def who_left(case: Desk) -> str:
    token = await case.approver("ana")
    await case.stores.approvers.revoke(case.name("ana"))
    return token


async def maker(case: Desk) -> str:
    return await case.approver("maker")


async def who_writes_their_name_otherwise(case: Desk) -> str:
    return await case.approver("MAKER")


async def customer(case: Desk) -> str:
    return await case.approver("ana", customer_id=case.customer_id)


@pytest.fixture
async def opened_by_maker(stores: Stores, owner: Pool, case_id: str, number: str) -> Desk:
    case = Desk(stores, owner, case_id, number, amount=usd(60_000), needed=1)
    return await case.opened(case.name("maker"))


@BOTH
@pytest.mark.parametrize(
    ("who", "actor", "sentence"),
    [
        (stranger, "unknown", "The token belongs to no approver."),
        (who_left, "ana", "{0} is not an approver any more."),
        (maker, "maker", "{0} opened case {1}: another person must decide."),
        (
            who_writes_their_name_otherwise,
            "MAKER",
            "{0} opened case {1}: another person must decide.",
        ),
        (customer, "ana", "Case {1} is {0}'s own: another person must decide."),
    ],
)
async def test_the_wrong_person_neither_approves_nor_denies(
    opened_by_maker: Desk,
    who: Callable[[Desk], Awaitable[str]],
    actor: str,
    sentence: str,
    verdict: Verdict,
) -> None:
    case = opened_by_maker
    token = await who(case)
    before = await case.state()

    with pytest.raises(Forbidden) as refused:
        await case.say(token, verdict)

    name = actor if actor == "unknown" else case.name(actor)
    expected = sentence.format(name, case.case_id)
    assert str(refused.value) == expected
    assert await case.refusals() == [f"{name}: {expected}"]
    assert await case.state() == before
    assert (await case.row()).state is ApprovalState.PENDING
    assert (await case.votes(), await case.told()) == ([], 0)
    assert await case.claim() == NOT_APPROVED


async def test_nobody_approves_above_their_own_limit_and_that_is_on_record(desk: Desk) -> None:
    token = await desk.approver("ana", {"USD": 59_999, "JPY": 10**9})

    with pytest.raises(Forbidden):
        await desk.say(token)

    assert await desk.refusals() == [
        f"{desk.name('ana')}: 600.00 USD is above the limit of {desk.name('ana')}."
    ]
    assert await desk.votes() == []


async def test_another_customers_approver_and_another_cases_maker_may_decide(
    opened_by_maker: Desk,
) -> None:
    await opened_by_maker.say(await opened_by_maker.approver("ana", customer_id="cus_other"))

    assert (await opened_by_maker.row()).state is ApprovalState.APPROVED


async def test_a_revocation_waits_for_a_decision_that_is_on_its_way(desk: Desk) -> None:
    """So once `approvers revoke` has said so, nothing that was begun before is still committed."""
    token, name = await desk.approver("ana"), desk.name("ana")
    async with desk.owner.acquire() as blocker:
        held = blocker.transaction()
        await held.start()
        await blocker.execute("SELECT FROM cases WHERE case_id = $1 FOR UPDATE", desk.case_id)
        decision = asyncio.create_task(desk.say(token))
        decider = await blocked_by(blocker)
        revocation = asyncio.create_task(desk.stores.approvers.revoke(name))
        waits = "SELECT pid FROM pg_stat_activity WHERE $1 = ANY(pg_blocking_pids(pid))"
        await eventually(lambda: desk.owner.fetchval(waits, decider))
        await held.rollback()
        await asyncio.gather(decision, revocation)

    assert (await desk.row()).decided_by == name
    assert await desk.claim() == NOT_APPROVED
