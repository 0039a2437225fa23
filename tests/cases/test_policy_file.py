"""The policy as a file: what is read, and what is refused by the name of its field."""

from importlib.resources import files

import pytest

from cases.errors import InvalidInput
from cases.money import Money
from cases.policy import RefundPolicy
from tests.samples import usd

POLICY = RefundPolicy.from_toml(files("cases").joinpath("refund_policy.toml").read_text("utf-8"))
GOOD = 'version = 1\nlimit_days = 30\n[limits]\nUSD = "500.00"\n'


def test_the_policy_that_is_shipped_is_the_one_that_is_described() -> None:
    assert POLICY.limit_days == 30
    assert POLICY.limit("USD") == usd("500.00")
    assert POLICY.limit("JPY") == Money(amount_minor=75000, currency="JPY")
    assert POLICY.limit("BHD") == Money(amount_minor=190000, currency="BHD")
    assert POLICY.limit("SEK") is None


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({'"500.00"': "500.00"}, "limits.USD"),
        ({'"500.00"': "500"}, "limits.USD"),
        ({'"500.00"': "true"}, "limits.USD"),
        ({'"500.00"': '["500.00"]'}, "limits.USD"),
        ({"500.00": "500.001"}, "limits.USD"),
        ({"500.00": "five"}, "limits.USD"),
        ({"500.00": "-0.01"}, "limits.USD"),
        ({"USD": "usd"}, "limits.usd"),
        ({"USD": "DOLLAR"}, "limits.DOLLAR"),
        ({"USD": "USX"}, "limits.USX"),
        ({"USD": '"U\\u001b[31mD"'}, "limits.'U\\x1b[31mD'"),
        ({'USD = "500.00"': ""}, "limits"),
        ({"[limits]": "[ceilings]"}, "limits"),
        ({'[limits]\nUSD = "500.00"': 'limits = "500.00"'}, "limits"),
        ({"version = 1": ""}, "version"),
        ({"version = 1": "version = 0"}, "version"),
        ({"version = 1": "version = 1.5"}, "version"),
        ({"version = 1": 'version = "one"'}, "version"),
        ({"version = 1": "version = true"}, "version"),
        ({"version = 1": f"version = {10**9 + 1}"}, "version"),
        ({"limit_days = 30": "limit_days = 36501"}, "limit_days"),
        ({"limit_days = 30": "limit_days = 0"}, "limit_days"),
        (
            {'"500.00"': '"500.00"\n[second_limits]\nUSD = "600.00"\nEUR = "1.00"'},
            "second_limits.EUR",
        ),
        ({"limit_days = 30": ""}, "limit_days"),
        ({"limit_days = 30": "limit_days = 30\nlimit_day = 30"}, "limit_day"),
        ({"version = 1": "version = "}, "policy"),
        ({"version = 1": "version = 1\nversion = 2"}, "policy"),
        ({"version = 1": f"version = {'1' * 5000}"}, "policy"),
        ({"version = 1": f"version = {'[' * 5000}"}, "policy"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_wrong_policy_file_is_refused_by_the_name_of_the_field(
    change: dict[str, str], field: str
) -> None:
    text = GOOD
    for old, new in change.items():
        assert old in text
        text = text.replace(old, new)

    with pytest.raises(InvalidInput) as refused:
        RefundPolicy.from_toml(text)

    assert refused.value.field == field
    assert str(refused.value).startswith(f"{field}: ")
