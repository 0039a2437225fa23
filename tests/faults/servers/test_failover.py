"""Postgres fails over to its standby: with a synchronous one nothing is lost, else little is."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import pytest

from cases.comparison import DifferenceKind
from cases.ids import refund_key
from cases.invariants import Invariant
from cases.state import CaseStatus
from runtime.servers import Servers
from runtime.settings import Settings
from starters.reconcile import reconcile_now
from starters.session import CaseHandle, Session
from stores.postgres import Pool
from tests.conftest import SmallWorld
from tests.faults.checked import check_invariants, checked_tally
from tests.faults.servers.lone_postgres import LonePostgres
from tests.faults.servers.own import session_of
from tests.faults.servers.relay import Relay, relayed
from tests.once.invariants import Tally
from tests.once.scenes import PATIENCE_S
from tests.workflows.support import BILLING, BOTH, eventually
from workers.composition import all_activities, reconciliation, sandbox_gateways
from workers.main import build_worker
from workers.preparation import prepare

pytestmark = pytest.mark.timeout(240)

_CASES = 12
_CAUGHT_UP = "SELECT bool_and(replay_lsn >= pg_current_wal_lsn()) FROM pg_stat_replication"


class Pair(NamedTuple):
    """A primary and its standby, and the two networks before and between them."""

    primary: LonePostgres
    standby: LonePostgres
    #: What everybody calls the database.
    address: Relay
    #: How the standby hears of what is new.
    between: Relay
    session: Session

    async def fail_over(self) -> None:
        """The primary is gone, the standby takes over, and the address moves to it."""
        await asyncio.to_thread(self.primary.kill)
        await _execute(self.standby, "SELECT pg_promote()")
        self.address.target = self.standby.port


@pytest.fixture
async def outside(servers: Servers, owner: Pool) -> AsyncGenerator[str]:
    """An outside world of the test's own: the reconciliation looks at all of it."""
    await owner.execute("CREATE DATABASE outside")
    yield servers.owner_database_url.rpartition("/")[0] + "/outside"
    await owner.execute("DROP DATABASE outside WITH (FORCE)")


@pytest.fixture
async def pair(
    servers: Servers, settings: Settings, outside: str, tmp_path: Path
) -> AsyncGenerator[Pair]:
    """Casekeeper's database with a standby; Temporal and Redis are the session's."""
    async with _primary(tmp_path / "primary") as primary:
        update = {
            "database_url": primary.url,
            "owner_database_url": primary.owner_url,
            "sandbox_database_url": outside,
        }
        await prepare(servers.model_copy(update=update), schedules=False)
        async with relayed(primary.port) as address, relayed(primary.port) as between:
            standby = await asyncio.to_thread(primary.copied_to, tmp_path / "standby", between.port)
            try:
                await asyncio.to_thread(standby.start)
                moved = {
                    "database_url": primary.url.replace(f":{primary.port}/", f":{address.port}/"),
                    "sandbox_database_url": outside,
                }
                far = servers.model_copy(update=moved)
                async with session_of(far, settings, connections=20) as session:
                    yield Pair(primary, standby, address, between, session)
            finally:
                standby.close()


@asynccontextmanager
async def _primary(folder: Path) -> AsyncGenerator[LonePostgres]:
    postgres = LonePostgres.in_folder(folder)
    try:
        await asyncio.to_thread(postgres.prepare)
        await asyncio.to_thread(postgres.start)
        yield postgres
    finally:
        postgres.close()


async def _execute(postgres: LonePostgres, *statements: str) -> None:
    owner = await asyncpg.connect(postgres.owner_url)
    try:
        for statement in statements:
            await owner.execute(statement)
    finally:
        await owner.close()


async def _begin(pair: Pair, number: str, text: str) -> tuple[list[SmallWorld], list[CaseHandle]]:
    worlds = [SmallWorld(pair.session, f"{number}-{place}") for place in range(_CASES)]
    for world in worlds:
        await world.twins()
    return worlds, [await world.start(text) for world in worlds]


async def _has_caught_up(pair: Pair) -> bool:
    """Whether the standby has all that was committed so far; only the owner may ask."""
    owner = await asyncpg.connect(pair.primary.owner_url)
    try:
        return bool(await owner.fetchval(_CAUGHT_UP))
    finally:
        await owner.close()


def _activities(session: Session) -> list[Callable[..., Any]]:
    """As a worker has them; but the reconciliation looks at what has just happened, too."""
    gateways = sandbox_gateways(session.stores, session.settings)
    prompt = reconciliation(session.stores, gateways, in_flight=timedelta(0)).all()
    names = {activity.__name__ for activity in prompt}
    others = all_activities(session.stores, gateways)
    return [*(one for one in others if one.__name__ not in names), *prompt]


async def _refunds(worlds: Sequence[SmallWorld]) -> int:
    return sum([len(await world.refunds()) for world in worlds])


async def test_a_failover_to_a_synchronous_standby_loses_nothing(pair: Pair, number: str) -> None:
    await _execute(
        pair.primary,
        "ALTER SYSTEM SET synchronous_standby_names = '*'",
        "SELECT pg_reload_conf()",
    )
    session = pair.session
    worlds, handles = await _begin(pair, number, BOTH)

    async def some_are_paid() -> bool:
        return await _refunds(worlds) >= _CASES // 3

    async with build_worker(session.temporal, _activities(session), session.settings):
        await eventually(some_are_paid)
        await pair.fail_over()
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*(handle.result() for handle in handles))

    assert await checked_tally(worlds) == Tally(refunds=_CASES, resets=_CASES, answers=_CASES)


async def test_what_an_asynchronous_standby_lacks_is_found_and_not_paid_again(
    pair: Pair, number: str
) -> None:
    """docs/disaster.md: the cases' rows are gone, what they paid is not."""
    session = pair.session
    worlds, handles = await _begin(pair, number, BILLING)
    await eventually(lambda: _has_caught_up(pair))
    pair.between.go_deaf()
    async with build_worker(session.temporal, _activities(session), session.settings):
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*(handle.result() for handle in handles))
    assert await _refunds(worlds) == _CASES
    await pair.fail_over()
    left = [(await world.state()).completed_steps for world in worlds]
    assert left == [("open",)] * _CASES
    await _execute(pair.standby, "UPDATE cases SET updated_at = updated_at - interval '2 hours'")

    async with build_worker(session.temporal, _activities(session), session.settings):
        report = await reconcile_now(session, 1)
        again = [await world.start(BILLING, f"again_{world.number}") for world in worlds]
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*(handle.result() for handle in again))

    # What Temporal believes done, and the record does not: a person's, and nothing is undone.
    assert {(await world.state()).status for world in worlds} == {CaseStatus.MANUAL_REVIEW}
    keys = {refund_key("sandbox", f"ch_{world.number}_1", 1) for world in worlds}
    assert report.compared
    differences = report.compared.differences
    assert {one.kind for one in differences} == {DifferenceKind.MISSING_HERE}
    assert {one.subject for one in differences} == keys
    told = (await check_invariants(session.stores, session.settings)).of(Invariant.ON_RECORD)
    assert [key for key in keys if not any(key in one.problem for one in told)] == []
    assert await _refunds(worlds) == _CASES
