"""Cases of many kinds, brought to their ends on a database of their own."""

from collections.abc import Awaitable, Callable, Mapping

from cases.approvals import Verdict
from cases.effects import EffectState, Outcome, ResolutionSection, answer_intent
from cases.ids import MAIN
from cases.policy import Decision, PolicySection
from cases.state import CaseStatus
from cases.tasks import TaskKind
from gateways.sandbox.mail import SandboxMail
from starters.session import Session
from tests.branches.lines import branch_off, lived
from tests.conftest import SmallWorld
from tests.once.scenes import all_end, begin
from tests.stores.support import commit, intent, opened, order, refund_step, step
from tests.workflows.promotions import forked, promoted
from tests.workflows.support import BILLING, NOT_RECOGNISED, decided, finish, parked

_GAVE_UP = Outcome(state=EffectState.UNKNOWN, code="gave_up")


async def refunded(world: SmallWorld) -> None:
    """Within the limit: nobody is asked. A branch of it wants less."""
    await lived("case_8842", world)
    _, handle = await branch_off(world, 6, [])
    await finish(handle)


async def approved(world: SmallWorld) -> None:
    """Above the limit, and a person says yes."""
    await lived("approved 1,200.00", world)


async def denied(world: SmallWorld) -> None:
    """Above the limit, and a person says no."""
    await world.twins(120_000)
    handle = await world.start(BILLING)
    await parked(handle)
    await decided(world, Verdict.DENIED)
    assert await finish(handle) == "rejected"


async def cancelled(world: SmallWorld) -> None:
    """Cancelled while it waits, when the reset mail has gone out."""
    handle = await begin("revoked", world)
    await all_end([handle])


async def handed_over(world: SmallWorld) -> None:
    """A person must look, and nothing was paid."""
    await world.twins()
    assert await finish(await world.start(NOT_RECOGNISED)) == "manual_review"


async def promoted_branch(world: SmallWorld) -> None:
    """A branch pays a second charge back, and becomes the main line."""
    await lived("case_8842", world)
    await world.twins(count=1)
    branch = await forked(world, "understanding")
    _, result = await promoted(world, branch, Verdict.APPROVED)
    assert result.state == "promoted"


async def unknown(world: SmallWorld) -> None:
    """Nobody knows whether it was paid: a person must find out. Without a workflow."""
    stores, case_id = world.session.stores, f"case_{world.number}"
    charges = await world.twins()
    one = order(world.number).model_copy(
        update={"anchor_charge": charges[0], "charge_id": charges[1]}
    )
    state = await opened(stores, case_id, world.customer_id)
    policy = PolicySection(
        decision=Decision.REFUND,
        rule="proven_duplicate",
        reason="A duplicate.",
        policy_version=1,
        amount=one.amount,
        orders=(one,),
    )
    await commit(stores.cases, state, step("policy:1", policy))
    refund = intent(await stores.cases.load(case_id, MAIN), one)
    await stores.ledger.claim(refund)
    await stores.ledger.settle(refund, _GAVE_UP, refund_step(one, _GAVE_UP), {"refund": 0})
    subject = (case_id, MAIN)
    await stores.tasks.open(TaskKind.EFFECT_UNKNOWN, refund.key, "Look for it.", case=subject)
    text = "Hello, a colleague will look into it."
    answer = answer_intent(case_id=case_id, branch=MAIN, customer_id=world.customer_id, text=text)
    await stores.ledger.claim(answer)
    sent = await SandboxMail(stores.sandbox).send_answer(answer)
    section = ResolutionSection(answer=text, closes_as=CaseStatus.MANUAL_REVIEW, sent=True)
    closing = step("answer", section, status=CaseStatus.MANUAL_REVIEW)
    await stores.ledger.settle(answer, sent, closing, {"resolution": 0})


LIVES: Mapping[str, Callable[[SmallWorld], Awaitable[None]]] = {
    one.__name__: one
    for one in (refunded, approved, denied, cancelled, handed_over, promoted_branch, unknown)
}


def case_of(life: str) -> str:
    return f"case_{life}"


async def live_all(session: Session) -> None:
    """All of these lives; each case is called by its life."""
    for life, live in LIVES.items():
        await live(SmallWorld(session, life))
