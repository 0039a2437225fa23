"""A budget is written as people say it."""

import pytest

from cases.errors import InvalidInput
from cases.model_calls import CASE_BUDGET, CUSTOMER_BUDGET, Budget, Spent


def test_the_usual_budget_is_the_one_that_the_documents_name() -> None:
    assert Budget.parse("8 calls, 60000 tokens, 120 s, 0.50 USD") == CASE_BUDGET
    assert Budget.parse("80 calls, 600000 tokens, 1200 s, 5 USD") == CUSTOMER_BUDGET
    assert CASE_BUDGET.as_spent() == Spent(
        calls=8, tokens=60_000, milliseconds=120_000, micro_usd=500_000
    )


def test_one_call_and_nothing_at_all_are_budgets() -> None:
    assert Budget.parse("1 call, 1 token, 0 s, 0.000001 USD").micro_usd == 1
    assert Budget.parse("0 calls, 0 tokens, 0 s, 0 USD").calls == 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "8 calls",
        "8 calls, 60000 tokens, 120 s, 0.50 EUR",
        "8 calls, 60000 tokens, 120 s, 0.1234567 USD",
        "-8 calls, 60000 tokens, 120 s, 0.50 USD",
        "8 calls, 6e4 tokens, 120 s, 0.50 USD",
        "8 calls, 60000 tokens, 120 s, 0.50 USD.",
        "٨ calls, 60000 tokens, 120 s, 0.50 USD",
    ],
)
def test_a_slip_is_refused_by_the_name_of_the_setting(text: str) -> None:
    with pytest.raises(InvalidInput, match="CASEKEEPER_CASE_BUDGET") as error:
        Budget.parse(text, "CASEKEEPER_CASE_BUDGET")

    assert "8 calls, 60000 tokens, 120 s, 0.50 USD" in str(error.value)
