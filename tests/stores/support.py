"""What the tests of the stores share: small steps of a case, and intents of effects."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, ClassVar

import asyncpg
from redis.asyncio import Redis

from cases.approvals import (
    Approval,
    ApprovalRequest,
    ApprovalSection,
    ApprovalState,
    Verdict,
    request_approval,
)
from cases.billing import RefundOrder
from cases.effects import EffectIntent, RefundItem, RefundSection, refund_intent
from cases.errors import CaseNotFound
from cases.ids import MAIN
from cases.money import Money
from cases.ports import Committed
from cases.sections import Section
from cases.state import CaseState, CaseStatus, Message, StepUpdate
from runtime.servers import Servers
from stores.cases import PostgresCases
from stores.postgres import Pool
from workers.composition import Stores

TEXT = "I was charged twice, and I still can't log in."

#: Values that careless stores damage.
HARD_VALUES: dict[str, Any] = {
    "empty_list": [],
    "empty_object": {},
    "nothing": None,
    "nested": {"list": [[], {}, None], "none": {"a": None}},
    "beyond_2_53": 2**53 + 1,
    "beyond_64_bits": 10**30,
    "float": 0.30000000000000004,
    "whole_float": 1.0,
    "emoji": "👩‍👩‍👧 refund 💸",
    "right_to_left": "חויבתי פעמיים \u202eabc",
    "nul": "a\u0000b",
    "quotes": "\\u0000 \" \\ ' $1 %s \n\t",
    "combining": "e\u0301 is not é",
    "nested_60_levels": json.loads('[{"a":' * 30 + "null" + "}]" * 30),
}


class ProbeSection(Section):
    """A section of the tests: holds anything."""

    name: ClassVar[str] = "probe"
    owner: ClassVar[str] = "prober"

    content: Any = None


class OtherProbeSection(Section):
    """Another one, of another owner."""

    name: ClassVar[str] = "other_probe"
    owner: ClassVar[str] = "other_prober"

    content: Any = None


def request(text: str = TEXT) -> Message:
    return Message(message_id="request", text=text, received_at=datetime.now(UTC))


def step(name: str, *sections: Section, **fields: Any) -> StepUpdate:
    """A step that writes the sections as their owner."""
    fields.setdefault("owner", sections[0].owner if sections else ProbeSection.owner)
    return StepUpdate(step=name, sections={one.name: one for one in sections}, **fields)


def probe(content: Any = None, name: str = "probe:1") -> StepUpdate:
    return step(name, ProbeSection(content=content))


def other(content: Any = None, name: str = "other:1") -> StepUpdate:
    return step(name, OtherProbeSection(content=content))


async def opened(stores: Stores, case_id: str, customer_id: str = "") -> CaseState:
    """A case that was just put on record."""
    await stores.cases.open(case_id, MAIN, customer_id or f"cus_{case_id}", request())
    return await stores.cases.load(case_id, MAIN)


async def commit(cases: PostgresCases, state: CaseState, *updates: StepUpdate) -> Committed:
    """Commit steps that were made from a state."""
    names = [name for update in updates for name in update.sections]
    return await cases.commit(state.case_id, state.branch, updates, state.expected(*names))


def usd(minor: int) -> Money:
    return Money(amount_minor=minor, currency="USD")


def order(number: str, minor: int = 4999, slot: int = 1, currency: str = "USD") -> RefundOrder:
    return RefundOrder(
        charge_id=f"ch_{number}_{slot}",
        amount=Money(amount_minor=minor, currency=currency),
        anchor_charge=f"ch_{number}_0",
        slot=slot,
    )


def intent(state: CaseState, one: RefundOrder, **changes: Any) -> EffectIntent:
    """The refund of an order, within a limit of 500.00."""
    made = refund_intent(
        one,
        case_id=state.case_id,
        branch=state.branch,
        customer_id=state.customer_id,
        provider_account="acct_1",
    )
    return made.model_copy(update={"limit_minor": 50_000, **changes})


def refund_step(one: RefundOrder, outcome: Any) -> StepUpdate:
    item = RefundItem(charge_id=one.charge_id, amount=one.amount, state=outcome.state)
    return step(f"refund:{one.anchor_charge}:{one.slot}", RefundSection.of((item,)))


def asks(
    case_id: str, *orders: RefundOrder, evidence: str = "e1", branch: str = MAIN
) -> ApprovalRequest:
    """The request of a person's decision about these orders."""
    total = Money.zero(orders[0].amount.currency)
    for one in orders:
        total += one.amount
    return request_approval(
        case_id=case_id,
        branch=branch,
        amount=total,
        orders=orders,
        policy=(1, "above_limit"),
        evidence=evidence,
    )


