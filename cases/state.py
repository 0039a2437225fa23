"""The state of a case, and how a step's update becomes the next state.

Every key names its reducer. Steps that ran side by side commit in some order; as each writes its
own section and the other reducers commute, no order loses an update.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, TypeVar, cast

from pydantic import Field

from cases.approvals import ApprovalRequest, ApprovalSection, ApprovalState
from cases.errors import ForeignWrite
from cases.ids import MAIN, checkpoint_id
from cases.records import Record
from cases.schema import SCHEMA_VERSION
from cases.sections import Section, SectionMap, is_scratch
from cases.sizes import ArchivedText, archive_long, kept
from cases.text import MAX_TEXT_BYTES

#: Who writes down what customers say.
_INTAKE = "intake"

S = TypeVar("S", bound=Section)


class CaseStatus(StrEnum):
    """Where a case stands. The last four are ends."""

    RECEIVED = "received"
    INVESTIGATING = "investigating"
    AWAITING_APPROVAL = "awaiting_approval"
    SETTLING = "settling"
    ANSWERED = "answered"
    REJECTED = "rejected"
    MANUAL_REVIEW = "manual_review"
    CANCELLED = "cancelled"

    @property
    def closed(self) -> bool:
        return self in _CLOSED


_CLOSED = frozenset(
    {
        CaseStatus.ANSWERED,
        CaseStatus.REJECTED,
        CaseStatus.MANUAL_REVIEW,
        CaseStatus.CANCELLED,
    }
)


class Message(Record):
    """One thing the customer said. `message_id` makes a repeat of it harmless."""

    message_id: str
    text: str
    received_at: datetime


def newest(messages: Sequence[Message]) -> Sequence[Message]:
    """The newest that together are no longer than one message may be; always the last one."""
    room = MAX_TEXT_BYTES
    for count, message in enumerate(reversed(messages)):
        room -= len(message.text.encode())
        if room < 0:
            return messages[len(messages) - max(count, 1) :]
    return messages


def append(old: tuple[Any, ...], new: tuple[Any, ...]) -> tuple[Any, ...]:
    """Add what is not there yet, at the end."""
    return old + tuple(item for item in new if item not in old)


def overwrite(_old: Any, new: Any) -> Any:
    """The new value stands."""
    return new


def merge(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Key by key, the new value stands."""
    return {**old, **new}


def add(old: Mapping[str, int], new: Mapping[str, int]) -> dict[str, int]:
    """Key by key, the sum."""
    return {key: old.get(key, 0) + new.get(key, 0) for key in {**old, **new}}


Reducer = Callable[[Any, Any], Any]


class StepUpdate(Record):
    """What one step of the case wants to change. Fields that are not set stay as they are."""

    step: str
    owner: str
    sections: SectionMap = Field(default_factory=dict)
    status: CaseStatus | None = None
    messages: tuple[Message, ...] = ()
    retries: dict[str, int] = Field(default_factory=dict)
    error: str | None = None
    #: Asks a person; stored as a row in the same transaction. It voids any other open request.
    approval_request: ApprovalRequest | None = None
    #: Voids an open request, as nobody needs to decide any more.
    withdraws_approval: bool = False
    #: Long texts that have left their sections: stored beside them, in the same transaction.
    archive: tuple[ArchivedText, ...] = ()
    #: What an auditor should see beside the values: rule, model, prompt hash, approver.
    reason: str = ""
    provenance: dict[str, str] = Field(default_factory=dict)

    def fitted(self) -> "StepUpdate":
        """The update as it is stored: long texts by reference, and nothing else cut."""
        cut, texts = archive_long(self)
        return cut.model_copy(update={"archive": (*self.archive, *texts)}) if texts else cut

    def check_ownership(self) -> None:
        """Raise ForeignWrite if the update touches a section of another owner."""
        for name, section in self.sections.items():
            if section.owner != self.owner:
                raise ForeignWrite(self.owner, name, section.owner)


def opening_step(request: Message) -> StepUpdate:
    """The step that opens a case with its first message."""
    return StepUpdate(step="open", owner=_INTAKE, messages=(request,))


def message_step(message: Message) -> StepUpdate:
    """The step that puts a later message on record; its id makes a repeat harmless."""
    return StepUpdate(step=f"message:{message.message_id}", owner=_INTAKE, messages=(message,))


class CaseState(Record):
    """All that is known of a case at one version of one branch."""

    case_id: str
    customer_id: str
    branch: str = MAIN
    version: int = 0
    schema_version: int = SCHEMA_VERSION
    status: Annotated[CaseStatus, overwrite] = CaseStatus.RECEIVED
    #: The newest ones; how many went before them is counted. The record keeps all of them.
    messages: Annotated[tuple[Message, ...], append] = ()
    messages_pruned: int = 0
    sections: Annotated[SectionMap, merge] = Field(default_factory=dict)
    #: The version at which each section was last written: what a writer must expect.
    section_versions: Annotated[dict[str, int], merge] = Field(default_factory=dict)
    completed_steps: Annotated[tuple[str, ...], append] = ()
    current_owner: Annotated[str | None, overwrite] = None
    retries: Annotated[dict[str, int], add] = Field(default_factory=dict)
    error: Annotated[str | None, overwrite] = None

    @property
    def request(self) -> Message | None:
        """The message that opened the case; None once so many followed that it was pruned."""
        return self.messages[0] if self.messages and not self.messages_pruned else None

    @property
    def checkpoint_id(self) -> str:
        return checkpoint_id(self.branch, self.version)

    @property
    def pending_approvals(self) -> tuple[str, ...]:
        """The request that waits for a person, if one does."""
        approval = self.get(ApprovalSection)
        waits = approval is not None and approval.state is ApprovalState.PENDING
        return (approval.approval_id,) if approval and waits else ()

    def expected(self, *names: str) -> dict[str, int]:
        """The versions of those sections, for a commit that was made from this state."""
        return {name: self.section_versions.get(name, 0) for name in names}

    def seen_by(self, owner: str) -> "CaseState":
        """The state without the working notes of others: scratch is private to its agent."""
        seen = {
            name: section
            for name, section in self.sections.items()
            if section.owner == owner or not is_scratch(name)
        }
        return self.model_copy(update={"sections": seen})

    def get(self, kind: type[S]) -> S | None:
        """The section of that type, or None where no step has written it."""
        return cast("S | None", self.sections.get(kind.name))

    def after(self, update: StepUpdate, version: int) -> "CaseState":
        """The state that the update makes, at the version at which it was committed."""
        update.check_ownership()
        changes = _changes(update, version)
        reduced = {key: _reducer(key)(getattr(self, key), new) for key, new in changes.items()}
        messages, gone = kept(reduced["messages"])
        reduced |= {
            "messages": messages,
            "messages_pruned": self.messages_pruned + gone,
            "version": max(self.version, version),
        }
        return self.model_copy(update=reduced)


def _changes(update: StepUpdate, version: int) -> dict[str, Any]:
    changes: dict[str, Any] = {
        "completed_steps": (update.step,),
        "current_owner": update.owner,
        "sections": update.sections,
        "section_versions": dict.fromkeys(update.sections, version),
        "messages": update.messages,
        "retries": update.retries,
    }
    changes |= {key: value for key in ("status", "error") if (value := getattr(update, key))}
    return changes


def _reducer(key: str) -> Reducer:
    for item in CaseState.model_fields[key].metadata:
        if item in (append, overwrite, merge, add):
            return cast("Reducer", item)
    raise LookupError(f"{key} names no reducer")  # a new key of the state without a reducer
