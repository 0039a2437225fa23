"""What every test of a fault ends with: all that must hold, holds."""

from collections.abc import Iterable, Sequence

from cases.invariants import InvariantReport
from gateways.sandbox.payments import SandboxPayments
from runtime.settings import Settings
from stores.invariants import Scope
from tests.conftest import SmallWorld
from tests.once.invariants import Tally
from tests.once.scenes import tally_of
from workers.composition import Stores
from workers.invariants import Check


async def check_invariants(
    stores: Stores,
    settings: Settings,
    case_ids: Iterable[str] | None = None,
    *,
    settled: bool = True,
) -> InvariantReport:
    """Check what `casekeeper invariants` does: of these cases, or of all that there are.

    By default everything must have ended (`--settled`).
    """
    scope = Scope(case_ids=None if case_ids is None else tuple(case_ids))
    payments = SandboxPayments(stores.sandbox)
    return await Check(stores, settings, payments, scope, settled=settled).run()


def problems_of(report: InvariantReport) -> list[str]:
    """What was found, one line each."""
    return [f"{one.invariant} {one.case_id}: {one.problem}" for one in report.findings]


async def assert_invariants(
    stores: Stores,
    settings: Settings,
    case_ids: Iterable[str] | None = None,
    *,
    settled: bool = True,
) -> InvariantReport:
    """As `check_invariants`; raises an AssertionError that names what does not hold."""
    report = await check_invariants(stores, settings, case_ids, settled=settled)
    problems = problems_of(report)
    assert not problems, "\n".join(problems)
    return report


async def checked_tally(worlds: Sequence[SmallWorld]) -> Tally:
    """What left the house for these customers, whose cases have all ended as they must."""
    session = worlds[0].session
    cases = [f"case_{world.number}" for world in worlds]
    await assert_invariants(session.stores, session.settings, cases)
    return await tally_of(worlds)
