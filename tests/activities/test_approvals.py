"""Looking after a case's approval request."""

import pytest

from activities.approvals import ApprovalActivities, ApprovalTask
from activities.record import CaseRecord
from activities.steps import CaseRef
from cases.approvals import ApprovalSection, ApprovalState
from cases.state import CaseState
from tests.activities.environment import REF, refused, run
from tests.fake_approvals import FakeApprovals
from tests.fake_ledger import FakeJournal, FakeTasks
from tests.fakes import FakeHot, FakeStore
from tests.samples import case, usd

ASKED = ApprovalSection(
    approval_id="apr_1", state=ApprovalState.PENDING, amount=usd("612.00"), digest="d"
)
REQUEST = ApprovalTask(ref=REF, approval_id="apr_1")


class House:
    """The activities of a case's approval."""

    def __init__(self, *states: CaseState) -> None:
        self.store = FakeStore.of(*states)
        self.hot = FakeHot()
        self.approvals = FakeApprovals(self.store)
        self.journal = FakeJournal()
        self.tasks = FakeTasks()
        self.activities = ApprovalActivities(
            CaseRecord(self.store, self.hot), self.approvals, self.journal, self.tasks
        )

    @property
    def state(self) -> CaseState:
        return self.store.cases["case_1", "main"]


async def test_the_decision_is_read_from_the_record_and_not_from_the_hot_copy() -> None:
    approved = ASKED.model_copy(update={"state": ApprovalState.APPROVED, "decided_by": ("dana",)})
    house = House(case(approved))
    house.hot.copies["case_1", "main"] = case(ASKED)
    report = await run(house.activities.read_decision, REQUEST)

    assert report.apply_to(case(ASKED)).get(ApprovalSection) == approved
    assert house.store.commits == []


@pytest.mark.parametrize("end", [ApprovalState.EXPIRED, ApprovalState.VOID])
async def test_an_open_request_is_ended(end: ApprovalState) -> None:
    house = House(case(ASKED))
    report = await run(house.activities.close_approval, REQUEST.model_copy(update={"end": end}))
    section = report.apply_to(case(ASKED)).get(ApprovalSection)
    assert section
    assert section.state is end
    assert house.approvals.state is end


async def test_a_decision_that_came_first_stands_and_is_reported() -> None:
    approved = ASKED.model_copy(update={"state": ApprovalState.APPROVED})
    house = House(case(approved))
    house.approvals.state = ApprovalState.APPROVED
    report = await run(house.activities.close_approval, REQUEST)

    assert report.apply_to(case(ASKED)).get(ApprovalSection) == approved
    assert house.store.commits == []


async def test_approvers_are_reminded_once() -> None:
    house = House(case(ASKED))

    assert await run(house.activities.remind_approvers, REQUEST)
    assert not await run(house.activities.remind_approvers, REQUEST)


async def test_the_decision_of_another_customers_case_is_not_there() -> None:
    house = House(case(ASKED))
    foreign = REQUEST.model_copy(update={"ref": CaseRef(case_id="case_1", customer_id="cus_2")})
    assert await refused(house.activities.read_decision, foreign) == "CaseNotFound"
    assert await refused(house.activities.close_approval, foreign) == "CaseNotFound"
    assert house.approvals.state is ApprovalState.PENDING
