"""What has become of a case, so that two cases can be compared: who did what, and how often."""

from collections import Counter
from collections.abc import Mapping

from stores.postgres import Pool
from tests.conftest import SmallWorld

#: Of a signal that came for nothing there is a note, "decision_ignored". It is left out here:
#: whether a signal came too late to be waited for is chance. So it is whether a reset mail was
#: before the refund: after it nothing is undone, and no compensation is registered.
_AUDIT = (
    "SELECT branch, actor, event, section FROM case_audit "
    "WHERE case_id = $1 AND event <> 'decision_ignored' "
    "AND NOT (event = 'compensation_registered' AND starts_with(step, 'revoke_reset'))"
)
_COMPENSATIONS = (
    "SELECT branch, name, state FROM compensations "
    "WHERE case_id = $1 AND (name, state) <> ('revoke_reset', 'released')"
)
#: By table: whatever is on record of a case ($1) and its customer ($2), but for ids and times.
_FACTS: Mapping[str, str] = {
    "cases": "SELECT branch, status, promoted_at IS NOT NULL FROM cases WHERE case_id = $1",
    "audit": _AUDIT,
    "steps": "SELECT branch, split_part(step, ':', 1) FROM checkpoints WHERE case_id = $1",
    "effects": "SELECT branch, kind, state, amount_minor FROM effects WHERE case_id = $1",
    "wishes": "SELECT branch, kind, state, mode FROM branch_effects WHERE case_id = $1",
    "approvals": "SELECT branch, state, reminded_at IS NOT NULL FROM approvals WHERE case_id = $1",
    "votes": "SELECT v.verdict FROM approval_votes v JOIN approvals a USING (approval_id) "
    "WHERE a.case_id = $1",
    "tasks": "SELECT kind, closed_at IS NOT NULL FROM tasks WHERE case_id = $1",
    "compensations": _COMPENSATIONS,
    # Not whether it was delivered: a person's command that is cut off leaves that to the outbox,
    # and in the plays with one all of it must be.
    "told": "SELECT o.kind FROM outbox o JOIN approvals a USING (approval_id) WHERE a.case_id = $1",
    "refunds": "SELECT r.amount_minor, r.status FROM sandbox.current_refunds r "
    "JOIN sandbox.charges c ON c.id = r.charge_id WHERE c.customer_id = $2",
    "mails": "SELECT kind FROM sandbox.mails WHERE case_id = $1",
    "account": "SELECT locked FROM sandbox.customers WHERE id = $2",
}
_CALLS = "SELECT count(*) FROM model_calls WHERE case_id = $1"

Facts = Counter[tuple[object, ...]]


async def facts_of(world: SmallWorld, owner: Pool) -> Facts:
    """Everything that a case has left, counted: nothing may be there twice or be missing."""
    ids = (f"case_{world.number}", world.customer_id)
    found: Facts = Counter()
    for name, sql in _FACTS.items():
        rows = await owner.fetch(f"WITH given AS (SELECT $1::text, $2::text) {sql}", *ids)
        found.update((name, *row.values()) for row in rows)
    return found


async def model_calls_of(world: SmallWorld, owner: Pool) -> int:
    """How often a model was asked for the case."""
    return int(await owner.fetchval(_CALLS, f"case_{world.number}"))
