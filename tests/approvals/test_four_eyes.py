"""Above the second limit two different people approve, and one denies."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from cases.approvals import ApprovalState, Verdict
from cases.effects import EffectState
from cases.errors import AlreadyDecided, ConcurrentModification, Forbidden
from cases.ids import MAIN
from cases.money import Money
from cases.state import CaseStatus
from starters.approve import Said, commit_decision
from stores.postgres import Pool
from tests.approvals.support import NOT_APPROVED, Desk
from workers.composition import Stores

#: Makes that an approver may approve no more.
Loss = Callable[[Desk, str], Awaitable[None]]


async def test_the_first_approval_leaves_the_request_waiting_and_says_who_gave_it(
    two: Desk,
) -> None:
    before = (await two.state()).status
    await two.say(await two.approver("ana"))

    row, state, section = await two.row(), await two.state(), await two.section()
    ana = two.name("ana")
    assert (row.state, row.approved_by, row.needed) == (ApprovalState.PENDING, (ana,), 2)
    assert (row.decided_by, row.decided_at) == (None, None)
    assert (section.state, section.decided_by) == (ApprovalState.PENDING, (ana,))
    assert state.completed_steps[-1] == f"approval:{row.approval_id}:vote:{ana}"
    assert (state.status, state.pending_approvals) == (before, (row.approval_id,))
    assert await two.told() == 0
    assert await two.claim() == NOT_APPROVED


async def test_the_second_person_decides_and_the_case_is_told_once(two: Desk) -> None:
    await two.say(await two.approver("ana"))
    await two.say(await two.approver("bo"))

    row, section = await two.row(), await two.section()
    both = (two.name("ana"), two.name("bo"))
    assert (row.state, row.approved_by, row.decided_by) == ("approved", both, both[1])
    assert (section.state, section.decided_by) == (ApprovalState.APPROVED, both)
    assert (await two.state()).status is CaseStatus.SETTLING
    assert await two.told() == 1
    assert (await two.claim()).state is EffectState.SENDING
    assert await two.stores.audit.verify(two.case_id, MAIN) == []


async def test_the_same_person_does_not_count_twice(two: Desk) -> None:
    ana = await two.approver("ana")
    await two.say(ana)

    with pytest.raises(Forbidden, match="has approved it already: another person must"):
        await two.say(ana)

    assert (await two.row()).state is ApprovalState.PENDING
    assert await two.votes() == [(1, two.name("ana"), "approved")]
    name = two.name("ana")
    assert await two.refusals() == [f"{name}: {name} has approved it already: another person must."]
    assert await two.claim() == NOT_APPROVED


async def test_one_denial_denies_at_once_also_after_an_approval(two: Desk) -> None:
    await two.say(await two.approver("ana"))
    await two.say(await two.approver("bo"), Verdict.DENIED)

    row, section = await two.row(), await two.section()
    assert (row.state, row.decided_by) == (ApprovalState.DENIED, two.name("bo"))
    assert (row.approved_by, section.decided_by) == ((two.name("ana"),), (two.name("bo"),))
    assert await two.told() == 1
    with pytest.raises(AlreadyDecided, match=f"denied by {two.name('bo')}"):
        await two.say(await two.approver("cy"))
    assert await two.claim() == NOT_APPROVED


async def test_who_has_approved_may_still_deny_while_it_waits(two: Desk) -> None:
    ana = await two.approver("ana")
    await two.say(ana)
    await two.say(ana, Verdict.DENIED)

    assert (await two.row()).state is ApprovalState.DENIED
    assert await two.claim() == NOT_APPROVED


@pytest.mark.parametrize("limits", [{"USD": 599_999}, {"EUR": 600_000}, {}], ids=str)
async def test_the_second_person_too_needs_a_limit_that_suffices(
    two: Desk, limits: dict[str, int]
) -> None:
    await two.say(await two.approver("ana"))

    with pytest.raises(Forbidden, match=f"above the limit of {two.name('bo')}"):
        await two.say(await two.approver("bo", limits))
    assert (await two.row()).state is ApprovalState.PENDING
    assert len(await two.refusals()) == 1


@pytest.mark.parametrize(
    "amount",
    [
        Money(amount_minor=600_000, currency="USD"),
        Money(amount_minor=800_000, currency="JPY"),
        Money(amount_minor=2_000_000, currency="BHD"),
        Money(amount_minor=1, currency="KWD"),
    ],
    ids=str,
)
async def test_a_limit_is_the_currencys_own_and_may_be_reached_exactly(
    stores: Stores, owner: Pool, case_id: str, number: str, amount: Money
) -> None:
    case = await Desk(stores, owner, case_id, number, amount=amount).opened()
    minor, currency = amount.amount_minor, amount.currency
    others = {other: 10**12 for other in ("USD", "JPY", "BHD", "KWD") if other != currency}

    for n, limits in enumerate([others | {currency: minor - 1}, others]):
        with pytest.raises(Forbidden, match="above the limit"):
            await case.say(await case.approver(f"low{n}", limits))
    for name in ("ana", "bo"):
        await case.say(await case.approver(name, {currency: minor}))

    assert (await case.row()).state is ApprovalState.APPROVED
    assert (await case.claim()).state is EffectState.SENDING


async def revoke(case: Desk, name: str) -> None:
    assert await case.stores.approvers.revoke(case.name(name))


async def lower(case: Desk, name: str) -> None:
    less = "UPDATE approvers SET limits = '{\"USD\": 599999}' WHERE name = $1"
    await case.owner.execute(less, case.name(name))


async def become_the_customer(case: Desk, name: str) -> None:
    same = "UPDATE approvers SET customer_id = $2 WHERE name = $1"
    await case.owner.execute(same, case.name(name), case.customer_id)


async def become_who_opened_it(case: Desk, name: str) -> None:
    maker = "UPDATE cases SET opened_by = $2 WHERE case_id = $1"
    await case.owner.execute(maker, case.case_id, case.name(name).upper())


LOSSES = pytest.mark.parametrize(
    "loses", [revoke, lower, become_the_customer, become_who_opened_it]
)


@LOSSES
async def test_who_may_approve_no_more_does_not_count_and_a_third_person_is_needed(
    two: Desk, loses: Loss
) -> None:
    await two.say(await two.approver("ana"))
    await loses(two, "ana")
    await two.say(await two.approver("bo"))

    assert (await two.row()).approved_by == (two.name("bo"),)
    assert (await two.section()).decided_by == (two.name("bo"),)
    assert (await two.row()).state is ApprovalState.PENDING

    await two.say(await two.approver("cy"))
    assert (await two.row()).state is ApprovalState.APPROVED
    assert (await two.section()).decided_by == (two.name("bo"), two.name("cy"))


@LOSSES
@pytest.mark.parametrize("who", ["ana", "bo"])
async def test_between_decision_and_claim_either_of_both_can_lose_it(
    two: Desk, loses: Loss, who: str
) -> None:
    for name in ("ana", "bo"):
        await two.say(await two.approver(name))
    await loses(two, who)

    assert await two.claim() == NOT_APPROVED
    assert await two.details("effect_refused") == ["not_approved"]
    assert (await two.row()).consumed_by == ()


async def test_two_people_at_once_are_two_approvals(two: Desk) -> None:
    tokens = [await two.approver(name) for name in ("ana", "bo")]

    await asyncio.gather(*(two.say(token) for token in tokens))

    row = await two.row()
    assert (row.state, len(row.approved_by)) == (ApprovalState.APPROVED, 2)
    assert (await two.section()).decided_by == row.approved_by
    assert await two.told() == 1


async def test_of_eight_people_at_once_two_decide_and_six_are_told_so(two: Desk) -> None:
    tokens = [await two.approver(f"p{n}") for n in range(8)]

    results = await asyncio.gather(*(two.say(token) for token in tokens), return_exceptions=True)

    lost = [result for result in results if result is not None]
    assert [type(error) for error in lost] == [AlreadyDecided] * 6
    assert len(await two.votes()) == 2
    assert len(await two.refusals()) == 6


async def test_an_approval_from_an_outdated_view_is_a_conflict_and_no_vote(two: Desk) -> None:
    old, row = await two.state(), await two.row()
    await two.say(await two.approver("ana"))

    with pytest.raises(ConcurrentModification):
        await two.stores.approvals.decide(old, row, await two.approver("bo"), Verdict.APPROVED, "")
    assert len(await two.votes()) == 1


async def test_an_approval_from_an_outdated_view_is_made_again_from_the_newest(two: Desk) -> None:
    old, row, bo = await two.state(), await two.row(), await two.approver("bo")
    await two.say(await two.approver("ana"))

    said = Said(token=bo, verdict=Verdict.APPROVED, note="")
    await commit_decision(two.stores, old, row, said)

    assert (await two.row()).state is ApprovalState.APPROVED
    assert (await two.section()).decided_by == (two.name("ana"), two.name("bo"))


async def test_what_was_voided_and_is_asked_again_forgets_the_approvals_of_before(
    two: Desk,
) -> None:
    ana = await two.approver("ana")
    await two.say(ana)
    await two.put(two.ask(evidence="e2"), "approval_request:2")
    await two.put(two.request, "approval_request:3")

    row = await two.row()
    assert (row.state, row.asked, row.approved_by) == (ApprovalState.PENDING, 2, ())
    bo = await two.approver("bo")
    await two.say(bo)
    assert (await two.row()).state is ApprovalState.PENDING
    await two.say(ana)
    assert (await two.row()).state is ApprovalState.APPROVED
    assert (await two.section()).decided_by == (two.name("bo"), two.name("ana"))
    assert await two.votes() == [
        (1, two.name("ana"), "approved"),
        (2, two.name("bo"), "approved"),
        (2, two.name("ana"), "approved"),
    ]


async def test_a_vote_cannot_be_changed_or_removed_not_even_by_the_tables_owner(two: Desk) -> None:
    await two.say(await two.approver("ana"))

    for change in (
        "UPDATE approval_votes SET verdict = 'denied'",
        "DELETE FROM approval_votes",
        "TRUNCATE approval_votes",
    ):
        with pytest.raises(asyncpg.PostgresError, match="append"):
            await two.owner.execute(change)


async def test_three_people_where_three_are_needed(
    stores: Stores, owner: Pool, case_id: str, number: str
) -> None:
    case = await Desk(stores, owner, case_id, number, needed=3).opened()

    for given, name in enumerate(("ana", "bo", "cy"), start=1):
        assert await case.claim() == NOT_APPROVED
        await case.say(await case.approver(name))
        assert len((await case.section()).decided_by) == given

    assert (await case.claim()).state is EffectState.SENDING
