"""A decision: by who may, once, and the first one stands."""

import asyncio

import pytest

from cases.approvals import ApprovalSection, ApprovalState, Verdict
from cases.errors import (
    AlreadyDecided,
    ConcurrentModification,
    Forbidden,
    StaleRequest,
)
from stores.approvers import token_hash
from tests.stores.support import (
    Waiting,
    commit,
    step,
)


@pytest.mark.parametrize("verdict", list(Verdict))
async def test_a_decision_is_a_row_and_a_step_of_the_case(
    waiting: Waiting, verdict: Verdict
) -> None:
    await waiting.decide(await waiting.approver(), verdict, "looks\0 right 👍")

    row, section = await waiting.row(), (await waiting.state()).get(ApprovalSection)
    who = f"ann-{waiting.number}"
    assert (row.state.value, row.decided_by, row.note) == (
        verdict.value,
        who,
        "looks\ufffd right 👍",
    )
    assert row.decided_at
    assert section
    assert (section.state, section.decided_by, section.note) == (row.state, (who,), row.note)


async def test_of_deciders_at_once_one_wins_and_the_others_are_told_who(waiting: Waiting) -> None:
    tokens = [await waiting.approver(f"p{n}") for n in range(8)]
    verdicts = [Verdict.APPROVED, Verdict.DENIED] * 4

    results = await asyncio.gather(
        *(waiting.decide(token, verdict) for token, verdict in zip(tokens, verdicts, strict=True)),
        return_exceptions=True,
    )

    row = await waiting.row()
    winners = [n for n, result in enumerate(results) if result is None]
    assert [f"p{n}-{waiting.number}" for n in winners] == [row.decided_by]
    assert row.state.value == verdicts[winners[0]].value
    for result in results:
        if result is not None:
            assert isinstance(result, AlreadyDecided)
            assert f"already {row.state} by {row.decided_by}" in str(result)
    assert len(await waiting.refusals()) == 7


async def test_a_decision_that_is_repeated_is_told_that_it_stands(waiting: Waiting) -> None:
    token = await waiting.approver()
    await waiting.decide(token)
    version = (await waiting.state()).version

    with pytest.raises(AlreadyDecided):
        await waiting.decide(token)
    assert (await waiting.state()).version == version


@pytest.mark.parametrize("token", ["ckt_forged", "", "\ud800"])
async def test_an_unknown_token_decides_nothing(waiting: Waiting, token: str) -> None:
    with pytest.raises(Forbidden, match="belongs to no approver"):
        await waiting.decide(token)

    assert (await waiting.row()).state is ApprovalState.PENDING
    assert await waiting.refusals() == ["unknown: The token belongs to no approver."]


async def test_a_revoked_approver_decides_nothing(waiting: Waiting) -> None:
    token = await waiting.approver()
    revoke = "UPDATE approvers SET revoked_at = clock_timestamp() WHERE token_hash = $1"
    await waiting.owner.execute(revoke, token_hash(token))

    with pytest.raises(Forbidden):
        await waiting.decide(token)
    assert await waiting.stores.approvers.name_of(token) is None


async def test_an_approver_decides_up_to_exactly_their_own_limit(waiting: Waiting) -> None:
    await waiting.decide(await waiting.approver(limits={"USD": 60_000}))

    assert (await waiting.row()).state is ApprovalState.APPROVED


@pytest.mark.parametrize("limits", [{"USD": 59_999}, {"EUR": 60_000}, {}], ids=str)
async def test_nobody_approves_above_their_own_limit_but_anyone_may_deny(
    waiting: Waiting, limits: dict[str, int]
) -> None:
    token = await waiting.approver(limits=limits)

    with pytest.raises(Forbidden, match="above the limit of ann"):
        await waiting.decide(token)
    assert len(await waiting.refusals()) == 1
    assert (await waiting.row()).state is ApprovalState.PENDING

    await waiting.decide(token, Verdict.DENIED)
    assert (await waiting.row()).state is ApprovalState.DENIED


async def test_an_expired_request_is_not_decided_any_more(waiting: Waiting) -> None:
    await waiting.expire()

    for verdict in Verdict:
        with pytest.raises(StaleRequest):
            await waiting.decide(await waiting.approver(verdict.value), verdict)
    assert len(await waiting.refusals()) == 2
    assert (await waiting.row()).state is ApprovalState.PENDING


async def test_a_decision_from_an_outdated_view_of_the_case_is_a_conflict(
    waiting: Waiting,
) -> None:
    old = await waiting.state()
    section = old.get(ApprovalSection)
    assert section
    noted = section.model_copy(update={"note": "seen"})
    await commit(waiting.stores.cases, old, step("note", noted))

    with pytest.raises(ConcurrentModification):
        await waiting.stores.approvals.decide(
            old, await waiting.row(), await waiting.approver(), Verdict.APPROVED, ""
        )
    with pytest.raises(ConcurrentModification):
        await waiting.stores.approvals.close(
            old, waiting.request.approval_id, ApprovalState.EXPIRED
        )
    assert (await waiting.row()).state is ApprovalState.PENDING


async def test_ending_a_request_keeps_a_decision_that_came_first(waiting: Waiting) -> None:
    await waiting.decide(await waiting.approver())
    before = await waiting.state()

    now = await waiting.stores.approvals.close(
        before, waiting.request.approval_id, ApprovalState.EXPIRED
    )

    assert now is ApprovalState.APPROVED
    assert await waiting.state() == before


async def test_ending_and_deciding_at_once_leaves_one_of_both(waiting: Waiting) -> None:
    token, state = await waiting.approver(), await waiting.state()
    approvals = waiting.stores.approvals

    _, ended = await asyncio.gather(
        waiting.decide(token),
        approvals.close(state, waiting.request.approval_id, ApprovalState.EXPIRED),
        return_exceptions=True,
    )

    row, section = await waiting.row(), (await waiting.state()).get(ApprovalSection)
    assert section
    assert section.state is row.state
    assert row.state in (ApprovalState.APPROVED, ApprovalState.EXPIRED)
    assert ended is row.state
