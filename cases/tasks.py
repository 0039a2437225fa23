"""What only a person can finish: a compensation that failed, an effect nobody knows the end of."""

from datetime import datetime
from enum import StrEnum

from cases.records import Record


class TaskKind(StrEnum):
    """Why a person must look."""

    COMPENSATION_FAILED = "compensation_failed"
    #: Neither the provider's answer nor looking told what became of it.
    EFFECT_UNKNOWN = "effect_unknown"
    #: The provider took a refund and did not carry it out.
    REFUND_FAILED = "refund_failed"
    #: A person may unlock the account of a case's customer.
    UNLOCK_ACCOUNT = "unlock_account"
    #: The run of a case ended before the case did.
    RUN_ENDED = "run_ended"
    #: The provider's records and the ledger differ.
    DIFFERENCE = "difference"
    #: A promoted branch wants less than was paid, and money is never charged back by itself.
    MONEY_TO_RECOVER = "money_to_recover"
    #: A promoted branch wants more than could be done.
    PROMOTION_INCOMPLETE = "promotion_incomplete"


class Task(Record):
    """A person's task. Its subject is what it is about: an effect's key, a case, a receipt."""

    task_id: str
    kind: TaskKind
    subject: str
    case_id: str | None
    branch: str | None
    detail: str
    opened_at: datetime
