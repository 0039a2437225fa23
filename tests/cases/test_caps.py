"""No answer of a model or a provider, however big, makes a case too big."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from cases.billing import MAX_ORDERS, BillingSection, Charge, examine_charges
from cases.money import Money
from cases.policy import Facts, RefundPolicy, decide
from cases.sizes import REPORT_BYTES, encoded_size
from cases.understanding import MAX_NEED_CHARS, MAX_NEEDS, Understanding
from tests.samples import charge, needs, paid_back, usd

MINUTE = timedelta(minutes=1)
THREE_MB = 3_000_000
POLICY = RefundPolicy(version=1, limit_days=30, limits={"USD": 10**9})
CENT = Money(amount_minor=1, currency="USD")


def twins(count: int, amount: Money = CENT, prefix: str = "ch_") -> list[Charge]:
    """One charge, and so many more that look like it."""
    return [charge(f"{prefix}{n:06}", amount, after=n * MINUTE / 100) for n in range(count + 1)]


def assert_for_a_person(section: BillingSection) -> None:
    """Nothing of it is paid, with or without an approval."""
    assert section.status == "needs_human"
    assert section.doubts
    assert "A person must look." in section.doubts[-1]
    assert (section.orders, section.duplicates, section.past_refunds) == ((), (), ())
    assert section.refundable is None
    assert encoded_size("billing", section) < 1000
    ruling = decide(Facts(needs("billing"), section, None, {}), POLICY)
    assert ruling.rule == "doubtful"
    assert (ruling.orders, ruling.approval_required) == ((), False)


def test_the_most_refunds_at_once_are_50() -> None:
    section = examine_charges(twins(MAX_ORDERS))

    assert section.status == "duplicates_found"
    assert len(section.orders) == MAX_ORDERS == 50
    assert section.refundable == Money(amount_minor=MAX_ORDERS, currency="USD")


@pytest.mark.parametrize("count", [MAX_ORDERS + 1, 20_000])
def test_more_refunds_than_that_are_a_doubt_and_nothing_is_paid(count: int) -> None:
    section = examine_charges(twins(count))

    assert_for_a_person(section)
    assert section.charges_seen == count + 1
    assert f"{count} charges look refundable" in section.doubts[0]


def test_50_pairs_in_one_currency_and_one_more_in_another_are_too_many() -> None:
    pairs = [
        one for n in range(MAX_ORDERS) for one in twins(1, usd(f"{n + 1}.00"), prefix=f"ch_{n}_")
    ]
    assert len(examine_charges(pairs).orders) == MAX_ORDERS

    euros = twins(1, Money.parse("1.00", "EUR"), prefix="ch_eur_")
    assert_for_a_person(examine_charges([*pairs, *euros]))


@pytest.mark.parametrize(
    "charges",
    [
        twins(1, prefix="c" * THREE_MB),
        [charge(f"ch_{n}", refunds=(paid_back(),) * 20_000) for n in range(2)],
        [charge(f"ch_{n:06}", description="plan" * (n % 2)) for n in range(20_000)],
    ],
    ids=["an id of 3 MB", "40,000 refunds", "20,000 charges of which half have a description"],
)
def test_3_mb_of_findings_are_a_doubt_and_nothing_is_paid(charges: list[Charge]) -> None:
    assert_for_a_person(examine_charges(charges))


def test_a_merchant_of_3_mb_is_compared_and_not_kept() -> None:
    pair = [charge(f"ch_{n}", merchant="m" * THREE_MB, after=n * MINUTE) for n in range(2)]
    section = examine_charges(pair)

    assert len(section.orders) == 1
    assert encoded_size("billing", section) < REPORT_BYTES


@pytest.mark.parametrize(
    "wanted",
    [
        ["n" * (MAX_NEED_CHARS + 1)],
        ["n" * THREE_MB],
        [f"need_{n}" for n in range(MAX_NEEDS + 1)],
        [f"need_{n}" for n in range(THREE_MB // 10)],
        ["billing", "n" * THREE_MB],
    ],
    ids=["65 characters", "3 MB", "33 needs", "3 MB of needs", "a true need beside it"],
)
def test_a_models_needs_are_few_and_short(wanted: list[str]) -> None:
    with pytest.raises(ValidationError):
        Understanding.model_validate({"needs": wanted})


def test_as_many_needs_as_there_may_be_are_taken() -> None:
    wanted = {f"{n:02}".ljust(MAX_NEED_CHARS, "n") for n in range(MAX_NEEDS)}

    assert Understanding(needs=frozenset(wanted)).needs == wanted
