"""docs/stripe.md says what the code does."""

import re
from datetime import timedelta
from pathlib import Path

from cases.money import THREE_DECIMALS
from gateways.stripe import amounts, connection, errors, objects

_PAGE = (Path(__file__).parents[2] / "docs" / "stripe.md").read_text("utf-8")
_CODE = "".join(
    path.read_text("utf-8") for path in (Path(__file__).parents[2] / "gateways/stripe").glob("*.py")
)


def test_the_page_names_every_code_that_there_is_and_no_other() -> None:
    named = set(re.findall(r"^\| `([a-z_]+)` \|", _PAGE, flags=re.MULTILINE))
    used = set(re.findall(r'(?:Refused|NoAnswer|_rejected)\((?:\n\s*)?"([a-z_]+)"', _CODE))
    used |= set(errors.WORDS.values()) | {"amount_too_high", "idempotency_error", "timed_out"}

    assert named == used | {"no_answer", "not_sent"}


def test_the_page_names_the_version_the_deadline_and_the_metadata() -> None:
    assert connection.API_VERSION in _PAGE
    assert timedelta(seconds=15) == connection.DEADLINE
    assert "within 15 s" in _PAGE
    for name in (objects.KEY, objects.DIGEST, objects.CASE):
        assert f"`{name}`" in _PAGE


def test_the_page_names_the_currencies_that_stripe_counts_in_its_own_way() -> None:
    [listed] = re.findall(r"^- (.*?) have three decimals", _PAGE, flags=re.MULTILINE)

    # IQD and LYD cannot be charged in at Stripe.
    assert set(re.findall(r"[A-Z]{3}", listed)) == THREE_DECIMALS - {"IQD", "LYD"}
    for currency in amounts.HUNDREDTHS | amounts.WHOLE:
        assert f"{currency} " in _PAGE
