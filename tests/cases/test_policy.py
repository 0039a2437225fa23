"""Every rule of the refund policy, and the order in which they stand."""

from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.accounts import AccountSection
from cases.billing import BillingSection, PastRefund
from cases.money import Money
from cases.policy import Decision, Facts, PolicySection, RefundPolicy, decide
from cases.understanding import Reason, UnderstandingSection
from tests.samples import NOON, duplicates, needs, order, usd

POLICY = RefundPolicy.from_toml(files("cases").joinpath("refund_policy.toml").read_text("utf-8"))
GOOD = 'version = 1\nlimit_days = 30\n[limits]\nUSD = "500.00"\n'


def ruling(
    billing: BillingSection | None = None,
    account: AccountSection | None = None,
    *,
    understood: UnderstandingSection | None = None,
    lately: dict[str, int] | None = None,
) -> PolicySection:
    facts = Facts(
        understanding=understood or needs("billing"),
        billing=billing,
        account=account,
        refunded_lately=lately or {},
    )
    return decide(facts, POLICY)


def of(amount: str, currency: str = "USD") -> BillingSection:
    return duplicates(order(amount=Money.parse(amount, currency)))


def assert_pays_nothing(section: PolicySection, rule: str) -> None:
    assert section.rule == rule
    assert section.decision is not Decision.REFUND
    assert section.amount is None
    assert section.orders == ()
    assert not section.approval_required


def test_a_proven_duplicate_is_refunded_and_the_policys_version_recorded() -> None:
    billing = of("49.99")
    section = ruling(billing)

    assert section.decision is Decision.REFUND
    assert section.rule == "proven_duplicate"
    assert section.amount == usd("49.99")
    assert section.orders == billing.orders
    assert section.policy_version == POLICY.version == 1
    assert not section.approval_required
    assert "49.99 USD is within 500.00 USD" in section.reason


@pytest.mark.parametrize(
    ("amount", "currency", "alone"),
    [
        ("500.00", "USD", True),
        ("500.01", "USD", False),
        ("400.00", "GBP", True),
        ("400.01", "GBP", False),
        ("75000", "JPY", True),
        ("75001", "JPY", False),
        ("190.000", "BHD", True),
        ("190.001", "BHD", False),
    ],
)
def test_exactly_the_limit_needs_nobody_and_the_next_cent_does(
    amount: str, currency: str, alone: bool
) -> None:
    section = ruling(of(amount, currency))

    assert section.approval_required is not alone
    assert section.rule == ("proven_duplicate" if alone else "above_limit")
    assert section.decision is (Decision.REFUND if alone else Decision.NEEDS_HUMAN)
    assert section.amount == Money.parse(amount, currency)


def test_what_waits_for_a_person_names_its_orders_and_the_sum() -> None:
    section = ruling(of("612.00"))

    assert section.orders == of("612.00").orders
    assert section.reason == "612.00 USD within 30 days is above the limit of 500.00 USD."
    assert section.approval_id is None


@pytest.mark.parametrize(("lately", "alone"), [(45001, True), (45002, False), (10**12, False)])
def test_the_limit_counts_what_the_customer_got_in_the_last_days(lately: int, alone: bool) -> None:
    assert ruling(of("49.99"), lately={"USD": lately}).approval_required is not alone


def test_what_the_customer_got_in_another_currency_does_not_count() -> None:
    assert ruling(of("49.99"), lately={"EUR": 10**9}).decision is Decision.REFUND


def test_the_limit_counts_all_orders_of_the_case_together() -> None:
    halves = [order("ch_2", usd("250.00"), 1), order("ch_3", usd("250.01"), 2)]

    assert ruling(duplicates(*halves)).rule == "above_limit"


def test_a_currency_that_is_not_in_the_table_goes_to_a_person() -> None:
    assert_pays_nothing(ruling(of("0.01", "SEK")), "currency_not_covered")


def test_a_limit_of_zero_lets_nothing_out_without_a_person() -> None:
    nothing = RefundPolicy.from_toml(GOOD.replace("500.00", "0.00"))
    facts = Facts(needs("billing"), of("0.01"), None, {})

    assert decide(facts, nothing).rule == "above_limit"


@pytest.mark.parametrize(
    ("billing", "account"),
    [
        (BillingSection(status="needs_human", customer_known=False), None),
        (of("49.99"), AccountSection(customer_known=False, issue="unknown_customer")),
    ],
)
def test_an_unknown_customer_goes_to_a_person(
    billing: BillingSection, account: AccountSection | None
) -> None:
    assert_pays_nothing(ruling(billing, account), "unknown_customer")


def test_a_locked_account_goes_to_a_person_whatever_the_records_say() -> None:
    locked = AccountSection(issue="locked", locked=True)

    assert_pays_nothing(ruling(of("49.99"), locked), "account_locked")


def test_whom_mail_does_not_reach_goes_to_a_person_whatever_the_records_say() -> None:
    unreached = AccountSection(status="needs_human", issue="wrong_mail")

    assert_pays_nothing(ruling(of("49.99"), unreached), "wrong_mail")
    assert_pays_nothing(ruling(None, unreached, understood=needs("account")), "wrong_mail")


@pytest.mark.parametrize(
    "understood",
    [UnderstandingSection(status="failed", error="no answer"), UnderstandingSection()],
)
def test_a_locked_account_stays_the_rule_when_a_later_message_is_not_understood(
    understood: UnderstandingSection,
) -> None:
    locked = AccountSection(issue="locked", locked=True)

    assert ruling(of("49.99"), locked, understood=understood).rule == "account_locked"


