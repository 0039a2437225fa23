"""An approval lets one refund out: no other case, charge, sum or key finds it again."""

import asyncio
from typing import Any

import pytest

from cases.approvals import ApprovalState
from cases.effects import EffectIntent, EffectState, Outcome
from stores.postgres import Pool
from tests.stores.support import (
    Waiting,
    asking_step,
    commit,
    events,
    intent,
    opened,
    order,
    refund_step,
    usd,
)
from workers.composition import Stores

SENDING = Outcome(state=EffectState.SENDING)
NOT_APPROVED = Outcome(state=EffectState.REFUSED, code="not_approved")
ALREADY = Outcome(state=EffectState.REFUSED, code="already_claimed")
SUCCEEDED = Outcome(state=EffectState.SUCCEEDED, receipt="re_1")
REJECTED = Outcome(state=EffectState.REJECTED, code="charge_disputed")


class Approved(Waiting):
    """A case whose refund of 600.00 was approved."""

    async def refund(self, **changes: Any) -> EffectIntent:
        made = intent(await self.state(), order(self.number, 60_000), limit_minor=None)
        approved = {
            "approval_id": self.request.approval_id,
            "approval_digest": self.request.digest,
        }
        return made.model_copy(update={**approved, **changes})

    async def claim(self, refund: EffectIntent) -> Outcome:
        return (await self.stores.ledger.claim(refund))[1].outcome

    async def settle(self, refund: EffectIntent, outcome: Outcome) -> None:
        step = refund_step(order(self.number, 60_000), outcome)
        await self.stores.ledger.settle(refund, outcome, step, {"refund": 0})


@pytest.fixture
async def approved(stores: Stores, owner: Pool, case_id: str, number: str) -> Approved:
    case = Approved(stores, owner, case_id, number)
    await commit(stores.cases, await opened(stores, case_id), asking_step(case.request))
    await case.decide(await case.approver())
    return case


async def test_a_repeat_meets_its_own_claim_and_uses_the_approval_no_second_time(
    approved: Approved,
) -> None:
    """A run that was reset asks just so."""
    refund = await approved.refund()
    for _ in range(3):
        assert await approved.claim(refund) == SENDING
    await approved.settle(refund, SUCCEEDED)

    assert await approved.claim(refund) == SUCCEEDED
    row = await approved.row()
    assert (row.state, row.consumed_by) == (ApprovalState.APPROVED, (refund.key,))
    assert (await events(approved.stores, approved.case_id)).count("effect_claimed") == 1


async def test_another_case_finds_no_approval(approved: Approved, stores: Stores) -> None:
    state = await approved.state()
    other = await opened(stores, f"{approved.case_id}-b", state.customer_id)

    assert await approved.claim(await approved.refund(case_id=other.case_id)) == NOT_APPROVED
    assert (await events(stores, other.case_id))[-1] == "effect_refused"
    assert (await approved.row()).consumed_by == ()


async def test_a_fork_finds_no_approval(approved: Approved, stores: Stores) -> None:
    state = await approved.state()
    await stores.cases.open(approved.case_id, "b1", state.customer_id, state.messages[0])

    assert await approved.claim(await approved.refund(branch="b1")) == NOT_APPROVED


@pytest.mark.parametrize("change", [{"charge_id": "ch_else"}, {"amount": usd(59_999)}])
async def test_another_charge_and_another_sum_find_no_approval(
    approved: Approved, change: dict[str, object]
) -> None:
    assert await approved.claim(await approved.refund(**change)) == NOT_APPROVED


async def test_a_second_key_finds_no_approval_while_the_first_stands(approved: Approved) -> None:
    refund = await approved.refund()
    await approved.claim(refund)

    second = {"key": f"rf1_second_{approved.number}", "duplicate_group": "acct_1/else/1"}
    for change in ({"key": second["key"]}, second):
        assert await approved.claim(await approved.refund(**change)) == ALREADY
    await approved.settle(refund, SUCCEEDED)
    late = await approved.claim(await approved.refund(**second))
    assert (late.state, late.code) == (ALREADY.state, ALREADY.code)
    assert (await approved.row()).consumed_by == (refund.key,)


async def test_a_second_key_finds_no_approval_after_the_first_came_to_nothing(
    approved: Approved,
) -> None:
    """The charge is free again, but not by this approval: a person must say so anew."""
    refund = await approved.refund()
    await approved.claim(refund)
    await approved.settle(refund, REJECTED)

    second = await approved.refund(key=f"rf1_second_{approved.number}")
    assert await approved.claim(second) == NOT_APPROVED
    assert (await approved.row()).consumed_by == (refund.key,)


async def test_of_keys_that_race_for_one_approval_one_gets_it(approved: Approved) -> None:
    keys = [f"rf1_{place}_{approved.number}" for place in range(8)]
    refunds = [await approved.refund(key=key) for key in keys]

    outcomes = await asyncio.gather(*(approved.claim(refund) for refund in refunds))

    assert sorted(one.state for one in outcomes) == [*["refused"] * 7, "sending"]
    won = [key for key, one in zip(keys, outcomes, strict=True) if one == SENDING]
    assert (await approved.row()).consumed_by == tuple(won)
