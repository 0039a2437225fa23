"""What a customer wants, as far as it was understood."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

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


class Understanding(Record):
    """What one message needs. The model may fill in this and nothing else, and not much of it."""

    needs: Annotated[frozenset[Need], Field(max_length=MAX_NEEDS)]
    reason: Reason = Reason.UNSPECIFIED


class UnderstandingSection(Section):
    """The sum of all messages so far: needs only grow, and a named reason stays."""

    name: ClassVar[str] = "understanding"
    owner: ClassVar[str] = "understanding"

    needs: tuple[str, ...] = ()
    reason: Reason = Reason.UNSPECIFIED
    messages_read: int = 0

    def with_message(self, understood: Understanding) -> "UnderstandingSection":
        """The section after one more message."""
        reason = self.reason if understood.reason is Reason.UNSPECIFIED else understood.reason
        return self.model_copy(
            update={
                "status": "done",
                "error": None,
                "needs": tuple(sorted({*self.needs, *understood.needs})),
                "reason": reason,
                "messages_read": self.messages_read + 1,
            }
        )
