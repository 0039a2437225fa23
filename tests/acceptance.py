"""Acceptance cases: what a file in tests/cases/ may say, and whether a case came out as it says."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self, cast

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, model_validator

from activities.agents import AGENTS
from cases.approvals import ApprovalSection
from cases.effects import RefundSection
from cases.errors import InvalidInput
from cases.sections import Section
from cases.state import CaseStatus
from gateways.sandbox.script import script_of
from gateways.sandbox.world import World

FOLDER = Path(__file__).parent / "cases"

_KINDS: tuple[type[Section], ...] = (
    *(agent.section for agent in AGENTS),
    ApprovalSection,
    RefundSection,
)
_SECTIONS = {kind.name: kind for kind in _KINDS}

_AMOUNT = r"[0-9]+(?:\.[0-9]+)? [A-Z]{3}"

Amount = Annotated[str, StringConstraints(pattern=f"^{_AMOUNT}$")]
Words = Annotated[str, StringConstraints(min_length=1)]
#: As `casekeeper sandbox load` reads it, but for `hours_ago` where that has `created_at`.
Dated = dict[str, JsonValue]


class Written(BaseModel):
    """A part of a case file: an unknown key is an error, and so is a value of another type."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Moment(StrEnum):
    """When something happens to a case."""

    #: Before any worker has looked at the case.
    AT_ONCE = "at_once"
    #: While the case waits for a person, and has read all that was said before.
    AWAITING_APPROVAL = "awaiting_approval"


class Decision(StrEnum):
    """What a person says to the request for approval, if anything."""

    APPROVE = "approve"
    DENY = "deny"
    NONE = "none"


class Said(Written):
    """One message of the customer."""

    text: Words
    when: Moment = Moment.AT_ONCE


class Talk(Written):
    """A case as people see it: what the customer says, and what a person decides."""

    #: What has been charged since the case before.
    charges: tuple[Dated, ...] = ()
    messages: Annotated[tuple[Said, ...], Field(min_length=1)]
    decision: Decision = Decision.NONE
    cancelled: Moment | None = None

    @model_validator(mode="after")
    def _can_be_played(self) -> Self:
        moments = [said.when for said in self.messages]
        if moments[0] is not Moment.AT_ONCE or moments != sorted(moments):
            raise ValueError("the first message opens the case, and those at_once come first")
        if self.cancelled and self.decision is not Decision.NONE:
            raise ValueError("a cancelled case is not decided")
        if self.cancelled is Moment.AT_ONCE and Moment.AWAITING_APPROVAL in moments:
            raise ValueError("a case that is cancelled at once never waits for a person")
        return self

    def said(self, when: Moment) -> list[str]:
        """The texts of that moment."""
        return [said.text for said in self.messages if said.when is when]


class PaidBack(Written):
    """A refund that the case made, as the provider has it."""

    charge_id: str
    amount: Amount
    status: str = "succeeded"


class Expected(Written):
    """How the case comes out. All of it is compared, also what is empty."""

    status: CaseStatus
    #: "policy.rule": "proven_duplicate"; "account": null where that section must not be there.
    sections: Annotated[dict[str, JsonValue], Field(min_length=1)]
    refunds: tuple[PaidBack, ...]
    #: Those whose link works.
    reset_mails: Annotated[int, Field(ge=0)]
    answers: Annotated[int, Field(ge=0)]
    #: Words and amounts that stand in the answer; no other amount may.
    answer_names: tuple[Words, ...] = ()
    answer_never_names: tuple[Words, ...] = ()

    @model_validator(mode="after")
    def _sections_exist(self) -> Self:
        for path, value in self.sections.items():
            name, _, key = path.partition(".")
            if name not in _SECTIONS:
                raise ValueError(f"{name} is not a section")
            known = _SECTIONS[name].model_fields
            if (key and key not in known) or (not key and value is not None):
                raise ValueError(f'{path} is not a field of a section, nor "{name}": null')
        return self


