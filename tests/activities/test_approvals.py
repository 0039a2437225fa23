"""Looking after a case's approval request."""

import pytest

from activities.approvals import ApprovalActivities, ApprovalTask
from activities.record import CaseRecord
from activities.steps import CaseRef
from cases.approvals import ApprovalSection, ApprovalState
from cases.branches import ASSUMED
from cases.policy import Decision, PolicySection
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

    @property
    def activities(self) -> ApprovalActivities:
        record = CaseRecord(self.store, self.hot)
        return ApprovalActivities(record, self.approvals, self.journal, self.tasks)

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


POLICY = PolicySection(
    decision=Decision.NEEDS_HUMAN,
    rule="above_limit",
    reason="More than the limit.",
    policy_version=1,
    amount=usd("612.00"),
    approval_required=True,
    approval_id="apr_1",
)
ON_BRANCH = REQUEST.model_copy(update={"ref": REF.model_copy(update={"branch": "b1"})})


class NothingToUndo(FakeTasks):
    """A branch, which has registered nothing."""

    async def end_compensation(self, case_id: str, branch: str, name: str, problem: str) -> bool:
        assert (case_id, branch, name, problem) == ("case_1", "b1", "withdraw_request", "")
        return False


def two_lines() -> House:
    """The main line waits, and a branch began while it did."""
    main, branch = (case(POLICY, ASKED, branch=name) for name in ("main", "b1"))
    return House(main, branch)


@pytest.mark.parametrize(
    ("on_record", "then", "note"),
    [
        (ApprovalState.PENDING, ApprovalState.APPROVED, ASSUMED),
        (ApprovalState.VOID, ApprovalState.APPROVED, ASSUMED),
        (ApprovalState.APPROVED, ApprovalState.APPROVED, ""),
        (ApprovalState.DENIED, ApprovalState.DENIED, ""),
        (ApprovalState.EXPIRED, ApprovalState.EXPIRED, ""),
    ],
)
async def test_on_a_branch_what_the_main_line_was_told_counts_or_else_yes(
    on_record: ApprovalState, then: ApprovalState, note: str
) -> None:
    house = two_lines()
    house.approvals.state = on_record
    reports = [await run(house.activities.assume_decision, ON_BRANCH) for _ in range(2)]

    section = house.store.cases["case_1", "b1"].get(ApprovalSection)
    assert section == ASKED.model_copy(update={"state": then, "note": note})
    assert [one.step for one in house.store.commits] == ["approval:apr_1:assumed"]
    for report in reports:
        assert report.apply_to(case(POLICY, ASKED)).get(ApprovalSection) == section
    assert house.state == case(POLICY, ASKED)
    assert house.approvals.state is on_record


async def test_a_request_that_the_main_line_never_made_is_assumed_to_be_approved() -> None:
    house = House(case(POLICY, branch="b1"))
    await run(house.activities.assume_decision, ON_BRANCH)

    section = house.store.cases["case_1", "b1"].get(ApprovalSection)
    assert section
    assert (section.approval_id, section.state) == ("apr_1", ApprovalState.APPROVED)
    assert (section.note, section.decided_by) == (ASSUMED, ())


@pytest.mark.parametrize("end", [ApprovalState.EXPIRED, ApprovalState.VOID])
@pytest.mark.parametrize("approval_id", ["apr_1", ""])
async def test_a_branch_never_ends_the_main_lines_request(
    end: ApprovalState, approval_id: str
) -> None:
    house = two_lines()
    house.tasks = NothingToUndo()
    task = ON_BRANCH.model_copy(update={"end": end, "approval_id": approval_id})
    report = await run(house.activities.close_approval, task)

    assert report.apply_to(case(POLICY)).get(ApprovalSection) == ASKED
    assert house.approvals.state is ApprovalState.PENDING
    assert house.store.commits == []
