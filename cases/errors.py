"""Everything that can be wrong with a case, as one tree of sentences.

* CaseError
  + InvalidInput            a field that a person or a file gave; says which
  + NotFound
    - CaseNotFound
    - ApprovalNotFound
    - CheckpointNotFound
    - TaskNotFound
    - CustomerErased           what is asked for was, and was erased
  + Conflict
    - CaseAlreadyExists
    - CaseClosed
    - ConcurrentModification   trying again helps
    - AlreadyDecided
    - TaskFinished
    - StaleRequest
    - LeaseLost                a later fencing token has written
  + LeaseUnavailable        the server of the leases does not answer: trying again helps
  + RateLimited             too many calls: the same one may be made later
  + GatewayUnavailable      the outside does not answer a question: asking again helps
  + ModelUnavailable        a model does not answer, or says later: asking again helps
  + NoAnswer                a model gave none, and the same question will get none
    - ModelRefused            its provider will not answer this
    - UnusableAnswer          it answered with what nobody can use
    - BudgetSpent             what a case or a customer may cost in models is used up
  + Forbidden               the person may not do this
  + ForeignWrite            an agent wrote a section that another one owns
  + UnknownSection          a stored section that no registered agent knows
  + CustomerKeyMissing      what is stored is sealed with a key that is not here: it may come
  + DamagedBody             what was packed or archived cannot be read back as it was
  + SchemaTooNew            a newer worker stored it; one of those can go on with it
  + SchemaGap               this code cannot read what older code stored: it must not start
"""

from datetime import timedelta
from typing import ClassVar


class CaseError(Exception):
    """Base of all errors in case words; `retryable`: may the same call succeed later?"""

    retryable: ClassVar[bool] = False
    #: How long to wait before the next try; None for as long as the caller's own rule says.
    retry_after: timedelta | None = None


class InvalidInput(CaseError):
    """A value that was given from outside cannot be used; `field` names it."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field


class NotFound(CaseError):
    """What was asked for is not on record."""


class CaseNotFound(NotFound):
    def __init__(self, case_id: str, branch: str = "main") -> None:
        where = "" if branch == "main" else f" on branch {branch}"
        super().__init__(f"There is no case {case_id}{where}.")


class ApprovalNotFound(NotFound):
    def __init__(self, case_id: str) -> None:
        super().__init__(f"Case {case_id} has no approval request.")


class CheckpointNotFound(NotFound):
    def __init__(self, case_id: str, checkpoint_id: str) -> None:
        super().__init__(f"Case {case_id} has no checkpoint {checkpoint_id}.")


class TaskNotFound(NotFound):
    def __init__(self, task_id: str) -> None:
        super().__init__(f"There is no task {task_id}.")


class CustomerErased(NotFound):
    """The key was destroyed that the case's data were sealed with: see `casekeeper erase`."""

    def __init__(self, case_id: str) -> None:
        super().__init__(f"What case {case_id} held of its customer was erased.")


class Conflict(CaseError):
    """The record says something else by now."""


class CaseAlreadyExists(Conflict):
    def __init__(self, case_id: str) -> None:
        super().__init__(f"Case {case_id} exists already.")


class CaseClosed(Conflict):
    def __init__(self, case_id: str, status: str) -> None:
        super().__init__(f"Case {case_id} is closed ({status}).")
        self.status = status


class ConcurrentModification(Conflict):
    """Another writer committed first: reload and try again."""

    retryable = True

    def __init__(self, case_id: str, expected: int, found: int) -> None:
        super().__init__(f"Case {case_id} is at version {found}, not {expected}: reload and retry.")
        self.expected = expected
        self.found = found


class AlreadyDecided(Conflict):
    def __init__(self, case_id: str, state: str, decided_by: str | None) -> None:
        winner = f" by {decided_by}" if decided_by else ""
        super().__init__(f"The approval request of case {case_id} was already {state}{winner}.")


class TaskFinished(Conflict):
    def __init__(self, task_id: str, by: str) -> None:
        super().__init__(f"Task {task_id} was already finished by {by}.")


class StaleRequest(Conflict):
    def __init__(self, case_id: str) -> None:
        super().__init__(
            f"The approval request of case {case_id} has expired: it was never approved."
        )


class LeaseLost(Conflict):
    """A holder that was too slow: someone with a later fencing token has written since."""

    def __init__(self, name: str, token: int, newest: int) -> None:
        super().__init__(f"The lease of {name} with token {token} is over: {newest} has written.")
        self.token = token
        self.newest = newest


class LeaseUnavailable(CaseError):
    """Whether the lease is held cannot be known, so nobody may act as if it were."""

    retryable = True

    def __init__(self, name: str) -> None:
        super().__init__(f"The lease {name} cannot be had: Redis does not answer.")


class RateLimited(CaseError):
    """A limit that all workers share is used up; it comes back with time."""

    retryable = True

    def __init__(self, wait: timedelta) -> None:
        super().__init__(f"The model's rate limit allows the next call in {wait}.")
        self.retry_after = wait


class GatewayUnavailable(CaseError):
    """A question to the outside got no answer. What was to be changed is told by an Outcome."""

    retryable = True

    def __init__(self, gateway: str, problem: str) -> None:
        super().__init__(f"{gateway} does not answer: {problem}.")


class ModelUnavailable(CaseError):
    """No answer, or one that says later; `retry_after` is the provider's own word."""

    retryable = True

    def __init__(self, model: str, problem: str, retry_after: timedelta | None = None) -> None:
        super().__init__(f"{model} does not answer: {problem}.")
        self.retry_after = retry_after


class NoAnswer(CaseError):
    """A model gave no answer, and the same question will get none."""


class ModelRefused(NoAnswer):
    """A wrong key, a request it does not take, a content filter: asking again does not help."""

    def __init__(self, model: str, problem: str) -> None:
        super().__init__(f"{model} refuses: {problem}.")


class UnusableAnswer(NoAnswer):
    """After its repairs the answer still fits no schema, or it is too large."""

    def __init__(self, model: str, problem: str) -> None:
        super().__init__(f"{model} gave no usable answer: {problem}.")


class BudgetSpent(NoAnswer):
    """A call was not made, as it might have cost more than is left."""

    def __init__(self, whose: str, what: str) -> None:
        super().__init__(f"The {whose}'s budget of {what} for models is used up.")


class CustomerKeyMissing(CaseError):
    """A customer's data cannot be read or written here, as the key that wraps theirs is away."""

    retryable = True

    def __init__(self, problem: str) -> None:
        super().__init__(f"What is stored of customers is encrypted: {problem}.")


class Forbidden(CaseError):
    """The person is known, or not, and may not do this."""


class ForeignWrite(CaseError):
    def __init__(self, owner: str, section: str, belongs_to: str) -> None:
        super().__init__(f"{owner} may not write section {section}: it belongs to {belongs_to}.")


class UnknownSection(CaseError):
    def __init__(self, name: str) -> None:
        super().__init__(f"No agent is registered for section {name}.")


class DamagedBody(CaseError):
    """A packed body cannot be read back as what was packed."""


class SchemaTooNew(CaseError):
    """During a deployment another worker is newer: what this one cannot read waits for that one."""

    retryable = True
    retry_after = timedelta(seconds=15)

    def __init__(self, section: str, stored: int, known: int) -> None:
        super().__init__(
            f"Section {section} is stored in schema version {stored}, "
            f"and this code knows it up to version {known}: it takes newer code."
        )
        self.stored = stored
        self.known = known


class SchemaGap(CaseError):
    """The upgrades of this code do not fit its schema version; the sentence names both."""
