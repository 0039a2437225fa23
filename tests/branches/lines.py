"""Cases to branch off, and what may be otherwise at each of their checkpoints."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from cases.approvals import Verdict
from cases.billing import BillingSection
from cases.edits import parse_edit
from cases.effects import ResolutionSection
from cases.policy import PolicySection
from cases.sections import Section
from cases.state import CaseState
from starters.fork import fork_case
from starters.session import CaseHandle
from tests.conftest import SmallWorld
from tests.workflows.support import BOTH, decided, finish, parked

#: What each kind of case is charged twice: the second one needs a person.
AMOUNTS: Mapping[str, int] = {"case_8842": 4999, "approved 1,200.00": 120_000}
EDITS = ("unchanged", "amount", "decision", "text")


class Outside(NamedTuple):
    """What the outside world has of a customer."""

    refunds: list[tuple[str, int]]
    resets: int
    answers: list[str]


async def outside(world: SmallWorld) -> Outside:
    refunds = [(r["charge_id"], r["amount_minor"]) for r in await world.refunds()]
    answers = [mail["body"] for mail in await world.mails("answer")]
    return Outside(refunds, len(await world.mails("reset")), answers)


async def lived(kind: str, world: SmallWorld) -> CaseHandle:
    """A case of that kind, brought to its end."""
    await world.twins(AMOUNTS[kind])
    handle = await world.start(BOTH)
    if kind != "case_8842":
        await parked(handle)
        await decided(world, Verdict.APPROVED)
    assert await finish(handle) == "answered"
    return handle


def edits(what: str, state: CaseState) -> list[str]:
    """The edit of that kind which the checkpoint allows: of the newest section that has such."""
    for kind, section, edit in _EDITS:
        if kind == what and (section is None or state.get(section)):
            return [edit]
    return []


_EDITS: Sequence[tuple[str, type[Section] | None, str]] = (
    ("amount", PolicySection, "policy.amount=40.00"),
    ("amount", BillingSection, "billing.refundable=40.00"),
    ("decision", PolicySection, "policy.decision=no_action"),
    ("decision", BillingSection, "billing.refundable=0"),
    ("text", ResolutionSection, "resolution.answer=Hello, we are looking into it."),
    ("text", None, "request.text=I was charged twice for one order, please help."),
)


async def branch_off(
    world: SmallWorld, version: int, what: Sequence[str], parent: str = "main"
) -> tuple[str, CaseHandle]:
    """Fork as `casekeeper fork` does; the branch's name and its workflow."""
    case_id = f"case_{world.number}"
    given = [parse_edit(text) for text in what]
    begun = await fork_case(world.session, case_id, (parent, version), given, by="kim")
    return begun["branch"], world.session.handle(case_id, begun["branch"])


async def modes(world: SmallWorld, branch: str) -> dict[str, str]:
    """How the branch's effects were answered, by their kind."""
    found = await world.session.stores.branches.effects(f"case_{world.number}", branch)
    return {effect.kind.value: effect.mode.value for effect in found}