def test_a_request_that_may_mean_something_else_goes_to_a_person() -> None:
    unsure = needs("billing").model_copy(update={"unsure": True})
    assert_pays_nothing(ruling(of("49.99"), understood=unsure), "not_sure")

    once_unsure = AccountSection(status="needs_human", issue="not_sure")
    assert_pays_nothing(ruling(of("49.99"), once_unsure), "not_sure")


def test_who_wants_the_account_changed_gets_a_person_also_where_money_is_due() -> None:
    section = ruling(of("49.99"), AccountSection(status="needs_human", issue="other"))

    assert_pays_nothing(section, "account_request")


def test_a_request_that_was_not_understood_goes_to_a_person() -> None:
    failed = UnderstandingSection(status="failed", error="no answer")

    assert_pays_nothing(ruling(of("49.99"), understood=failed), "not_understood")


def test_a_request_about_neither_goes_to_a_person() -> None:
    assert_pays_nothing(ruling(understood=UnderstandingSection()), "not_ours")


def test_an_agent_that_failed_leaves_the_request_to_a_person() -> None:
    failed_billing = BillingSection(status="failed", error="no answer")
    failed_account = AccountSection(status="failed", error="no answer")

    assert_pays_nothing(ruling(failed_billing), "billing_failed")
    assert_pays_nothing(ruling(of("49.99"), failed_account), "account_failed")


@pytest.mark.parametrize(
    "reason",
    [Reason.UNRECOGNISED, Reason.NOT_RECEIVED, Reason.NOT_AS_DESCRIBED, Reason.FRAUD],
)
@pytest.mark.parametrize("billing", [of("49.99"), BillingSection()])
def test_every_other_reason_goes_to_a_person(reason: Reason, billing: BillingSection) -> None:
    section = ruling(billing, understood=needs("billing", reason=reason))

    assert_pays_nothing(section, "reason_needs_person")
    assert reason in section.reason


@pytest.mark.parametrize("reason", [Reason.DUPLICATE, Reason.UNSPECIFIED, Reason.REFUND_STATUS])
def test_the_record_decides_for_a_reason_that_may_mean_a_duplicate(reason: Reason) -> None:
    understood = needs("billing", reason=reason)

    assert ruling(of("49.99"), understood=understood).decision is Decision.REFUND
    assert ruling(BillingSection(), understood=understood).rule == "nothing_found"


def test_each_reason_has_a_ruling() -> None:
    for reason in Reason:
        assert ruling(of("1.00"), understood=needs("billing", reason=reason)).rule in (
            "proven_duplicate",
            "reason_needs_person",
        )


def test_a_doubt_goes_to_a_person_with_the_doubt_in_words() -> None:
    section = ruling(of("49.99").model_copy(update={"doubts": ("A charge is disputed.",)}))

    assert_pays_nothing(section, "doubtful")
    assert section.reason == "A charge is disputed."


def test_nothing_found_is_no_error() -> None:
    section = ruling(BillingSection(status="nothing_found"))

    assert_pays_nothing(section, "nothing_found")
    assert section.decision is Decision.NO_ACTION


def test_nothing_found_about_a_customer_without_charges_is_no_error_either() -> None:
    assert ruling(BillingSection(refundable=None)).rule == "nothing_found"


def test_a_refund_on_record_is_not_repeated() -> None:
    past = PastRefund(charge_id="ch_2", amount=usd("49.99"), refunded_at=NOON)
    section = ruling(BillingSection(refundable=usd("0.00"), past_refunds=(past,)))

    assert_pays_nothing(section, "already_refunded")
    assert section.decision is Decision.NO_ACTION


def test_what_is_open_is_paid_also_when_another_duplicate_was_refunded_before() -> None:
    past = PastRefund(charge_id="ch_9", amount=usd("49.99"), refunded_at=NOON)

    assert ruling(of("5.00").model_copy(update={"past_refunds": (past,)})).amount == usd("5.00")


def test_orders_without_a_sum_go_to_a_person() -> None:
    assert_pays_nothing(ruling(of("5.00").model_copy(update={"refundable": None})), "doubtful")


def test_billing_that_was_needed_and_not_examined_goes_to_a_person() -> None:
    assert_pays_nothing(ruling(None), "billing_missing")


def test_a_request_about_the_account_alone_asks_for_no_money() -> None:
    section = ruling(None, AccountSection(), understood=needs("account"))

    assert_pays_nothing(section, "no_money_asked")
    assert section.decision is Decision.NO_ACTION


DOLLARS = st.builds(Money, amount_minor=st.integers(0, 10**6), currency=st.just("USD"))


@given(
    st.builds(
        BillingSection,
        customer_known=st.booleans(),
        status=st.sampled_from(["duplicates_found", "failed"]),
        refundable=st.none() | DOLLARS,
        orders=st.sampled_from([(), (order(),)]),
        doubts=st.sampled_from([(), ("?",)]),
    ),
    st.none() | st.builds(AccountSection, locked=st.booleans(), customer_known=st.booleans()),
    st.sampled_from(Reason),
    st.integers(0, 10**6),
)
def test_whatever_the_facts_nothing_above_the_limit_is_paid_without_a_person(
    billing: BillingSection, account: AccountSection | None, reason: Reason, lately: int
) -> None:
    understood = needs("billing", "account", reason=reason)
    section = ruling(billing, account, understood=understood, lately={"USD": lately})

    if section.decision is Decision.REFUND:
        assert section.amount is not None
        assert section.amount.amount_minor + lately <= 50000
        assert billing.orders
        assert not billing.doubts
        assert billing.customer_known
        assert account is None or (account.customer_known and not account.locked)
    if section.approval_required:
        assert section.decision is Decision.NEEDS_HUMAN


def test_a_decision_survives_its_stored_form() -> None:
    section = ruling(of("612.00"))

    assert PolicySection.model_validate_json(section.model_dump_json()) == section
