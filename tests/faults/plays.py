"""What people do with a case until it is done; whoever was cut off can do it all again.

A play runs in the process of the worker (`killed_worker.py`), so that a kill ends the person's
command with it. The next process begins the play anew, as a person would.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from temporalio.api.enums.v1 import EventType
from temporalio.service import RPCError

from cases.approvals import ApprovalState, Verdict
from cases.correction_plan import make_plan
from cases.effects import reset_intent
from cases.ids import MAIN
from cases.messages import ApprovalNotice
from cases.rates import Rate
from gateways.sandbox.clock import advance
from runtime.keys import CUSTOMER_KEYS, KeyFile, rotate
from starters.promote import promote_branch
from starters.unlock import unlock_account
from stores.approvers import PostgresApprovers
from stores.erasure import PostgresErasure
from stores.hot import RedisHotStore
from stores.leases import RedisLeases
from stores.limits import RedisRateLimits
from tests.conftest import SmallWorld
from tests.faults.stage import PATIENCE_S, Stage, end
from tests.workflows.support import ACCOUNT, BILLING, BOTH, events_of, eventually, of_type
from workers.composition import customer_keys
from workflows.support_case import SupportCaseWorkflow

LARGE, SMALL = 74_900, 4999


async def approve(stage: Stage) -> None:
    """Above the limit: approvers hear of it, one approves, the case is paid and answered."""
    handle = await stage.begin(BOTH)
    async with stage.delivering():
        request = await stage.request()
        await eventually(stage.told, PATIENCE_S)
        await stage.decide(request, Verdict.APPROVED)
        await end(handle)


async def cancel(stage: Stage) -> None:
    """Cancelled while a person is asked: what was begun is undone."""
    handle = await stage.begin(BOTH)
    await stage.standing()
    with suppress(RPCError):  # it has ended
        await handle.cancel()
    await end(handle)


async def forge(stage: Stage) -> None:
    """A signal that fits nothing, then a denial."""
    handle = await stage.begin(BILLING)
    request = await stage.request()
    events = await events_of(handle)
    if not of_type(events, EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED):
        forged = ApprovalNotice(approval_id="apr_nobody", verdict="approved")
        await handle.signal(SupportCaseWorkflow.approval_decided, forged)
    await eventually(stage.has_ignored, PATIENCE_S)
    await stage.decide(request, Verdict.DENIED)
    await end(handle)


async def unlock(stage: Stage) -> None:
    """A locked account, which a person unlocks."""
    await end(await stage.begin(ACCOUNT))
    await unlock_account(stage.session, stage.case_id, "It is them.")


async def promote(stage: Stage) -> None:
    """A branch that pays less takes the place of a case that waits for a person."""
    await stage.begin(BOTH)
    await stage.standing()
    await stage.branch("policy.amount=40.00")
    stores = stage.session.stores
    if not (await stores.promotions.facts(stage.case_id, "b1")).promoted:
        _, handle = await promote_branch(stage.session, stage.case_id, "b1")
        asked = await stores.approvals.of_promotion(stage.case_id, "b1")
        assert asked
        await stage.decide(asked, Verdict.APPROVED)
        async with asyncio.timeout(PATIENCE_S):
            await handle.result()


async def reconcile(stage: Stage) -> None:
    """A refund that its provider carries out hours later."""
    await end(await stage.begin(BILLING))
    await stage.reconcile()
    await advance(stage.session.stores.sandbox, timedelta(hours=2))
    await stage.owner.execute(
        "UPDATE effects SET claimed_at = claimed_at - interval '2 h', "
        "looked_at = looked_at - interval '2 h' WHERE case_id = $1 AND state = 'pending'",
        stage.case_id,
    )
    await stage.reconcile()


async def erase(stage: Stage) -> None:
    """A customer whose case has ended is erased, after their key was wrapped anew."""
    await end(await stage.begin(BILLING))
    erasure, file = PostgresErasure(stage.owner), stage.session.servers.customer_keys
    assert file
    rotate(file, CUSTOMER_KEYS)
    await erasure.rewrap(KeyFile(file, CUSTOMER_KEYS))
    await erasure.erase(stage.world.customer_id, "operator", "asked for")


async def do_the_rest(stage: Stage) -> None:
    """What takes days, or other people: its commits alone, each as often as it is cut off."""
    handle = await stage.begin(BOTH)
    request = await stage.standing()
    stores = stage.session.stores
    await stores.approvals.remind(request.approval_id)
    intent = reset_intent(case_id=stage.case_id, branch=MAIN, customer_id=stage.world.customer_id)
    await stores.ledger.missed(intent, timedelta(minutes=1))
    approvers = PostgresApprovers(stage.owner)
    await approvers.add(f"deputy-{stage.world.number}", {"USD": 1})
    await approvers.revoke(f"deputy-{stage.world.number}")
    await _ask_and_let_expire(stage)
    await _use_redis(stage)
    # A process that has not seen the case before.
    await customer_keys(stores.pool, stage.session.servers).of_case(stage.case_id)
    await stage.decide(request, Verdict.DENIED)
    await end(handle)


async def _ask_and_let_expire(stage: Stage) -> None:
    await stage.branch("policy.amount=40.00")
    promotions = stage.session.stores.promotions
    asked = await stage.session.stores.approvals.of_promotion(stage.case_id, "b1")
    if asked is None:
        facts = await promotions.facts(stage.case_id, "b1")
        plan = make_plan(facts)
        await promotions.ask(facts, plan, "operator", 1)
        asked = await stage.session.stores.approvals.of_promotion(stage.case_id, "b1")
    assert asked
    await promotions.close(asked.approval_id, ApprovalState.EXPIRED)


async def _use_redis(stage: Stage) -> None:
    redis = stage.session.stores.redis
    limits = RedisRateLimits(redis)
    await limits.take({f"model:{stage.case_id}": Rate(count=1, per_s=1)})
    await limits.pause(stage.case_id, timedelta(milliseconds=1))
    leases = RedisLeases(redis)
    lease = await leases.acquire(stage.case_id, 1, holder="this test")
    assert lease
    await leases.renew(lease)
    await leases.release(lease)
    await RedisHotStore(redis).drop(stage.case_id, MAIN)


@dataclass(frozen=True)
class Play:
    """What is done, and to what kind of customer."""

    act: Callable[[Stage], Awaitable[None]]
    amount: int = LARGE
    locked: bool = False
    script: tuple[str, ...] = ()
    #: The points that are killed in this play; those of no play are in `approve`.
    places: frozenset[str] = frozenset()

    async def prepare(self, world: SmallWorld) -> None:
        """Put the customer and their charges into the sandbox."""
        if self.locked:
            await world.customer(locked=True)
        else:
            await world.twins(self.amount, script=list(self.script))


def _of(postgres: str, others: str = "") -> frozenset[str]:
    return frozenset([*(f"postgres.{name}" for name in postgres.split()), *others.split()])


PLAYS: Mapping[str, Play] = {
    "approve": Play(approve),
    "cancel": Play(
        cancel,
        places=_of(
            "close_approval end_compensation", "accounts.revoke_reset temporal.cancel_workflow"
        ),
    ),
    "forge": Play(forge, places=_of("note_event")),
    "unlock": Play(unlock, locked=True, places=_of("hand_over finish_task", "accounts.unlock")),
    "promote": Play(
        promote,
        places=_of(
            "fork_case request_promotion begin_promotion complete_promotion",
            "temporal.terminate_workflow",
        ),
    ),
    "reconcile": Play(
        reconcile, SMALL, script=("pending",), places=_of("note_looked_at resolve_effect")
    ),
    "erase": Play(erase, SMALL, places=_of("rewrap_key erase_customer")),
    "do_the_rest": Play(
        do_the_rest,
        places=_of(
            "remind_approval note_not_found add_approver revoke_approver close_promotion "
            "key_of_case",
            "redis.SET redis.DEL redis.acquire redis.renew redis.release",
        ),
    ),
}


def play_of(place: str) -> str:
    """The play in which a worker is killed at that place."""
    return next((name for name, play in PLAYS.items() if place in play.places), "approve")
