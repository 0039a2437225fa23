"""Promotions in Postgres: what they are planned from, the request, the begin and the end."""

import base64
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from cases.approvals import EXPIRES_AFTER, Approval, ApprovalState
from cases.errors import CaseNotFound
from cases.ports import Committed
from cases.promoted import Ending
from cases.promotion import (
    PROMOTION,
    CorrectionPlan,
    PlanOutdated,
    PromotionFacts,
    PromotionRefused,
    check,
)
from cases.records import canonical
from cases.schema import SCHEMA_VERSION
from cases.state import StepUpdate
from stores.cases import committed
from stores.customer_keys import CustomerKeys, readable
from stores.postgres import Pool, case_errors, details, fetch_row
from stores.steps import encode_steps, storable

#: What travels as JSON in one row of the facts.
_DOCUMENTS = ("wanted", "done", "failed")


class PostgresPromotions:
    """Fits `activities.promotion.Promotions`."""

    def __init__(self, pool: Pool, keys: CustomerKeys | None = None) -> None:
        self._pool, self._keys = pool, keys or CustomerKeys(pool)

    async def facts(self, case_id: str, branch: str) -> PromotionFacts:
        """What a promotion is planned from; raises CaseNotFound, PromotionRefused for `main`."""
        row = await fetch_row(self._pool, "promotion_facts", case_id, branch)
        if row is None:
            raise CaseNotFound(case_id)
        if row["branch"] is None:
            raise CaseNotFound(case_id, branch)
        if row["base_version"] is None:
            raise PromotionRefused(f"{branch} is the main line of case {case_id} already.")
        fields = dict(row)
        documents = {name: json.loads(fields.pop(name) or "null") for name in _DOCUMENTS}
        for name in ("wanted", "done"):
            documents[name] = [await self._effect(case_id, one) for one in documents[name] or ()]
        known = {name: found for name, found in documents.items() if found}
        return PromotionFacts.model_validate({"case_id": case_id, **fields, **known})

    async def _effect(self, case_id: str, effect: dict[str, Any]) -> dict[str, Any]:
        [clear] = await self._keys.opened([{"intent": base64.b64decode(effect["intent"])}])
        return {**effect, "intent": json.loads(readable(clear["intent"], case_id))}

    async def ask(
        self, facts: PromotionFacts, plan: CorrectionPlan, by: str, needed: int
    ) -> ApprovalState | None:
        """Ask people to approve the plan, if it needs that; where the request stands.

        The same plan is the same request. Raises PromotionRefused, also for what was denied, and
        PlanOutdated where the ledger has changed since.
        """
        request = _request(plan, needed)
        orders = canonical([order.model_dump(mode="json") for order in plan.orders])
        async with self._refusals(facts):
            row = await fetch_row(
                self._pool, "request_promotion", facts.case_id, facts.branch, facts.mark,
                json.dumps(request), orders, by,
            )  # fmt: skip
        return ApprovalState(row["state"]) if row and row["state"] else None

    async def close(self, approval_id: str, end: ApprovalState, why: str = "") -> ApprovalState:
        """Expire or void a request; what was decided or used stays, and its state is returned."""
        row = await fetch_row(self._pool, "close_promotion", approval_id, end, storable(why))
        return ApprovalState(row["state"]) if row and row["state"] else end

    async def begin(self, facts: PromotionFacts, approval: Approval | None, by: str) -> None:
        """From now on the main line does nothing but this. Raises as `ask` does."""
        bound = (approval.approval_id, approval.digest) if approval else (None, None)
        async with self._refusals(facts):
            await fetch_row(
                self._pool, "begin_promotion", facts.case_id, facts.branch, facts.mark, *bound, by
            )

    async def complete(self, facts: PromotionFacts, ending: Ending, by: str) -> Committed:
        """Make the main line what the branch is; a repeat is a no-op."""
        step = f"{PROMOTION}:{facts.branch}"
        updates = [
            StepUpdate(step=step, owner=one.owner, sections={one.name: one})
            for one in ending.sections
        ]
        encoded = encode_steps(updates, {}, await self._keys.of_case(facts.case_id))
        async with self._refusals(facts):
            row = await fetch_row(
                self._pool, "complete_promotion", facts.case_id, facts.branch, ending.status,
                SCHEMA_VERSION, encoded.steps, encoded.bodies, list(ending.left_out), by,
                storable(ending.reason),
            )  # fmt: skip
        return committed(row)

    @asynccontextmanager
    async def _refusals(self, facts: PromotionFacts) -> AsyncGenerator[None]:
        """Say why the database refuses, from what the record says by now."""
        name = f"branch {facts.branch} of case {facts.case_id}"
        try:
            async with case_errors(facts.case_id, facts.branch):
                yield
        except asyncpg.PostgresError as error:
            found = details(error)
            match error.sqlstate:
                case "CK411":
                    why = f"The promotion of {name} was denied by {found['by']}."
                case "CK421":
                    why = f"The promotion of {name} is not approved any more."
                case "CK422":
                    why = (
                        f"The promotion of branch {found['branch']} of case {facts.case_id} waits "
                        "for a decision: only one can be decided at a time."
                    )
                case "CK420":
                    check(await self.facts(facts.case_id, facts.branch))
                    raise PlanOutdated(facts.case_id) from error
                case _:
                    raise
            raise PromotionRefused(why) from error


def _request(plan: CorrectionPlan, needed: int) -> dict[str, Any]:
    """As the database takes it; without an id where nobody needs to be asked."""
    amount = plan.amount
    if amount is None:
        return {}
    return {
        "approval_id": plan.approval_id,
        "digest": plan.digest,
        "amount_minor": amount.amount_minor,
        "currency": amount.currency,
        "needed": needed,
        "expires_in_s": int(EXPIRES_AFTER.total_seconds()),
    }
