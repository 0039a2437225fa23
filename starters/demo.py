"""`casekeeper demo`: the main job, on real servers, before your eyes."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from cases.approvals import Verdict
from cases.errors import CaseNotFound
from cases.ids import MAIN
from cases.money import Money
from cases.records import Record
from gateways.sandbox.world import World, load
from runtime.embedded.home import Home
from runtime.servers import (
    Servers,
    demo_home,
    find_embedded,
    find_servers,
    named_in_environment,
)
from runtime.settings import Settings, read_settings
from starters.approve import decide
from starters.case_view import print_answer, print_link, view_case
from starters.embedded import embedded_stack, worker_beside
from starters.session import Session, open_session
from starters.start import NewCase, start_case
from starters.terminal import JsonFlag, attempt, err, out, print_result
from workers.main import stop_on_signals
from workflows.support_case import SupportCaseWorkflow

_TWICE = "I was charged twice, and I still can't log in."
_BIG = "You have billed me two times for the annual team plan. Please pay one of them back."
#: How long a demo case may take, in seconds.
_PATIENCE_S = 120.0


class Scene(Record):
    """One case of the demo: a customer with two equal charges, and what they write."""

    case_id: str
    text: str
    amount_minor: int
    merchant: str
    description: str
    approve: bool = False


_SCENES = (
    Scene(
        case_id="case_8842",
        text=_TWICE,
        amount_minor=4999,
        merchant="Northwind Music",
        description="Family plan, November",
    ),
    Scene(
        case_id="case_1200",
        text=_BIG,
        amount_minor=120_000,
        merchant="Northwind Studio",
        description="Team plan, one year",
        approve=True,
    ),
)


def demo(
    keep_running: Annotated[
        bool, typer.Option("--keep-running", help="Leave the servers up until Ctrl-C.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Run two cases from start to answer: a double charge, and one that a person approves."""
    attempt(lambda: asyncio.run(_demo(keep_running, as_json)), as_json)


async def _demo(keep_running: bool, as_json: bool) -> None:
    settings = read_settings()
    stop = asyncio.Event()
    stop_on_signals(stop)
    async with AsyncExitStack() as stack:
        found = await stack.enter_async_context(_servers(settings))
        session = await stack.enter_async_context(open_session(found.servers))
        playing = asyncio.create_task(_play(session, quiet=as_json))
        interrupted = asyncio.create_task(stop.wait())
        await asyncio.wait({playing, interrupted}, return_when=asyncio.FIRST_COMPLETED)
        if not playing.done():
            playing.cancel()
            raise KeyboardInterrupt
        print_result(
            {"cases": playing.result()}, as_json, lambda _: _say_what_is_next(found, keep_running)
        )
        if keep_running:
            err.print("The servers stay up until Ctrl-C; other commands find them.", style="dim")
            await interrupted
        interrupted.cancel()


class Found(Record):
    """The servers of the demo, and whether they end with it."""

    servers: Servers
    ours: bool


@asynccontextmanager
async def _servers(settings: Settings) -> AsyncGenerator[Found]:
    """The servers that are there already, with a worker of our own; else a stack for this run."""
    if any(named_in_environment(settings).values()) or find_embedded(settings):
        servers = find_servers(settings)
        async with worker_beside(servers, settings):
            yield Found(servers=servers, ours=False)
        return
    home = demo_home(settings)
    if not Home(home).is_locked():
        Home(home).forget()  # each demo begins with an empty world
    async with embedded_stack(
        settings, home, worker=True, report=lambda text: err.print(text, style="dim")
    ) as running:
        yield Found(servers=running.servers, ours=True)


async def _play(session: Session, *, quiet: bool) -> list[dict[str, Any]]:
    suffix = await _free_suffix(session)
    return [await _play_scene(session, scene, suffix, quiet=quiet) for scene in _SCENES]


async def _free_suffix(session: Session) -> str:
    """Empty the first time; on servers that know the demo already, a number."""
    number = 1
    while True:
        suffix = "" if number == 1 else f"_{number}"
        try:
            await session.stores.cases.load(f"{_SCENES[0].case_id}{suffix}", MAIN)
        except CaseNotFound:
            return suffix
        number += 1


