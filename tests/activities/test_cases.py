"""Opening a case, and taking a message."""

import pytest

from activities.cases import CaseActivities, MessageTask, OpenTask
from activities.record import CaseRecord
from activities.steps import CaseRef
from cases.approvals import ApprovalSection, ApprovalState
from cases.errors import CaseClosed
from cases.sections import Section
from cases.state import CaseState, CaseStatus, StepUpdate
from cases.text import MAX_TEXT_BYTES
from tests.activities.environment import REF, refused, run
from tests.fake_ledger import FakeJournal
from tests.fakes import FakeHot, FakeStore
from tests.samples import case, duplicates, needs, order, usd


class House:
    """The activities of a case's record."""

    def __init__(self, *states: CaseState) -> None:
        self.store = FakeStore.of(*states)
        self.hot = FakeHot()
        self.journal = FakeJournal()
        self.activities = CaseActivities(CaseRecord(self.store, self.hot), self.journal)

    @property
    def state(self) -> CaseState:
        return self.store.cases["case_1", "main"]


async def test_a_case_is_put_on_record_with_its_clean_text_and_a_hot_copy() -> None:
    house = House()
    await run(house.activities.open_case, OpenTask(ref=REF, text=" Charged\0 twice.\r\n"))

    assert house.state.request
    assert house.state.request.text == "Charged\ufffd twice."
    assert house.state.request.received_at.utcoffset() is not None
    assert house.state.customer_id == "cus_1"
    assert house.hot.copies["case_1", "main"] == house.state


async def test_opening_a_case_again_with_the_same_text_changes_nothing() -> None:
    house = House()
    for _ in range(2):
        await run(house.activities.open_case, OpenTask(ref=REF, text="Charged twice."))

    assert house.state.version == 1


@pytest.mark.parametrize(
    ("ref", "text", "type_name"),
    [
        (REF, " \u200b ", "InvalidInput"),
        (REF, "a" * (MAX_TEXT_BYTES + 1), "InvalidInput"),
        (CaseRef(case_id="sam@example.com", customer_id="cus_1"), "Hello", "InvalidInput"),
        (CaseRef(case_id="case_1", customer_id="+49 170"), "Hello", "InvalidInput"),
        (CaseRef(case_id="case_1", customer_id=""), "Hello", "InvalidInput"),
    ],
)
async def test_what_cannot_be_a_case_is_refused_before_anything_is_stored(
    ref: CaseRef, text: str, type_name: str
) -> None:
    house = House()

    assert await refused(house.activities.open_case, OpenTask(ref=ref, text=text)) == type_name
    assert house.store.cases == {}
    assert house.hot.copies == {}


async def test_an_id_that_another_request_has_is_refused() -> None:
    house = House(case())
    task = OpenTask(ref=REF, text="Something else.")

    assert await refused(house.activities.open_case, task) == "CaseAlreadyExists"


async def test_a_message_is_put_on_record_under_its_place_and_its_content() -> None:
    house = House(case())
    task = MessageTask(ref=REF, text="And I can't log in.\r\n", place=1)
    report = await run(house.activities.record_message, task)

    assert [message.text for message in house.state.messages] == [
        "I was charged twice.",
        "And I can't log in.",
    ]
    [done] = report.done
    assert done.step.startswith("message:signal-1-")
    assert done.step == f"message:{house.state.messages[1].message_id}"
    assert "log in" not in report.model_dump_json()


async def test_the_same_words_in_another_place_are_another_message() -> None:
    house = House(case())
    for place in (1, 2):
        await run(house.activities.record_message, MessageTask(ref=REF, text="Hello?", place=place))
    assert len(house.state.messages) == 3
    assert len({message.message_id for message in house.state.messages}) == 3


async def test_a_message_that_cannot_be_used_changes_nothing() -> None:
    house = House(case())
    task = MessageTask(ref=REF, text="\0\0", place=1)

    assert await refused(house.activities.record_message, task) == "InvalidInput"
    assert house.state == case()


async def test_what_comes_after_the_end_leaves_a_row_and_none_of_its_words() -> None:
    house = House(case())

    def close() -> None:
        raise CaseClosed("case_1", "answered")

    house.store.before_commit = close
    report = await run(
        house.activities.record_message, MessageTask(ref=REF, text="One more thing", place=1)
    )

    assert report.done == ()
    assert house.journal.notes == [("intake", "message_too_late", "answered")]


BRANCH = CaseRef(case_id="case_1", customer_id="cus_1", branch="b1")
ASKED = ApprovalSection(
    approval_id="apr_1", state=ApprovalState.PENDING, amount=usd("49.99"), digest="d"
)


def forked(*edits: Section) -> CaseState:
    """A branch of a case that was understood and looked into; its first step holds the edits."""
    state = case(needs("billing"), duplicates(order()), ASKED, branch="b1")
    version = state.version + 1
    for edit in edits or (None,):
        sections = {edit.name: edit} if edit else {}
        step = StepUpdate(step="fork:b1", owner=edit.owner if edit else "fork", sections=sections)
        state = state.after(step, version)
    return state.model_copy(update={"status": CaseStatus.AWAITING_APPROVAL})


@pytest.mark.parametrize(
    "edits",
    [
        (),
        (duplicates(order(amount=usd("40.00"))),),
        # Of several owners, as no other step writes.
        (duplicates(order(amount=usd("40.00"))), ASKED.model_copy(update={"note": "edited"})),
    ],
    ids=["as it was", "edited", "edited twice"],
)
async def test_a_branch_begins_with_all_that_was_done_before_it_and_as_it_was_edited(
    edits: tuple[Section, ...],
) -> None:
    state = forked(*edits)
    house = House(state)
    resumed = await run(house.activities.resume_branch, BRANCH)

    assert (resumed.customer_id, resumed.status) == ("cus_1", CaseStatus.AWAITING_APPROVAL)
    begun = resumed.report.apply_to(
        CaseState(case_id="case_1", customer_id="cus_1", branch="b1", status=resumed.status)
    )
    assert begun.completed_steps == state.completed_steps
    assert begun.sections == state.sections
    assert (begun.section_versions, begun.version) == (state.section_versions, state.version)
    assert "charged twice" not in resumed.model_dump_json()
    assert house.store.loads == ["dossier"]


async def test_a_branch_begins_with_the_record_whatever_its_hot_copy_says() -> None:
    state = forked()
    house = House(state)
    house.hot.copies["case_1", "b1"] = case(branch="b1")
    await run(house.activities.resume_branch, BRANCH)

    assert house.hot.copies["case_1", "b1"] == state


@pytest.mark.parametrize(
    "ref",
    [
        BRANCH.model_copy(update={"branch": "b2"}),
        BRANCH.model_copy(update={"customer_id": "cus_2"}),
        BRANCH.model_copy(update={"case_id": "case_2"}),
    ],
    ids=["no such branch", "another customer", "no such case"],
)
async def test_a_branch_that_is_not_on_record_does_not_begin(ref: CaseRef) -> None:
    house = House(forked(), case())

    assert await refused(house.activities.resume_branch, ref) == "CaseNotFound"
    assert house.hot.copies == {}
