"""Acceptance cases on real servers: all of them side by side, as customers and a lead live them."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Any

from pydantic import JsonValue

from cases.accounts import AccountSection
from cases.approvals import Verdict
from cases.messages import CancelRequest
from cases.money import Money
from cases.state import CaseState, CaseStatus, Message
from cases.understanding import UnderstandingSection
from gateways.sandbox.world import load
from starters.approve import decide
from starters.say import add_message
from starters.session import Session
from starters.start import NewCase, start_case
from tests.acceptance import Case, Decision, Moment, PaidBack, Seen, Talk

PATIENCE_S = 120.0

_VERDICTS = {Decision.APPROVE: Verdict.APPROVED, Decision.DENY: Verdict.DENIED}

Worker = Callable[[], AbstractAsyncContextManager[Any]]


class Play:
    """One case file in a world of its own: every id has a mark that no other play has."""

    def __init__(self, session: Session, case: Case, number: str) -> None:
        self._session = session
        self._case = case
        self._number = number
        self._mark = f"--{number}"
        self._paid_before: set[str] = set()
        #: What kept it from being played to its end.
        self.problem: str | None = None
        self.seen: Seen | None = None

    async def live_earlier(self) -> None:
        """The cases before this one, one after the other."""
        for place, talk in enumerate(self._case.earlier, 1):
            await self._open(talk, self._case_id(place))
            await self._live(talk, self._case_id(place))

    async def open(self) -> None:
        """Open the case, with all that is said at once: nobody looks at it yet."""
        await self._open(self._case, self._case_id())

    async def live(self) -> None:
        """The case to its end, or to where it waits for a person who never comes."""
        await self._live(self._case, self._case_id())
        self.seen = await self._look()
        if self.seen.status == CaseStatus.AWAITING_APPROVAL:
            await self._cancel(self._case_id())
            await self._session.handle(self._case_id()).result()

    async def attempt(self, step: Callable[["Play"], Awaitable[None]]) -> None:
        """Take the step, unless one before it failed; the others' cases go on."""
        if self.problem:
            return
        try:
            async with asyncio.timeout(PATIENCE_S):
                await step(self)
        except Exception as error:  # noqa: BLE001  told by the test of this case alone
            self.problem = f"it could not be played: {type(error).__name__}: {error}"

    def _case_id(self, place: int = 0) -> str:
        return f"case_{self._number}_{place}"

    async def _open(self, talk: Talk, case_id: str) -> None:
        world = self._case.world(talk.charges, self._mark, datetime.now(UTC))
        await load(self._session.stores.sandbox, world)
        self._paid_before = {row["id"] for row in await self._refunds()}
        first, *more = talk.said(Moment.AT_ONCE)
        await start_case(
            self._session, NewCase.check(f"{self._case.customer}{self._mark}", first, case_id)
        )
        for place, text in enumerate(more, 1):
            await self._say(case_id, f"more-{place}", text)
        if talk.cancelled is Moment.AT_ONCE:
            await self._cancel(case_id)

    async def _live(self, talk: Talk, case_id: str) -> None:
        read = len(talk.said(Moment.AT_ONCE))
        for text in talk.said(Moment.AWAITING_APPROVAL):
            await self._waits(case_id, read)
            await self._say(case_id, f"later-{read}", text)
            read += 1
        if talk.cancelled is Moment.AWAITING_APPROVAL:
            await self._waits(case_id, read)
            await self._cancel(case_id)
        elif talk.decision is not Decision.NONE:
            await self._waits(case_id, read)
            await decide(self._session, case_id, _VERDICTS[talk.decision], by="lead")
        elif not (await self._rest(case_id, read)).closed:
            return
        await self._session.handle(case_id).result()

    async def _say(self, case_id: str, message_id: str, text: str) -> None:
        state = await self._session.open_case(case_id)
        message = Message(message_id=message_id, text=text, received_at=datetime.now(UTC))
        await add_message(self._session, state, message)

    async def _cancel(self, case_id: str) -> None:
        await self._session.handle(case_id).signal("cancel_case", CancelRequest(reason="asked to"))

    async def _waits(self, case_id: str, read: int) -> None:
        status = await self._rest(case_id, read)
        assert not status.closed, f"it ended as {status} and did not wait for a person"

    async def _rest(self, case_id: str, read: int) -> CaseStatus:
        """Wait until the case is closed, or has read so many messages and waits for a person."""
        while True:
            state = await self._session.stores.cases.load(case_id, "main")
            if state.status.closed or _waits_for_a_person(state, read):
                return state.status
            await asyncio.sleep(0.5)

    async def _look(self) -> Seen:
        state = await self._session.stores.cases.load(self._case_id(), "main")
        mails = await self._session.stores.sandbox.fetch(
            "SELECT kind, body, revoked_at FROM sandbox.mails WHERE case_id = $1", self._case_id()
        )
        return Seen(
            status=state.status.value,
            sections=self._sections(state),
            refunds=tuple(
                PaidBack(
                    charge_id=row["charge_id"].removesuffix(self._mark),
                    amount=str(Money(amount_minor=row["amount_minor"], currency=row["currency"])),
                    status=row["status"],
                )
                for row in await self._refunds()
                if row["id"] not in self._paid_before
            ),
            reset_mails=sum(m["kind"] == "reset" and not m["revoked_at"] for m in mails),
            answers=tuple(m["body"] for m in mails if m["kind"] == "answer"),
        )

    async def _refunds(self) -> list[Any]:
        """The refunds of all customers of the file, in the order of their charges."""
        return await self._session.stores.sandbox.fetch(
            "SELECT r.* FROM sandbox.current_refunds r "
            "JOIN sandbox.charges c ON c.id = r.charge_id "
            "WHERE right(c.customer_id, length($1)) = $1 ORDER BY c.created_at, c.id",
            self._mark,
        )

    def _sections(self, state: CaseState) -> dict[str, dict[str, JsonValue]]:
        return {
            name: json.loads(
                section.model_dump_json().replace(self._mark, ""), object_hook=_amount_as_text
            )
            for name, section in state.sections.items()
        }


def _waits_for_a_person(state: CaseState, read: int) -> bool:
    """Whether nothing else is to be done: all is read, and a reset mail that is due is out."""
    understanding, account = state.get(UnderstandingSection), state.get(AccountSection)
    return (
        state.status is CaseStatus.AWAITING_APPROVAL
        and bool(state.pending_approvals)
        and (understanding is not None and understanding.messages_read >= read)
        and (account is None or account.reset_sent or not account.reset_needed)
    )


def _amount_as_text(found: dict[str, Any]) -> Any:
    """An amount as people write it: "49.99 USD"."""
    return str(Money(**found)) if found.keys() == Money.model_fields.keys() else found


async def play(
    cases: Sequence[Case], session: Session, worker: Worker, number: str
) -> dict[str, Play]:
    """Play all cases with one worker; by name."""
    plays = {case.name: Play(session, case, f"{number}-{n}") for n, case in enumerate(cases)}

    async def all_of(step: Callable[[Play], Awaitable[None]]) -> None:
        await asyncio.gather(*(one.attempt(step) for one in plays.values()))

    async with worker():
        await all_of(Play.live_earlier)
    # What is said at once lies there before the worker begins: no case wins a race with its text.
    await all_of(Play.open)
    async with worker():
        await all_of(Play.live)
    return plays
