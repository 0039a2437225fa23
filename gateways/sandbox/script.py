"""What a charge's script may say: one word for each call for a refund of that charge."""

import re
from collections.abc import Sequence
from enum import StrEnum


class Word(StrEnum):
    """What one call comes to. What docs/sandbox.md says of each is compared with this list."""

    OK = "ok"
    # Accepted, and decided later.
    PENDING = "pending"
    FAIL_LATER = "fail_later"
    # Carried out, and the answer does not arrive.
    DROP = "drop"
    HANG = "hang"
    # Not even begun.
    HANG_BEFORE = "hang_before"
    ERROR_503 = "503"
    TOO_MANY = "429"
    IN_PROGRESS = "409"
    NOT_AUTHORISED = "401"
    # Begun and given up.
    ERROR_500 = "500"
    # Refused.
    DISPUTED = "disputed"
    ALREADY_REFUNDED = "already_refunded"
    TOO_HIGH = "too_high"
    NOT_CAPTURED = "not_captured"


#: Longer words first: `ch_hang_before` is no `hang`.
_NAMED = re.compile(f"ch_({'|'.join(sorted(Word, key=len, reverse=True))})(?:_.*)?")


def script_of(charge_id: str, script: Sequence[Word] | None) -> list[str]:
    """The script that is given, or by the charge's id: `ch_drop` and `ch_drop_2` drop once."""
    if script is not None:
        return [word.value for word in script]
    named = _NAMED.fullmatch(charge_id)
    return [named[1]] if named else []
