"""The published JSON schema of a policy file: what the code says, and what it refuses.

After a change of `cases/policy_file.py`, write it again: `uv run python -m
tests.cases.test_policy_schema`.
"""

import json
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from cases.currencies import CURRENCIES
from cases.errors import InvalidInput
from cases.money import THREE_DECIMALS, ZERO_DECIMALS
from cases.policy import RefundPolicy
from cases.policy_file import PolicyFile

PUBLISHED = Path(__file__).parents[2] / "docs" / "policy.schema.json"
SHIPPED = files("cases").joinpath("refund_policy.toml").read_text("utf-8")


def schema() -> dict[str, Any]:
    """The model's schema, with the dialect that it is written in."""
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return {**dialect, **PolicyFile.model_json_schema()}


def written(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2) + "\n"


def fits(text: str) -> bool:
    validator: Any = jsonschema.Draft202012Validator(schema())
    return bool(validator.is_valid(tomllib.loads(text)))


def test_the_published_schema_is_that_of_the_code() -> None:
    assert PUBLISHED.read_text("utf-8") == written(schema())


def test_the_schema_is_one_and_the_shipped_policy_fits_it() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    assert fits(SHIPPED)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("version = 1\n", ""),
        ("version = 1", "version = 0"),
        ("version = 1", "version = 1000000001"),
        ("version = 1", "version = true"),
        ("version = 1", 'version = "1"'),
        ("version = 1", "version = 1\nlimit = 5"),
        ("limit_days = 30", "limit_days = 0"),
        ("limit_days = 30", "limit_days = 36501"),
        ('"500.00"', "500.00"),
        ('"500.00"', '"-1.00"'),
        ('"500.00"', '"1,000.00"'),
        ('"500.00"', '""'),
        ("USD", "USX"),
        ("USD", "usd"),
        ("[limits]", "[limits.all]"),
    ],
)
def test_the_schema_refuses_what_the_code_refuses(old: str, new: str) -> None:
    wrong = SHIPPED.replace(old, new)

    assert not fits(wrong)
    with pytest.raises(InvalidInput):
        RefundPolicy.from_toml(wrong)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('USD = "5000.00"', 'USD = "499.99"'),
        ('USD = "5000.00"\n', ""),
        ('BHD = "1900.000"', 'BHD = "1900.000"\nSEK = "1.00"'),
        ('"75000"', '"75000.00"'),
    ],
)
def test_what_one_field_says_of_another_only_the_code_refuses(old: str, new: str) -> None:
    wrong = SHIPPED.replace(old, new)

    assert fits(wrong)
    with pytest.raises(InvalidInput):
        RefundPolicy.from_toml(wrong)


def test_an_empty_table_of_limits_is_refused_by_both() -> None:
    text = "version = 1\nlimit_days = 30\n[limits]\n"

    assert not fits(text)
    with pytest.raises(InvalidInput, match=r"^limits: needs a table"):
        RefundPolicy.from_toml(text)


def test_every_currency_with_decimals_of_its_own_may_stand_in_a_policy() -> None:
    assert ZERO_DECIMALS | THREE_DECIMALS <= CURRENCIES
    assert all(len(code) == 3 and code.isascii() and code.isupper() for code in CURRENCIES)


if __name__ == "__main__":
    PUBLISHED.write_text(written(schema()), "utf-8")
