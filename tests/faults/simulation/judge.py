"""What must hold of a simulated case once it was played: read from the stores, on both sides."""

from typing import Any

from cases.ids import MAIN
from cases.policy import Decision, PolicySection
from tests.faults.simulation.plan import WITHIN, CasePlan, Story
from tests.faults.simulation.play import Play
from tests.once.invariants import Tally, tally
from workers.composition import Stores

_STATUS = "SELECT status FROM cases WHERE case_id = $1 AND branch = 'main'"
_REFUNDS = "SELECT * FROM effects WHERE customer_id = $1 AND kind = 'refund'"
_APPROVAL = """
SELECT count(*) FROM approvals WHERE approval_id = $1 AND case_id = $2 AND state = 'approved'
   AND decided_by IS NOT NULL AND amount_minor = $3 AND $4 = ANY(consumed_by)"""
_REFUNDED = """
SELECT coalesce(sum(r.amount_minor), 0)::bigint
  FROM sandbox.current_refunds r JOIN sandbox.charges c ON c.id = r.charge_id
 WHERE c.customer_id = $1"""
_LINKS = """
SELECT count(*) FROM sandbox.mails
 WHERE customer_id = $1 AND kind = 'reset' AND revoked_at IS NULL"""
_TASKS = "SELECT count(*) FROM tasks WHERE kind = 'effect_unknown' AND case_id = $1"


async def judge(stores: Stores, plan: CasePlan, play: Play) -> None:
    """Raise an AssertionError for what is not as the plan makes it right."""
    right = plan.expected
    waits = plan.story is Story.WAITING
    # One refund of a group at most, each with its intent; one answer, true to the ledger; an audit
    # that holds.
    found = await tally(stores, [play.customer_id], left_open=int(waits))
    assert found == Tally(right.refunds, right.resets, right.answers)
    for case_id in play.case_ids:
        assert await stores.pool.fetchval(_STATUS, case_id) in right.status
    assert await stores.sandbox.fetchval(_REFUNDED, play.customer_id) == plan.refunded_minor
    links = await stores.sandbox.fetchval(_LINKS, play.customer_id)
    assert links == (0 if plan.story is Story.CANCELLED else right.resets)
    tasks = await stores.pool.fetchval(_TASKS, play.case_ids[0])
    assert tasks == (plan.story is Story.PROVIDER_DOWN)
    for refund in await stores.pool.fetch(_REFUNDS, play.customer_id):
        await _was_allowed(stores, dict(refund))


async def _was_allowed(stores: Stores, refund: dict[str, Any]) -> None:
    """By the rules alone up to the limit; above it by the approval of that very refund."""
    state = await stores.cases.load(refund["case_id"], MAIN)
    policy = state.get(PolicySection)
    assert policy is not None
    assert refund["charge_id"] in {order.charge_id for order in policy.orders}
    if refund["amount_minor"] <= WITHIN[1]:
        assert policy.decision is Decision.REFUND
        return
    given = (refund["approval_id"], refund["case_id"], refund["amount_minor"], refund["key"])
    assert await stores.pool.fetchval(_APPROVAL, *given) == 1
