"""What the workflow is told from outside: its start, its signals, its result.

Anyone can start or signal with the plain `temporal` command line, and Temporal drops a signal
that it cannot decode, so these models accept any JSON: what they cannot use reads as empty, and
the workflow decides what an empty message means.
"""

from typing import Annotated, Any, Self, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

from cases.ids import MAIN, NEWEST
from cases.state import CaseStatus


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _version(value: object) -> int:
    # A bool is an int to Python, and no version.
    return value if type(value) is int and 0 < value < NEWEST else 0


Text = Annotated[str, BeforeValidator(_text)]
Version = Annotated[int, BeforeValidator(_version)]


class _Tolerant(BaseModel):
    """Accepts any JSON value; a bare string fills the first field."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _anything(cls, value: Any) -> dict[str, Any]:
        if isinstance(value, dict):
            return cast("dict[str, Any]", value)
        first = next(iter(cls.model_fields))
        return {first: value} if isinstance(value, str) else {}

    @classmethod
    def of(cls, *given: object) -> Self:
        """The message in whatever a signal was given: its first input, or nothing at all."""
        first = given[0] if given else None
        return first if isinstance(first, cls) else cls.model_validate(first)


class CaseRequest(_Tolerant):
    """Opens a case. Without `text` the request is already on record under the case id."""

    text: Text = ""
    case_id: Text = ""
    customer_id: Text = ""
    branch: Text = MAIN
    #: Who asks on the customer's behalf: the one person who may not approve it.
    opened_by: Text = ""


class CustomerMessage(_Tolerant):
    """The customer said more. With a `message_id` and no text it is already on record."""

    text: Text = ""
    message_id: Text = ""
    #: The version of the case that has it on record; 0 where the sender does not say.
    version: Version = 0


class ApprovalNotice(_Tolerant):
    """Someone decided. Only a hint to wake up: the row in Postgres is the decision."""

    approval_id: Text = ""
    verdict: Text = ""


class CancelRequest(_Tolerant):
    """Stop working on the case."""

    reason: Text = ""
    by: Text = ""


class CaseOutcome(BaseModel):
    """How a case ended: the workflow's result."""

    model_config = ConfigDict(frozen=True)

    case_id: str
    status: CaseStatus
    version: int
