"""Lives of cases that are played several times, and what each leaves behind."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from cases.approvals import Verdict
from cases.ids import MAIN
from cases.state import Message
from starters.say import add_message
from tests.conftest import SmallWorld
from tests.workflows.case_rows import CaseRows, rows_of
from tests.workflows.support import ACCOUNT, BILLING, BOTH, decided, eventually, finish, parked

Scene = Callable[[SmallWorld], Awaitable[None]]

#: What no log may show.
_PRIVATE = ("charged", "log in", "Sam Example", "example.com")


@dataclass(frozen=True)
class Left:
    """What a case left behind: its rows, and how much of each kind went out."""

    rows: CaseRows
    sent: Mapping[str, int]


async def refunded(world: SmallWorld) -> None:
    """case_8842: charged twice, and the login does not work either."""
    await world.twins(4999)
    assert await finish(await world.start(BOTH)) == "answered"


async def approved(world: SmallWorld) -> None:
    """Above the limit: a person must approve, and meanwhile the customer says more."""
    await world.twins(120_000)
    handle = await world.start(BILLING)
    await parked(handle)
    await _say(world, ACCOUNT)
    await eventually(lambda: _mail_is_on_record(world))
    await decided(world, Verdict.APPROVED)
    assert await finish(handle) == "answered"


async def _say(world: SmallWorld, text: str) -> None:
    message = Message(message_id="more", text=text, received_at=datetime.now(UTC))
    await add_message(world.session, await world.state(), message)


async def _mail_is_on_record(world: SmallWorld) -> bool:
    return "reset_mail" in (await world.state()).completed_steps


async def left_by(world: SmallWorld) -> Left:
    """What the world's case left behind; its audit holds."""
    stores = world.session.stores
    assert await stores.audit.verify(f"case_{world.number}", MAIN) == []
    sent = {kind: len(await world.mails(kind)) for kind in ("reset", "answer")}
    sent["refund"] = len(await world.refunds())
    return Left(await rows_of(stores, world.number), sent)


def only_the_stores_warned(log: pytest.LogCaptureFixture) -> None:
    """Nothing failed: at most a store said that Redis did not do its part, and nothing private."""
    loud = [record for record in log.records if record.levelname not in {"DEBUG", "INFO"}]
    for record in loud:
        assert (record.name.partition(".")[0], record.levelname) == ("stores", "WARNING")
    assert [private for private in _PRIVATE if private in log.text] == []