class Case(Talk):
    """One file: a small world, a case in it, and how that comes out."""

    name: Annotated[str, StringConstraints(pattern="^[a-z0-9_]+$")]
    why: Annotated[str, StringConstraints(pattern=r"^[^\n]{10,200}\.$")]
    customers: tuple[dict[str, JsonValue], ...] = ()
    #: Who writes.
    customer: str
    #: Cases of the same customer that ended before this one.
    earlier: tuple[Talk, ...] = ()
    expected: Expected

    @model_validator(mode="after")
    def _world_can_be_loaded(self) -> Self:
        known = {str(customer.get("id")) for customer in self.customers}
        names: set[str] = set()
        for charges in (*(talk.charges for talk in self.earlier), self.charges):
            given = self.world(charges, "", datetime.now(UTC))
            try:
                given.check()
            except InvalidInput as error:
                raise ValueError(str(error)) from error
            if any(charge.customer_id not in known for charge in given.charges):
                raise ValueError("a charge is of a customer that is not in the file")
            names |= {charge.id for charge in given.charges}
        for refund in self.expected.refunds:
            if refund.charge_id not in names:
                raise ValueError(f"{refund.charge_id} is refunded and not in the file")
        return self

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a case file; raises ValueError that names the field."""
        json.loads(text, object_pairs_hook=_once)
        return cls.model_validate_json(text)

    def world(self, charges: tuple[Dated, ...], mark: str, now: datetime) -> World:
        """The customers and those charges for the sandbox, with a mark behind every id."""
        return World.model_validate(
            {
                "customers": [{**one, "id": f"{one.get('id')}{mark}"} for one in self.customers],
                "charges": [_marked(_dated(charge, now), mark) for charge in charges],
            }
        )


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(f"a key stands twice among {', '.join(key for key, _ in pairs)}")
    return found


def _dated(given: Dated, now: datetime) -> dict[str, Any]:
    hours = given.get("hours_ago")
    if isinstance(hours, bool) or not isinstance(hours, int | float) or "created_at" in given:
        raise ValueError('a charge and a refund say when by "hours_ago": a number')
    rest = {key: value for key, value in given.items() if key != "hours_ago"}
    refunds = cast("list[Dated]", given.get("refunds", []))
    if refunds:
        rest["refunds"] = [_dated(refund, now) for refund in refunds]
    return {**rest, "created_at": now - timedelta(hours=hours)}


def _marked(charge: dict[str, Any], mark: str) -> dict[str, Any]:
    """With other ids; what the id says of the calls to come is said by the script."""
    script = charge.get("script", script_of(str(charge.get("id")), None))
    ids = {key: f"{charge.get(key)}{mark}" for key in ("id", "customer_id")}
    return {**charge, **ids, "script": script}


def load_cases() -> list[Case]:
    """Every case of the folder."""
    return [load_case(path) for path in sorted(FOLDER.glob("*.json"))]


def load_case(path: Path) -> Case:
    """The case of one file; raises ValueError that names the file and the field."""
    try:
        case = Case.parse(path.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from error
    if case.name != path.stem:
        raise ValueError(f"{path.name}: its name is {case.name}")
    return case


@dataclass(frozen=True)
class Seen:
    """How a case came out, with the ids of its file."""

    status: str
    sections: dict[str, dict[str, JsonValue]]
    refunds: tuple[PaidBack, ...] = ()
    reset_mails: int = 0
    answers: tuple[str, ...] = field(default=())


def differences(expected: Expected, seen: Seen) -> list[str]:
    """Each expectation that was not met, in a sentence; none where the case is as it should be."""
    return [
        f"{what}: expected {_shown(wanted)}, but it is {_shown(found)}"
        for what, wanted, found in _compared(expected, seen)
        if _shown(wanted) != _shown(found)
    ]


def _compared(expected: Expected, seen: Seen) -> Iterator[tuple[str, Any, Any]]:
    yield "status", expected.status.value, seen.status
    for path, value in expected.sections.items():
        name, _, key = path.partition(".")
        section = seen.sections.get(name)
        missing = section is None and value is not None
        found = "not there" if missing else section and (section[key] if key else "there")
        yield f"sections.{path}", value, found
    yield (
        "refunds",
        [r.model_dump() for r in expected.refunds],
        [r.model_dump() for r in seen.refunds],
    )
    yield "reset_mails", expected.reset_mails, seen.reset_mails
    yield "answers", expected.answers, len(seen.answers)
    said = "\n".join(seen.answers)
    named = set(re.findall(rf"(?<![\w.,-]){_AMOUNT}(?![\w-])", said))
    listed = set(expected.answer_names)
    yield "answer_names", sorted(listed), sorted({*filter(_in(said), listed), *named})
    never = expected.answer_never_names
    yield "answer_never_names", [], sorted(filter(_in(said), never))


def _in(text: str) -> Callable[[str], bool]:
    """Whether words stand in the text, whole: "9.99 USD" does not stand in "49.99 USD"."""

    def stands(words: str) -> bool:
        return bool(re.search(rf"(?<![\w.,-]){re.escape(words)}(?![\w-])", text))

    return stands


def _shown(value: Any) -> str:
    """As JSON, in which true is not 1."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