def asking_step(asked: ApprovalRequest, name: str = "approval_request:1") -> StepUpdate:
    section = ApprovalSection(
        approval_id=asked.approval_id,
        state=ApprovalState.PENDING,
        amount=asked.amount,
        digest=asked.digest,
    )
    return step(name, section, approval_request=asked)


async def events(stores: Stores, case_id: str) -> list[str]:
    """The kinds of the case's audit rows, oldest first."""
    try:
        trail = await stores.audit.trail(case_id, MAIN, limit=100_000)
        return [row.event for row in reversed(trail)]
    except CaseNotFound:
        return []


@asynccontextmanager
async def own_database(servers: Servers, name: str) -> AsyncGenerator[str]:
    """The address of an empty database on the session's Postgres, dropped at the end."""
    admin = await asyncpg.connect(servers.owner_database_url)
    try:
        await admin.execute(f'CREATE DATABASE "{name}"')
        try:
            address, _, _ = servers.owner_database_url.rpartition("/")
            yield f"{address}/{name}"
        finally:
            await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await admin.close()


class Waiting:
    """A case that waits for a decision about 600.00."""

    def __init__(self, stores: Stores, owner: Pool, case_id: str, number: str) -> None:
        self.stores, self.owner, self.case_id, self.number = stores, owner, case_id, number
        self.request = asks(case_id, order(number, 60_000))

    async def approver(self, name: str = "ann", limits: dict[str, int] | None = None) -> str:
        given = {"USD": 60_000} if limits is None else limits
        token = await self.stores.approvers.add(f"{name}-{self.number}", given)
        assert token
        return token

    async def state(self) -> CaseState:
        return await self.stores.cases.load(self.case_id, MAIN)

    async def row(self) -> Approval:
        return await self.stores.approvals.read(self.request.approval_id)

    async def decide(self, token: str, verdict: Verdict = Verdict.APPROVED, note: str = "") -> None:
        await self.stores.approvals.decide(
            await self.state(), await self.row(), token, verdict, note
        )

    async def ask_again(self, evidence: str, name: str) -> Approval:
        request = asks(self.case_id, order(self.number, 60_000), evidence=evidence)
        await commit(self.stores.cases, await self.state(), asking_step(request, name))
        return await self.stores.approvals.read(request.approval_id)

    async def expire(self) -> None:
        past = "UPDATE approvals SET expires_at = clock_timestamp() WHERE approval_id = $1"
        await self.owner.execute(past, self.request.approval_id)

    async def refusals(self) -> Sequence[str]:
        trail = await self.stores.audit.trail(self.case_id, MAIN)
        refused = [row for row in reversed(trail) if row.event == "decision_refused"]
        return [f"{row.actor}: {row.detail}" for row in refused]


async def tell(redis: Redis, *command: str | int) -> Any:
    """Send a command of the administrator; the client's own methods for them are untyped."""
    untyped: Any = redis
    return await untyped.execute_command(*command)


def key(state: CaseState) -> str:
    return f"case:{{{state.case_id}}}:{state.branch}"


def later_steps(state: CaseState) -> list[tuple[StepUpdate, int]]:
    """Steps that touch everything, at versions 2 to 5."""
    more = Message(message_id="m2", text="more 💸", received_at=state.messages[0].received_at)
    return [
        (probe([]).model_copy(update={"status": CaseStatus.INVESTIGATING}), 2),
        (step("message:m2", owner="intake", messages=(more,), retries={"intake": 1}), 3),
        (other({}).model_copy(update={"error": "broke", "retries": {"intake": 2, "x": 1}}), 4),
        (probe({"a": None}, name="probe:2").model_copy(update={"status": CaseStatus.SETTLING}), 5),
    ]


def reduced(state: CaseState) -> CaseState:
    for update, version in later_steps(state):
        state = state.after(update, version)
    return state


async def blocked_by(blocker: Any) -> int:
    """Wait until another backend waits for this connection's locks; its pid."""
    waiting = "SELECT pid FROM pg_stat_activity WHERE $1 = ANY(pg_blocking_pids(pid)) LIMIT 1"
    async with asyncio.timeout(10):
        while True:
            pid = await blocker.fetchval(waiting, blocker.get_server_pid())
            if pid:
                return int(pid)
            await asyncio.sleep(0.02)