async def _play_scene(
    session: Session, scene: Scene, suffix: str, *, quiet: bool
) -> dict[str, Any]:
    case_id = scene.case_id + suffix
    customer_id = case_id.replace("case_", "cus_", 1)
    await load(session.stores.sandbox, _world(scene, customer_id))
    if not quiet:
        out.print(Text(f"\n{case_id}", style="bold").append("  a customer writes", style="dim"))
        out.print(Padding(Text(f"“{scene.text}”", style="italic"), (0, 2, 1, 2)))
    await start_case(session, NewCase(case_id=case_id, customer_id=customer_id, text=scene.text))
    try:
        async with asyncio.timeout(_PATIENCE_S):
            await _follow(session, case_id, scene, quiet=quiet)
    except TimeoutError as error:
        problem = f"{case_id} has not ended within {_PATIENCE_S:.0f} s. See `casekeeper doctor`."
        raise TimeoutError(problem) from error
    view = await view_case(session, case_id, MAIN)
    if not quiet:
        _end_scene(view)
    return view


async def _follow(session: Session, case_id: str, scene: Scene, *, quiet: bool) -> None:
    """Print what the case tells of itself, and approve where the scene says so."""
    handle = session.handle(case_id)
    ended = asyncio.create_task(handle.result())
    told = 0
    approved = not scene.approve
    while True:
        over = ended.done()
        entries = await handle.query(SupportCaseWorkflow.timeline)
        for entry in entries[told:]:
            _tell(entry.at[11:23], entry.step.split(":")[0], entry.text, quiet=quiet)
        told = len(entries)
        if over:
            await ended
            return
        waiting = await handle.query(SupportCaseWorkflow.pending_approvals)
        if waiting and not approved:
            await _approve(session, case_id, quiet=quiet)
            approved = True
        await asyncio.wait({ended}, timeout=0.2)


async def _approve(session: Session, case_id: str, *, quiet: bool) -> None:
    _tell("", "parked", "no worker is held while a person decides", quiet=quiet, style="yellow")
    decided = await decide(session, case_id, Verdict.APPROVED, note="shown in the demo")
    by = f"by {decided['decided_by']}: the row in Postgres decides, a signal wakes the case"
    _tell("", "approved", by, quiet=quiet, style="yellow")


def _tell(at: str, step: str, text: str, *, quiet: bool, style: str = "cyan") -> None:
    if quiet:
        return
    line = Table.grid(padding=(0, 2))
    line.add_column(width=12, style="dim", justify="right")
    line.add_column(width=16, style=style)
    line.add_column()
    line.add_row(at, step.replace("_", " "), Text(text))
    out.print(line)


def _end_scene(view: dict[str, Any]) -> None:
    refund = view["sections"]["refund"]
    amount = Money.model_validate(refund["amount"]) if refund else None
    account = view["sections"]["account"]
    mail = ", one reset mail" if account and account["reset_sent"] else ""
    receipt = f"refunded {amount} once ({refund['receipt']})" if refund else "no refund"
    status = view["status"].replace("_", " ")
    out.print(Text(f"\n{status}: {receipt}{mail}, one answer", style="green"))
    print_answer(view)
    print_link(view)


def _say_what_is_next(found: Found, keep_running: bool) -> None:
    out.print()
    if found.ours and not keep_running:
        out.print(
            "The servers stop now, and the links with them. `casekeeper demo --keep-running` "
            "leaves them up; `casekeeper up` starts servers that keep their data.",
            style="dim",
        )
    else:
        out.print(
            "Look closer: `casekeeper show CASE`, `history CASE`, `audit CASE --verify`.",
            style="dim",
        )


def _world(scene: Scene, customer_id: str) -> World:
    charged = datetime.now(UTC) - timedelta(hours=6)
    number = customer_id.removeprefix("cus_")
    charge = {
        "customer_id": customer_id,
        "amount_minor": scene.amount_minor,
        "currency": "USD",
        "merchant": scene.merchant,
        "description": scene.description,
        "status": "captured",
    }
    return World.model_validate(
        {
            "customers": [
                {"id": customer_id, "email": f"{customer_id}@example.com", "name": "Sam Example"}
            ],
            "charges": [
                {**charge, "id": f"ch_{number}_a", "created_at": charged},
                {
                    **charge,
                    "id": f"ch_{number}_b",
                    "created_at": charged + timedelta(seconds=41),
                },
            ],
        }
    )
