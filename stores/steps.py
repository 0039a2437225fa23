"""How steps travel to the database: one JSON document about them, and their bodies as bytes."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic_core import PydanticSerializationError

from cases.approvals import EXPIRES_AFTER, ApprovalRequest
from cases.errors import InvalidInput
from cases.records import Record, canonical
from cases.sections import Section
from cases.sizes import pack, within_limit
from cases.state import Message, StepUpdate
from stores.seals import NO_SEAL, Seal

#: What a text column cannot hold.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def storable(text: str) -> str:
    """The text with NUL and lone surrogates replaced: no text column can hold them."""
    return _UNSTORABLE.sub("\ufffd", text)


class EncodedSteps(Record):
    """The arguments p_steps and p_bodies of the database's functions."""

    steps: str
    bodies: list[bytes]


class _Bodies(list[bytes]):
    """What travels beside the JSON, sealed."""

    def __init__(self, seal: Seal) -> None:
        super().__init__()
        self.seal = seal

    def place(self, body: bytes) -> int:
        """Add a body of the customer's; its index, from 1."""
        return self.place_in_clear(self.seal.body(body))

    def place_in_clear(self, body: bytes) -> int:
        """Add what the database looks into: codes and sums."""
        self.append(body)
        return len(self)


class EncodedEdits(Record):
    """The arguments p_sections, p_request and p_bodies of `fork_case`."""

    sections: str
    request: str | None
    bodies: list[bytes]


def encode_edits(
    sections: Mapping[str, Section], request: str | None, now: datetime, seal: Seal = NO_SEAL
) -> EncodedEdits:
    """Encode what is otherwise on a branch; raises InvalidInput as `encode_steps` does."""
    bodies = _Bodies(seal)
    try:
        written = [_section(name, section, bodies) for name, section in sections.items()]
        said = None
        if request is not None:
            place = bodies.place(request.encode())
            said = json.dumps({"received_at": now.isoformat(), "body": place})
    except (UnicodeEncodeError, PydanticSerializationError) as error:
        raise InvalidInput("fork", "holds text that is not valid Unicode") from error
    return EncodedEdits(sections=json.dumps(written), request=said, bodies=bodies)


def encode_steps(
    updates: Sequence[StepUpdate], expected: Mapping[str, int], seal: Seal = NO_SEAL
) -> EncodedSteps:
    """Encode and seal; raises ForeignWrite for a section that the step's owner does not own.

    Raises InvalidInput for a value that cannot be stored as it is, such as a lone surrogate, and
    for a section that is too large.
    """
    bodies = _Bodies(seal)
    steps: list[dict[str, Any]] = []
    for update in updates:
        update.check_ownership()
        try:
            steps.append(_step(update.fitted(), expected, bodies))
        except (UnicodeEncodeError, PydanticSerializationError) as error:
            raise InvalidInput(update.step, "holds text that is not valid Unicode") from error
    return EncodedSteps(steps=json.dumps(steps), bodies=bodies)


def _step(update: StepUpdate, expected: Mapping[str, int], bodies: _Bodies) -> dict[str, Any]:
    step: dict[str, Any] = {
        "step": update.step,
        "owner": update.owner,
        "retries": update.retries,
        "detail": _detail(update),
        "sections": [
            {**_section(name, section, bodies), "expected": expected.get(name, 0)}
            for name, section in update.sections.items()
        ],
        "archive": [
            {"digest": text.digest, **_packed(bodies, text.text.encode())}
            for text in update.archive
        ],
        "messages": [_message(message, bodies) for message in update.messages],
        "void_approvals": update.withdraws_approval,
    }
    if update.approval_request:
        step["approval"] = _approval(update.approval_request, bodies)
    if update.status:
        step["status"] = update.status.value
    if update.error:
        step["error"] = bodies.seal.text(storable(update.error))
    return step


def _section(name: str, section: Section, bodies: _Bodies) -> dict[str, Any]:
    body = within_limit(name, section.model_dump_json().encode())
    return {"name": name, "owner": section.owner, **_packed(bodies, body)}


def _detail(update: StepUpdate) -> str:
    """The audit row's words: why, and by which model, prompt or rule."""
    detail = {"reason": update.reason, **update.provenance}
    return canonical({k: storable(v) for k, v in detail.items() if v}).decode()


def _message(message: Message, bodies: _Bodies) -> dict[str, Any]:
    return {
        "id": message.message_id,
        "received_at": message.received_at.isoformat(),
        "body": bodies.place(message.text.encode()),
    }


def _approval(request: ApprovalRequest, bodies: _Bodies) -> dict[str, Any]:
    orders = canonical([order.model_dump(mode="json") for order in request.orders])
    return {
        "approval_id": request.approval_id,
        "digest": request.digest,
        "amount_minor": request.amount.amount_minor,
        "currency": request.amount.currency,
        "orders": bodies.place_in_clear(orders),
        "rule": request.rule,
        "needed": request.needed,
        "expires_in_s": int(EXPIRES_AFTER.total_seconds()),
    }


def _packed(bodies: _Bodies, body: bytes) -> dict[str, Any]:
    encoding, packed = pack(body)
    return {"encoding": encoding, "bytes": len(body), "body": bodies.place(packed)}
