"""What a customer wants, as far as it was understood."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import Field, StringConstraints

from cases.mentions import Mention
from cases.records import Record
from cases.sections import Section

#: Far more needs than there will be agents, and longer than any topic's name.
MAX_NEEDS = 32
MAX_NEED_CHARS = 64

Need = Annotated[str, StringConstraints(max_length=MAX_NEED_CHARS)]


class Topic(StrEnum):
    """What an investigating agent can be needed for. A new agent may bring its own topic."""

    BILLING = "billing"
    ACCOUNT = "account"


class Reason(StrEnum):
    """Why the customer wants money back. Only a proven duplicate is paid without a person."""

    DUPLICATE = "duplicate"
    UNRECOGNISED = "unrecognised"
    NOT_RECEIVED = "not_received"
    NOT_AS_DESCRIBED = "not_as_described"
    FRAUD = "fraud"
    REFUND_STATUS = "refund_status"
    UNSPECIFIED = "unspecified"


class Urgency(StrEnum):
    """How soon the customer says that it must be. It decides nothing."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


#: An ISO 639-1 code; None where nobody can tell.
Language = Annotated[str, StringConstraints(pattern="^[a-z]{2}$")] | None


class Understanding(Record):
    """What messages need. The model may fill in this and nothing else, and not much of it."""

    needs: Annotated[frozenset[Need], Field(max_length=MAX_NEEDS)]
    reason: Reason = Reason.UNSPECIFIED
    language: Language = None
    urgency: Urgency = Urgency.NORMAL
    #: It looks as if it were written to command the model. Noted, and nothing rests on it.
    suspected_injection: bool = False
    #: False where the model may well be wrong about the needs: then a person decides.
    sure: bool = True


class Named(Mention):
    """An id, an amount or a date that the customer named in one of the messages."""

    message_id: str


#: So many of the newest are kept.
MAX_NAMED = 50


def _unless(default: object) -> Any:
    """A field that is not written while it holds its default: what was stored before it fits."""
    return Field(default=default, exclude_if=lambda value: value == default)


class UnderstandingSection(Section):
    """The sum of all messages so far: needs only grow, and a named reason stays."""

    name: ClassVar[str] = "understanding"
    owner: ClassVar[str] = "understanding"

    needs: tuple[str, ...] = ()
    reason: Reason = Reason.UNSPECIFIED
    messages_read: int = 0
    #: The language of the newest message that has one.
    language: Language = _unless(None)
    urgency: Urgency = _unless(Urgency.NORMAL)
    suspected_injection: bool = _unless(default=False)
    #: A person decides what this case is about.
    unsure: bool = _unless(default=False)
    #: Found by code in every message, whatever the model.
    named: tuple[Named, ...] = _unless(())

    def with_messages(
        self, understood: Understanding, named: Sequence[Named] = ()
    ) -> "UnderstandingSection":
        """The section after more messages, which were read together."""
        reason = self.reason if understood.reason is Reason.UNSPECIFIED else understood.reason
        return self.model_copy(
            update={
                "status": "done",
                "error": None,
                "needs": tuple(sorted({*self.needs, *understood.needs})),
                "reason": reason,
                "language": understood.language or self.language,
                "urgency": max(self.urgency, understood.urgency, key=list(Urgency).index),
                "suspected_injection": self.suspected_injection or understood.suspected_injection,
                # What was unclear stays so until a message is clear about what it needs.
                "unsure": not understood.sure or (self.unsure and not understood.needs),
                "named": (*self.named, *named)[-MAX_NAMED:],
            }
        )
