"""Everything that can be wrong with a case, as one tree of sentences.

* CaseError
  + InvalidInput            a field that a person or a file gave; says which
  + NotFound
    - CaseNotFound
    - ApprovalNotFound
    - CheckpointNotFound
  + Conflict
    - CaseAlreadyExists
    - CaseClosed
    - ConcurrentModification   (the only one where trying again helps)
    - AlreadyDecided
    - StaleRequest
  + Forbidden               the person may not do this
  + ForeignWrite            an agent wrote a section that another one owns
  + UnknownSection          a stored section that no registered agent knows
"""

from typing import ClassVar


class CaseError(Exception):
    """Base of all errors in case words; `retryable`: may the same call succeed later?"""

    retryable: ClassVar[bool] = False


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


class Conflict(CaseError):
    """The record says something else by now."""


class CaseAlreadyExists(Conflict):
    def __init__(self, case_id: str) -> None:
        super().__init__(f"Case {case_id} exists already.")


class CaseClosed(Conflict):
    def __init__(self, case_id: str, status: str) -> None:
        super().__init__(f"Case {case_id} is closed ({status}).")


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


class StaleRequest(Conflict):
    def __init__(self, case_id: str) -> None:
        super().__init__(
            f"The approval request of case {case_id} has expired: it was never approved."
        )


class Forbidden(CaseError):
    """The person is known, or not, and may not do this."""


class ForeignWrite(CaseError):
    def __init__(self, owner: str, section: str, belongs_to: str) -> None:
        super().__init__(f"{owner} may not write section {section}: it belongs to {belongs_to}.")


class UnknownSection(CaseError):
    def __init__(self, name: str) -> None:
        super().__init__(f"No agent is registered for section {name}.")
