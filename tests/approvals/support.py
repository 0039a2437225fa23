"""A case that waits for people, and what is tried with its request."""

from typing import Any

from cases.approvals import ApprovalRequest, ApprovalSection, Verdict, request_approval
from cases.billing import RefundOrder
from cases.effects import EffectState, Outcome
from cases.ids import MAIN
from cases.money import Money
from starters.approve import Said, commit_decision
from stores.postgres import Pool
from tests.stores.support import Waiting, asking_step, commit, intent, order, request, usd
from workers.composition import Stores

NOT_APPROVED = Outcome(state=EffectState.REFUSED, code="not_approved")

#: Above the second limit, and within the limit of everyone here unless a test says otherwise.
LARGE = usd(600_000)


class Desk(Waiting):
    """A case with one refund to be approved, by two people unless a test says otherwise."""

    def __init__(
        self,
        stores: Stores,
        owner: Pool,
        case_id: str,
        number: str,
        *,
        amount: Money = LARGE,
        needed: int = 2,
    ) -> None:
        super().__init__(stores, owner, case_id, number)
        self.amount, self.needed = amount, needed
        self.request = self.ask()

    @property
    def customer_id(self) -> str:
        return f"cus_{self.number}"

    def name(self, short: str) -> str:
        """The approver's full name: names are unique in the session."""
        return f"{short}-{self.number}"

    def refund(self, **changes: Any) -> RefundOrder:
        made = order(self.number, self.amount.amount_minor, currency=self.amount.currency)
        return made.model_copy(update=changes)

    def ask(self, **changes: Any) -> ApprovalRequest:
        """The request, with some of its facts changed."""
        orders = changes.pop("orders", (self.refund(),))
        facts: dict[str, Any] = {
            "case_id": self.case_id,
            "branch": MAIN,
            "amount": orders[0].amount,
            "orders": orders,
            "policy": (1, "above_limit"),
            "evidence": "e1",
            "needed": self.needed,
        }
        return request_approval(**(facts | changes))

    async def opened(self, opened_by: str = "") -> "Desk":
        """Put the case and its request on record."""
        await self.stores.cases.open(
            self.case_id, MAIN, self.customer_id, request(), opened_by=opened_by
        )
        await self.put(self.request, "approval_request:1")
        return self

    async def put(self, asked: ApprovalRequest, step: str) -> None:
        await commit(self.stores.cases, await self.state(), asking_step(asked, step))

    async def approver(
        self,
        name: str = "ann",
        limits: dict[str, int] | None = None,
        *,
        customer_id: str | None = None,
    ) -> str:
        given = {self.amount.currency: self.amount.amount_minor} if limits is None else limits
        token = await self.stores.approvers.add(self.name(name), given, customer_id=customer_id)
        assert token
        return token

    async def say(self, token: str, verdict: Verdict = Verdict.APPROVED) -> None:
        """As `casekeeper approve` does: again where others decided meanwhile."""
        said = Said(token=token, verdict=verdict, note="")
        await commit_decision(self.stores, await self.state(), await self.row(), said)

    async def section(self) -> ApprovalSection:
        section = (await self.state()).get(ApprovalSection)
        assert section
        return section

    async def claim(self, **changes: Any) -> Outcome:
        """Try to let the refund out on this request, as the activity does."""
        bound = {
            "approval_id": self.request.approval_id,
            "approval_digest": self.request.digest,
            "limit_minor": None,
            **changes,
        }
        made = intent(await self.state(), self.refund(), **bound)
        _, claim = await self.stores.ledger.claim(made)
        return claim.outcome

    async def told(self) -> int:
        """How often the case is to be told of a decision."""
        count = "SELECT count(*) FROM outbox WHERE approval_id = $1 AND kind = 'decision'"
        return int(await self.owner.fetchval(count, self.request.approval_id))

    async def votes(self) -> list[tuple[int, str, str]]:
        votes = "SELECT asked, approver, verdict FROM approval_votes WHERE approval_id = $1"
        rows = await self.owner.fetch(f"{votes} ORDER BY at", self.request.approval_id)
        return [(row["asked"], row["approver"], row["verdict"]) for row in rows]

    async def details(self, event: str) -> list[str]:
        """What the case's audit rows of one kind say."""
        trail = await self.stores.audit.trail(self.case_id, MAIN)
        return [row.detail for row in reversed(trail) if row.event == event]
