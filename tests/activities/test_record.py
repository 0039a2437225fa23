"""Durable first, then its hot copy."""

import pytest

from activities.record import CaseRecord, reported
from activities.steps import CaseRef
from cases.billing import BillingSection
from cases.errors import CaseNotFound, ConcurrentModification
from cases.ports import Approvals, CaseStore, EffectLedger, HotStore
from cases.state import StepUpdate
from tests.activities.environment import REF
from tests.fake_approvals import FakeApprovals
from tests.fake_ledger import FakeLedger
from tests.fakes import FakeHot, FakeStore
from tests.samples import case, needs

FOUND = StepUpdate(step="billing:1", owner="billing", sections={"billing": BillingSection()})


def again_found(number: int) -> StepUpdate:
    """Another finding of the billing agent, as the step of that round."""
    other = BillingSection(charges_seen=5)
    return StepUpdate(step=f"billing:{number}", owner="billing", sections={"billing": other})


def record(store: FakeStore, hot: FakeHot | None = None) -> CaseRecord:
    return CaseRecord(store, hot or FakeHot())


async def test_a_forgotten_hot_copy_is_made_again_from_the_record() -> None:
    hot = FakeHot()
    state = await record(FakeStore.of(case()), hot).load(REF)

    assert state == case()
    assert hot.copies["case_1", "main"] == case()


async def test_a_hot_copy_that_is_new_enough_is_used() -> None:
    hot = FakeHot()
    await hot.write(case(needs("billing")))
    store = FakeStore.of(case())

    assert (await record(store, hot).load(REF.model_copy(update={"at_least": 2}))).version == 2
    assert store.loads == []
    await record(store, hot).load(REF.model_copy(update={"at_least": 3}))
    assert store.loads == ["state"]


async def test_after_a_conflict_the_hot_copy_is_forgotten() -> None:
    """The old copy may be what misled the writer: its next attempt must not meet it."""
    store, hot = FakeStore.of(case()), FakeHot()
    await hot.write(case())
    store.cases["case_1", "main"] = case(BillingSection(charges_seen=9))

    with pytest.raises(ConcurrentModification):
        await record(store, hot).commit(case(), [again_found(2)])
    assert hot.copies == {}


async def test_a_step_that_another_attempt_committed_is_reported_as_it_was_committed() -> None:
    store, hot = FakeStore.of(case()), FakeHot()
    await record(store, hot).commit(case(), [FOUND])
    report = await record(store, hot).commit(case(), [again_found(1)])

    [done] = report.done
    assert done.version == 2
    assert done.sections == FOUND.sections
    assert store.commits == [FOUND]
    assert hot.copies["case_1", "main"] == store.cases["case_1", "main"]


async def test_steps_committed_together_are_reported_each_with_its_version() -> None:
    store, hot = FakeStore.of(case()), FakeHot()
    await hot.write(case())
    second = StepUpdate(step="approval_request:1", owner="approval")
    report = await record(store, hot).commit(case(), [FOUND, second])

    assert [(done.step, done.version) for done in report.done] == [
        ("billing:1", 2),
        ("approval_request:1", 3),
    ]
    assert hot.copies["case_1", "main"] == store.cases["case_1", "main"]
    assert report.apply_to(case()).version == 3


@pytest.mark.parametrize("customer", ["cus_2", "cus"])
async def test_a_case_is_never_handed_out_for_another_customer(customer: str) -> None:
    foreign = CaseRef(case_id="case_1", customer_id=customer)
    hot = FakeHot()
    await hot.write(case())

    for reader in (record(FakeStore.of(case())), record(FakeStore(), hot)):
        with pytest.raises(CaseNotFound):
            await reader.load(foreign)
    with pytest.raises(CaseNotFound):
        await record(FakeStore.of(case())).load_dossier(foreign, limit_days=30)


def test_only_sections_that_are_there_are_reported_again() -> None:
    state = case(BillingSection())
    report = reported(state, {"billing": "billing:1", "account": "account:1"})

    [done] = report.done
    assert (done.step, done.owner, done.version) == ("billing:1", "billing", 2)


def test_the_fakes_fit_the_ports() -> None:
    store: CaseStore = FakeStore()
    ledger: EffectLedger = FakeLedger(FakeStore())
    hot: HotStore = FakeHot()
    approvals: Approvals = FakeApprovals(FakeStore())

    assert all((store, ledger, hot, approvals))
