"""A branch sees the provider's records as they were before its case paid anything back."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from activities.agent_steps import AgentActivities, AgentTask
from activities.agents.base import Tools
from activities.branches import PaymentsAsBefore
from activities.record import CaseRecord
from activities.steps import CaseRef
from cases.billing import BillingSection, Charge, RefundRecord, examine_charges
from cases.effects import EffectIntent, EffectState, Outcome, refund_intent
from cases.ports import Payments
from tests.activities.agents import tools
from tests.activities.environment import REF, run, type_of
from tests.conftest import SmallWorld
from tests.fake_ledger import FakeLedger, effect_row
from tests.fakes import FakeHot, FakePayments, FakeStore
from tests.samples import case, charge, order, paid_back
from tests.stores.support import intent as within_limit
from tests.stores.support import opened, request
from workers.composition import Gateways, Stores, all_activities

BRANCH = REF.model_copy(update={"branch": "b1"})


def refund(receipt: str, key: str | None = None, status: str = "succeeded") -> RefundRecord:
    return paid_back(status=status).model_copy(update={"receipt": receipt, "key": key})


def twins(*refunds: RefundRecord) -> list[Charge]:
    """Two equal charges, of which the second has these refunds."""
    return [charge("ch_1"), charge("ch_2", after=timedelta(minutes=1), refunds=refunds)]


def ledger(key: str = "rf1_own", receipt: str | None = None, case_id: str = "case_1") -> FakeLedger:
    row = effect_row(key).model_copy(update={"receipt": receipt, "case_id": case_id})
    return FakeLedger(FakeStore(), rows={key: row})


def as_before(known: FakeLedger, *charges: Charge) -> PaymentsAsBefore:
    return PaymentsAsBefore(FakePayments(charges=charges), known.own_refunds, "case_1")


async def found_by(payments: Payments) -> BillingSection:
    return examine_charges(await payments.find_charges("cus_1"))


def intent_of(ref: CaseRef) -> EffectIntent:
    return refund_intent(
        order(),
        case_id=ref.case_id,
        branch=ref.branch,
        customer_id=ref.customer_id,
        provider_account="sandbox",
    )


async def billing_of(ref: CaseRef, given: Tools) -> BillingSection:
    """What the billing agent finds with those tools."""
    store = FakeStore.of(case().model_copy(update={"branch": ref.branch}))
    return await run_billing(ref, AgentActivities(CaseRecord(store, FakeHot()), given).all())


async def run_billing(ref: CaseRef, activities: Sequence[Callable[..., Any]]) -> BillingSection:
    [agent] = [one for one in activities if type_of(one) == "billing_agent"]
    report = await run(agent, AgentTask(ref=ref, agent="billing"))
    section = report.done[0].sections["billing"]
    assert isinstance(section, BillingSection)
    return section


def test_it_fits_the_port() -> None:
    payments: Payments = as_before(ledger())

    assert payments.account == "sandbox"


@pytest.mark.parametrize(
    ("known", "listed"),
    [
        (ledger("rf1_own"), refund("re_1", "rf1_own")),
        (ledger("rf1_own"), refund("re_1", "rf1_own", "pending")),
        (ledger("rf1_own", "re_1"), refund("re_1", "rf1_own", "failed")),
        # Somebody paid by hand what we had given up, and said so.
        (ledger("rf1_own", "re_1"), refund("re_1")),
    ],
    ids=["in the middle", "pending", "failed", "by hand"],
)
async def test_the_cases_own_refund_is_not_seen(known: FakeLedger, listed: RefundRecord) -> None:
    found = await as_before(known, *twins(listed)).find_charges("cus_1")

    assert found == twins()


@pytest.mark.parametrize(
    "known",
    [ledger("rf1_own", "re_1"), ledger("rf1_other", "re_2", case_id="case_2")],
    ids=["nobody's", "another case's"],
)
async def test_a_refund_of_others_is_seen(known: FakeLedger) -> None:
    theirs = refund("re_2", "rf1_other")

    payments = as_before(known, *twins(theirs))

    assert await payments.find_charges("cus_1") == twins(theirs)
    assert (await found_by(payments)).status == "already_refunded"


async def test_a_refund_without_an_id_is_seen() -> None:
    """Which one it is cannot be told: better a refund too few on a branch."""
    found = await as_before(ledger("rf1_own"), *twins(paid_back())).find_charges("cus_1")

    assert found == twins(paid_back())


async def test_a_refund_that_is_made_while_the_list_is_read_is_not_seen() -> None:
    known = FakeLedger(FakeStore())

    class Paying(FakePayments):
        async def find_charges(self, customer_id: str) -> Sequence[Charge]:
            known.rows["rf1_own"] = effect_row("rf1_own")
            return await super().find_charges(customer_id)

    payments = Paying(charges=twins(refund("re_1", "rf1_own")))

    found = await PaymentsAsBefore(payments, known.own_refunds, "case_1").find_charges("cus_1")

    assert found == twins()


async def test_a_branch_that_pays_is_a_mistake_of_the_program() -> None:
    outside = FakePayments()
    intent = intent_of(BRANCH)

    with pytest.raises(RuntimeError, match="case_1@b1 may not pay"):
        await PaymentsAsBefore(outside, ledger().own_refunds, "case_1").refund(intent)

    assert outside.sent == []


async def test_looking_is_the_same_as_before_and_after() -> None:
    done = Outcome(state=EffectState.SUCCEEDED, receipt="re_1")
    intent = intent_of(BRANCH)
    outside = FakePayments(known={intent.key: done})
    payments = PaymentsAsBefore(outside, ledger().own_refunds, "case_1")

    assert await payments.look_up(intent) == done
    assert [one async for one in payments.refunds_since(charge("ch_1").created_at)] == []


async def test_billing_finds_the_duplicate_on_a_branch_and_the_refund_on_the_main_line() -> None:
    given = tools(payments=FakePayments(charges=twins(refund("re_1", "rf1_own"))))
    given = replace(given, own_refunds=ledger("rf1_own").own_refunds)

    assert (await billing_of(BRANCH, given)).status == "duplicates_found"
    assert (await billing_of(REF, given)).status == "already_refunded"


async def test_the_ledger_is_asked_for_no_case_that_is_not_a_branch() -> None:
    given = tools()

    assert given.own_refunds is None
    assert given.for_case(REF) is given
    with pytest.raises(LookupError, match="no ledger"):
        given.for_case(BRANCH)


async def test_at_every_moment_of_a_real_refund_a_branch_finds_what_its_case_found(
    stores: Stores, gateways: Gateways, world: SmallWorld, case_id: str
) -> None:
    await world.twins()
    state = await opened(stores, case_id, world.customer_id)
    payments = gateways.payments
    seen = PaymentsAsBefore(payments, stores.ledger.own_refunds, case_id)

    async def charges() -> list[Charge]:
        return list(await seen.find_charges(world.customer_id))

    at_first = await charges()
    [one] = examine_charges(at_first).orders
    intent = within_limit(state, one)
    await stores.ledger.claim(intent)
    assert await charges() == at_first
    outcome = await payments.refund(intent)
    assert await charges() == at_first
    await stores.ledger.settle_alone(intent, outcome)
    assert await charges() == at_first
    failed = outcome.model_copy(update={"state": EffectState.FAILED})
    await stores.ledger.resolve(intent.key, failed, "test")

    assert await charges() == at_first
    stranger = PaymentsAsBefore(payments, stores.ledger.own_refunds, f"{case_id}_other")
    assert await stranger.find_charges(world.customer_id) != at_first


async def test_a_worker_gives_branches_the_ledgers_word(
    stores: Stores, gateways: Gateways, world: SmallWorld, case_id: str
) -> None:
    await world.twins()
    ref = CaseRef(case_id=case_id, customer_id=world.customer_id)
    state = await opened(stores, case_id, world.customer_id)
    await stores.cases.open(case_id, "b1", world.customer_id, request())
    activities = all_activities(stores, gateways)
    [one] = (await run_billing(ref, activities)).orders
    paying = within_limit(state, one)
    await stores.ledger.claim(paying)
    await gateways.payments.refund(paying)

    on_branch = await run_billing(ref.model_copy(update={"branch": "b1"}), activities)

    assert on_branch.orders == (one,)
