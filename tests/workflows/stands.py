"""How a case gets to stand at each await point of its workflow, and is held there."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from activities.agents import AGENTS
from cases.approvals import Verdict
from cases.messages import CustomerMessage
from tests.workflows.await_points import AwaitPoint
from tests.workflows.doors import AFTER, BEFORE
from tests.workflows.plays import Play
from tests.workflows.support import BOTH, Gate, decided, parked
from workflows.support_case import SupportCaseWorkflow

SMALL, LARGE = 4999, 74_900
HELLO = "Hello?"
Lead = Callable[[Play], Awaitable[None]]


async def _deny(play: Play) -> None:
    await parked(play.handle)
    await decided(play.world, Verdict.DENIED, play.case_id)


async def _forge(play: Play) -> None:
    await parked(play.handle)
    await play.forge()


async def _forge_early(play: Play) -> None:
    await play.forge()


async def _write(play: Play) -> None:
    await parked(play.handle)
    await play.handle.signal(SupportCaseWorkflow.customer_said, CustomerMessage(text=HELLO))


async def _cancel(play: Play) -> None:
    await parked(play.handle)
    await play.world.until_mailed("reset")
    await play.handle.cancel()


@dataclass(frozen=True)
class Stand:
    """What leads a case to an await point; without an activity it waits there for a person."""

    activity: str = ""
    amount: int = SMALL
    lead: Lead | None = None
    #: Activities that fail for good on the way: before they act, or when only the report is left.
    fails: tuple[str, ...] = ()
    loses: tuple[str, ...] = ()
    #: The answer is on its way or sent: a cancel changes nothing for the customer.
    answered: bool = False
    #: Cancelled on the way: another cancel is the second.
    cancelled: bool = False

    @property
    def pays(self) -> bool:
        """Whether a refund is made where nothing but this happens."""
        failed = {"billing_agent", "issue_refund"} & set(self.fails)
        return not (failed or self.cancelled or self.lead is _deny)

    @property
    def holds(self) -> Sequence[str]:
        """An activity is held before it has done anything, or once it is done and not heard of."""
        return (BEFORE, AFTER) if self.activity else ("",)


def _late(activity: str, lead: Lead = _cancel, **fields: Any) -> Stand:
    return Stand(activity, LARGE, lead=lead, cancelled=True, **fields)


#: Only a request that is also about the login gets a case there.
ABOUT_LOGIN = frozenset({"account_agent", "send_reset_mail", "give_up_reset_mail"})

_PARKED = (Stand(amount=LARGE),)


def _judging(agent: str) -> Sequence[Stand]:
    stands = [Stand(agent), Stand(agent, LARGE)]
    match agent:
        case "policy_agent":
            return stands
        case "response_agent":
            return [stands[0], _late(agent)]
        case _:
            return stands[:1]


def _effect(activity: str, give_up: str, **fields: Any) -> dict[AwaitPoint, Sequence[Stand]]:
    failed = Stand(give_up, fails=(activity,), **fields)
    lost = Stand(give_up, loses=(activity,), **fields)
    return {
        AwaitPoint("Steps._effect", activity): (Stand(activity, **fields),),
        AwaitPoint("Steps._effect", give_up): (failed, lost),
    }


#: Where a case may stand, and how it gets there.
STANDS: Mapping[AwaitPoint, Sequence[Stand]] = {
    AwaitPoint("Steps.open", "open_case"): (Stand("open_case"),),
    **{
        AwaitPoint("Steps._judge", agent.activity_name()): _judging(agent.activity_name())
        for agent in AGENTS
    },
    AwaitPoint("Steps._judge", "record_failure"): (
        Stand("record_failure", fails=("billing_agent",)),
        Stand("record_failure", fails=("response_agent",)),
    ),
    **_effect("send_reset_mail", "give_up_reset_mail"),
    **_effect("issue_refund", "give_up_refund"),
    **_effect("send_answer", "give_up_answer", answered=True),
    AwaitPoint("Steps.revoke_reset", "revoke_reset"): (_late("revoke_reset"),),
    AwaitPoint("Steps.hand_over", "hand_over"): (_late("hand_over", fails=("revoke_reset",)),),
    AwaitPoint("Steps.record_message", "record_message"): (
        Stand("record_message", LARGE, lead=_write),
    ),
    AwaitPoint("Steps.read_decision", "read_decision"): (
        Stand("read_decision", LARGE, lead=_deny),
    ),
    AwaitPoint("Steps._end_request", "close_approval"): (_late("close_approval"),),
    AwaitPoint("Steps.note_stray", "note_stray"): (
        Stand("note_stray", LARGE, lead=_forge),
        Stand("note_stray", lead=_forge_early, answered=True),
    ),
    AwaitPoint("ApprovalDesk.wait", "a condition"): _PARKED,
    AwaitPoint("ApprovalDesk._watch_clock", "Remind the approvers"): _PARKED,
}
#: The same, where a clock must run on.
CLOCK_STANDS: Mapping[AwaitPoint, Sequence[Stand]] = {
    AwaitPoint("Steps.remind_approvers", "remind_approvers"): (Stand("remind_approvers", LARGE),),
    AwaitPoint("ApprovalDesk._watch_clock", "The approval request expires"): _PARKED,
    AwaitPoint("Steps._end_request", "close_approval"): (Stand("close_approval", LARGE),),
}
#: Where no case can stand, and why.
NOBODY_STANDS: Mapping[AwaitPoint, str] = {
    AwaitPoint("SupportCaseWorkflow.run", "a condition"): "no signal handler waits for anything",
    AwaitPoint("Steps.resume", "resume_branch"): "a branch: see test_branch_decisions",
    AwaitPoint("Steps.assume_decision", "assume_decision"): "a branch: see test_branch_decisions",
}


@dataclass(frozen=True)
class Spot:
    """A stand, and on which side of its activity the case is held."""

    point: AwaitPoint
    stand: Stand
    when: str

    def __str__(self) -> str:
        place = list(STANDS[self.point]).index(self.stand) + 1
        return "-".join(filter(None, [str(self.point), str(place), self.when]))

    async def reach(self, play: Play, text: str = BOTH) -> Gate:
        """Lead the case there; it goes on when the gate is opened."""
        stand = self.stand
        for kind in stand.fails:
            play.doors.fail(play.case_id, kind)
        for kind in stand.loses:
            play.doors.fail(play.case_id, kind, AFTER)
        gate = Gate()
        if stand.activity:
            gate = play.doors.hold(play.case_id, stand.activity, self.when)
        await play.world.twins(stand.amount)
        await play.start(text)
        if stand.lead:
            await stand.lead(play)
        await (gate.until_reached() if stand.activity else parked(play.handle))
        return gate


SPOTS = [
    Spot(point, stand, when)
    for point, stands in STANDS.items()
    for stand in stands
    for when in stand.holds
]
