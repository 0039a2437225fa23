"""Names and keys: made once, by these functions, from the case and its business facts."""

import base64
import hashlib
import re

from cases.errors import InvalidInput

MAIN = "main"
#: Higher than any version of a case: the state as it is now.
NEWEST = 2**62

#: Letters, digits, dot, dash and underscore: no room for a mail address or a phone number with +.
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_CHECKPOINT = re.compile(r"(.+)\.([0-9]{1,9})")


def check_identifier(value: str, field: str) -> str:
    """Return the identifier, or raise InvalidInput that names the field."""
    if not _IDENTIFIER.fullmatch(value):
        raise InvalidInput(
            field, f"{value[:40]!r} is not an id (1 to 64 letters, digits, '_', '-' or '.')"
        )
    return value


def workflow_id(case_id: str, branch: str = MAIN) -> str:
    """The Temporal workflow id: the case id itself on the main line."""
    return case_id if branch == MAIN else f"{case_id}@{branch}"


def promotion_of(case_id: str) -> str:
    """What stands for the case in the workflow id of a promotion: "promote:case_8842@b1".

    No case has a colon in its id.
    """
    return f"promote:{case_id}"


def parse_workflow_id(value: str) -> tuple[str, str]:
    """The case and the branch that a workflow id names."""
    case_id, _, branch = value.partition("@")
    named = (case_id, branch or MAIN)
    return named if workflow_id(*named) == value else (value, MAIN)


def checkpoint_id(branch: str, version: int) -> str:
    """The case's checkpoint at a version of a branch: "main.7"."""
    return f"{branch}.{version}"


def parse_checkpoint_id(value: str) -> tuple[str, int]:
    """Branch and version of a checkpoint id; raises InvalidInput."""
    found = _CHECKPOINT.fullmatch(value)
    if not found:
        raise InvalidInput("checkpoint", f"{value[:40]!r} is not a checkpoint id such as main.7")
    return found[1], int(found[2])


def refund_key(provider_account: str, anchor_charge: str, slot: int, attempt: int = 1) -> str:
    """The idempotency key of a duplicate's refund.

    It names the business fact: the earliest charge of the group, and which of its twins (1, 2, ...)
    is paid back. Neither the case nor the twin's id is in it, so that two cases that each pick the
    other twin of a pair meet in one key. `attempt` rises only by a person's decision.
    """
    return _key("rf1_", provider_account, "duplicate", anchor_charge, str(slot), str(attempt))


def correction_key(
    provider_account: str, anchor_charge: str, slot: int, total_minor: int, attempt: int = 1
) -> str:
    """The idempotency key of what is paid on top of a duplicate's refund.

    It names the sum that the duplicate shall come to: the same sum is never topped up twice.
    """
    facts = (anchor_charge, str(slot), str(total_minor), str(attempt))
    return _key("co1_", provider_account, "correction", *facts)


def reset_key(customer_id: str, case_id: str) -> str:
    """The idempotency key of a password reset mail: at most one per customer and case."""
    return _key("rs1_", customer_id, case_id)


def revoke_key(customer_id: str, case_id: str) -> str:
    """The idempotency key of taking a reset mail's link back."""
    return _key("rv1_", customer_id, case_id)


def unlock_key(customer_id: str, case_id: str) -> str:
    """The idempotency key of unlocking the customer's account for a case."""
    return _key("ul1_", customer_id, case_id)


def notice_key(approval_id: str, occasion: str, asked: int) -> str:
    """The idempotency key of telling approvers of a request; `asked` counts how often it waited."""
    return _key("nt1_", approval_id, occasion, str(asked))


def answer_key(case_id: str, number: int = 1) -> str:
    """The idempotency key of the answer to the customer; a case has one."""
    return _key("an1_", case_id, str(number))


def _key(prefix: str, *facts: str) -> str:
    digest = hashlib.sha256("\x1f".join(facts).encode()).digest()
    return prefix + base64.b32encode(digest).decode().rstrip("=").lower()
