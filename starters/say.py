"""`casekeeper say`: the customer adds something to an open case."""

import secrets
from datetime import UTC, datetime
from typing import Annotated

import typer

from cases.messages import CustomerMessage
from cases.state import CaseState, Message, message_step
from cases.text import clean_text
from starters.session import Session, open_session
from starters.terminal import CaseArgument, JsonFlag, attempt, execute, out
from workflows.support_case import SupportCaseWorkflow


def say(
    case: CaseArgument,
    text: Annotated[str, typer.Argument(help="What the customer added.")],
    as_json: JsonFlag = False,
) -> None:
    """Add a customer's follow-up message to an open case."""
    cleaned = attempt(lambda: clean_text(text), as_json)
    execute(_say(case, cleaned), as_json, lambda _: out.print(f"Case {case} has the message."))


async def _say(case_id: str, text: str) -> dict[str, str]:
    async with open_session() as session:
        state = await session.open_case(case_id)
        message = Message(
            message_id=f"msg-{secrets.token_hex(8)}", text=text, received_at=datetime.now(UTC)
        )
        await add_message(session, state, message)
        return {"case_id": case_id, "message_id": message.message_id}


async def add_message(session: Session, state: CaseState, message: Message) -> None:
    """Put the message on record, and tell the case; history gets its id and not its text."""
    report = await session.stores.record.commit(state, [message_step(message)])
    await session.handle(state.case_id).signal(
        SupportCaseWorkflow.customer_said,
        CustomerMessage(message_id=message.message_id, version=report.done[-1].version),
    )
