"""Cases that stand at every step of every path while their servers are struck."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from temporalio.client import WorkflowFailureError

from runtime.embedded.stack import ServerName
from starters.session import Session
from tests.faults.chaos.people import approve
from tests.faults.checked import assert_invariants
from tests.faults.servers.own import OwnServers, relays_to, session_of
from tests.faults.servers.strikes import Strike, Struck
from tests.workflows.left import left_of
from tests.workflows.plays import Play, worker_with_doors
from tests.workflows.stands import SPOTS, Spot
from tests.workflows.support import Gate
from workers.composition import sandbox_gateways

#: How long cases may take once the servers are back. Temporal's client gives a connection up that
#: carries nothing after 45 s; until then a case may wait to report its end.
_PATIENCE_S = 120.0
#: Few, so that each is soon where it is to stand, on a busy machine too.
_AT_A_TIME = 4
#: So many cases are sent to a place until one is there in time.
_TRIES = 4


@dataclass(frozen=True)
class Held:
    """A case that stands where its spot says, until it is let go."""

    spot: Spot
    play: Play
    gate: Gate


@asynccontextmanager
async def cases_at_every_step(
    far: Session, near: Session, spots: Sequence[Spot] = SPOTS
) -> AsyncGenerator[list[Held]]:
    """One case for each spot, on one worker that has the servers of `far`."""
    async with worker_with_doors(far, sandbox_gateways(far.stores, far.settings)) as doors:
        few = asyncio.Semaphore(_AT_A_TIME)

        async def lead(spot: Spot) -> Held:
            async with few:
                for _ in range(_TRIES):
                    play = Play(near, doors)
                    with suppress(TimeoutError, AssertionError):  # the machine is too busy
                        return Held(spot, play, await spot.reach(play))
            raise TimeoutError(f"no case came to {spot}")

        yield list(await asyncio.gather(*map(lead, spots)))


async def all_survive(own: OwnServers, name: ServerName, strike: Strike) -> None:
    """Strike the server under cases at every step; each ends, and ledger and provider agree."""
    settings = own.settings
    async with (
        relays_to(own) as relays,
        session_of(own.through(relays), settings, connections=40) as far,
        session_of(own.direct, settings, connections=20) as near,
        cases_at_every_step(far, near) as cases,
    ):

        def let_go() -> None:
            for held in cases:
                held.gate.open.set()

        await strike(Struck(own, name, relays[name]), let_go)
        async with _approved(near), asyncio.TaskGroup() as survivors:
            for held in cases:
                survivors.create_task(_survives(held))
        # Where the test itself lets the mail fail for good, a person must answer.
        answered = [held for held in cases if "send_answer" not in held.spot.stand.fails]
        await assert_invariants(near.stores, settings, [held.play.case_id for held in answered])


@asynccontextmanager
async def _approved(near: Session) -> AsyncGenerator[None]:
    """Within the block a person approves whatever is asked."""
    person = asyncio.create_task(approve(near))
    try:
        yield
    finally:
        person.cancel()
        with suppress(asyncio.CancelledError):
            await person


async def _survives(held: Held) -> None:
    """It ends, and all it left fits together."""
    try:
        async with asyncio.timeout(_PATIENCE_S):
            with suppress(WorkflowFailureError):  # it may have been cancelled
                await held.play.handle.result()
        left = await left_of(held.play)
        left.is_settled()
        left.was_undone_newest_first(cancelled=held.spot.stand.cancelled)
    except Exception as error:
        error.add_note(f"a case at {held.spot}")
        raise
