"""How long each kind of activity may take, and how it is retried. The one table of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypedDict

from temporalio.common import RetryPolicy
from temporalio.workflow import ActivityCancellationType

#: Errors where the same call cannot succeed later, by exact type name: Temporal compares strings.
#: The two payload types are one limit under its names in newer and older SDKs.
NEVER_RETRIED = (
    "InvalidInput",
    "CaseNotFound",
    "ApprovalNotFound",
    "CheckpointNotFound",
    "TaskNotFound",
    "CaseAlreadyExists",
    "CaseClosed",
    "AlreadyDecided",
    "TaskFinished",
    "StaleRequest",
    "Forbidden",
    "ForeignWrite",
    "UnknownSection",
    "SchemaGap",
    "LeaseLost",
    "CustomerErased",
    "DamagedBody",
    "ModelRefused",
    "UnusableAnswer",
    "BudgetSpent",
    "ValidationError",
    "PayloadsTooLarge",
    "PayloadSizeError",
)


class NormalOptions(TypedDict):
    """Keyword arguments of `workflow.execute_activity`."""

    start_to_close_timeout: timedelta
    schedule_to_close_timeout: timedelta
    heartbeat_timeout: timedelta
    cancellation_type: ActivityCancellationType
    retry_policy: RetryPolicy


class LocalOptions(TypedDict):
    """Keyword arguments of `workflow.execute_local_activity`."""

    start_to_close_timeout: timedelta
    schedule_to_close_timeout: timedelta
    retry_policy: RetryPolicy


@dataclass(frozen=True)
class Limits:
    """Time-outs and back-off of one kind of activity."""

    attempt: timedelta
    altogether: timedelta
    heartbeat: timedelta = timedelta(0)
    first_wait: timedelta = timedelta(milliseconds=200)
    longest_wait: timedelta = timedelta(seconds=30)
    attempts: int = 0
    never: Sequence[str] = field(default=NEVER_RETRIED)

    def normal(self) -> NormalOptions:
        return {
            "start_to_close_timeout": self.attempt,
            "schedule_to_close_timeout": self.altogether,
            "heartbeat_timeout": self.heartbeat,
            # What was cancelled may still commit: the case goes on only once it has ended.
            "cancellation_type": ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            "retry_policy": self._retry(),
        }

    def local(self) -> LocalOptions:
        return {
            "start_to_close_timeout": self.attempt,
            "schedule_to_close_timeout": self.altogether,
            "retry_policy": self._retry(),
        }

    def _retry(self) -> RetryPolicy:
        return RetryPolicy(
            initial_interval=self.first_wait,
            maximum_interval=self.longest_wait,
            maximum_attempts=self.attempts,
            non_retryable_error_types=list(self.never),
        )


#: An agent may call a model: an answer and two repairs, each after waiting for its turn. After
#: these attempts the case goes on without it.
AGENT = Limits(
    attempt=timedelta(seconds=120),
    altogether=timedelta(minutes=10),
    heartbeat=timedelta(seconds=10),
    attempts=6,
)
#: An effect is retried with the same key until its outcome is known; providers keep keys for 24 h,
#: so it ends before that and a person takes over.
EFFECT = Limits(
    attempt=timedelta(seconds=30),
    altogether=timedelta(hours=20),
    heartbeat=timedelta(seconds=8),
    longest_wait=timedelta(seconds=60),
)
#: Short, idempotent reads and writes of the record, inside the workflow task.
RECORD = Limits(
    attempt=timedelta(seconds=5),
    altogether=timedelta(days=30),
    longest_wait=timedelta(seconds=30),
)
#: A compensation is tried for as long as it takes; a person is told after this.
COMPENSATION = Limits(
    attempt=timedelta(seconds=10),
    altogether=timedelta(days=7),
    longest_wait=timedelta(seconds=60),
)
#: The delivery of the outbox lasts as long as its run; wherever it stops, another worker goes on.
DELIVERY = Limits(
    attempt=timedelta(minutes=65),
    altogether=timedelta(days=30),
    heartbeat=timedelta(seconds=10),
    longest_wait=timedelta(seconds=10),
)
#: A part of the reconciliation goes through all that there is, and begins anew where it stopped.
RECONCILIATION = Limits(
    attempt=timedelta(minutes=30),
    altogether=timedelta(hours=2),
    heartbeat=timedelta(seconds=20),
    longest_wait=timedelta(seconds=60),
)
