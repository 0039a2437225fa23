"""How updates make states: by a reducer per key, and by nobody but the owner."""

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cases.accounts import AccountSection
from cases.approvals import ApprovalSection, ApprovalState
from cases.billing import BillingSection
from cases.errors import ForeignWrite
from cases.state import (
    CaseState,
    CaseStatus,
    Message,
    StepUpdate,
    _changes,  # pyright: ignore[reportPrivateUsage]
    _reducer,  # pyright: ignore[reportPrivateUsage]
    add,
    append,
    merge,
    overwrite,
)
from tests.samples import NOON, case, needs, usd


def step(name: str, owner: str = "billing", **fields: Any) -> StepUpdate:
    return StepUpdate(step=name, owner=owner, **fields)


def writes(*sections: BillingSection | AccountSection) -> StepUpdate:
    [first, *_] = sections
    return step(
        f"{first.owner}:1", first.owner, sections={section.name: section for section in sections}
    )


def test_append_adds_at_the_end_what_is_not_there_yet() -> None:
    assert append(("a",), ("b", "c")) == ("a", "b", "c")
    assert append(("a", "b"), ("b",)) == ("a", "b")
    assert append((), ()) == ()


def test_overwrite_lets_the_new_value_stand() -> None:
    assert overwrite("old", "new") == "new"


def test_merge_lets_the_new_value_stand_key_by_key() -> None:
    old = {"a": 1, "b": 2}

    assert merge(old, {"b": 3, "c": 4}) == {"a": 1, "b": 3, "c": 4}
    assert old == {"a": 1, "b": 2}


def test_add_sums_key_by_key() -> None:
    assert add({"a": 1, "b": 2}, {"b": 3, "c": 4}) == {"a": 1, "b": 5, "c": 4}


def test_every_key_that_an_update_can_change_names_its_reducer() -> None:
    full = step(
        "s",
        sections={"billing": BillingSection()},
        status=CaseStatus.SETTLING,
        error="e",
        retries={"s": 1},
    )
    reducers = {key: _reducer(key) for key in _changes(full, 1)}

    assert reducers == {
        "completed_steps": append,
        "messages": append,
        "current_owner": overwrite,
        "status": overwrite,
        "error": overwrite,
        "sections": merge,
        "section_versions": merge,
        "retries": add,
    }


def test_every_key_of_the_state_names_a_reducer_or_belongs_to_its_identity() -> None:
    identity = {"case_id", "customer_id", "branch", "version", "schema_version"}
    counted = {"messages_pruned"}  # what the messages' own rule leaves out

    for key in set(CaseState.model_fields) - identity - counted:
        assert _reducer(key) in (append, overwrite, merge, add)


def test_a_key_without_a_reducer_is_found_out() -> None:
    with pytest.raises(LookupError, match="customer_id names no reducer"):
        _reducer("customer_id")


def test_a_step_leaves_its_name_its_owner_and_its_version() -> None:
    before = case()
    after = before.after(writes(BillingSection(charges_seen=2)), 2)

    assert after.version == 2
    assert after.checkpoint_id == "main.2"
    assert after.completed_steps == ("open", "billing:1")
    assert after.current_owner == "billing"
    assert after.section_versions == {"billing": 2}
    assert after.get(BillingSection) == BillingSection(charges_seen=2)
    assert after.get(AccountSection) is None
    assert before == case()


def test_what_an_update_does_not_name_stays_as_it_is() -> None:
    before = case(needs("billing")).after(
        step("x", status=CaseStatus.SETTLING, error="e", retries={"x": 1}), 3
    )
    after = before.after(step("y"), 4)

    assert after.status is CaseStatus.SETTLING
    assert after.error == "e"
    assert after.retries == {"x": 1}
    assert after.sections == before.sections
    assert after.messages == before.messages


def test_retries_add_up_and_messages_accumulate() -> None:
    more = Message(message_id="m2", text="And I can't log in.", received_at=NOON)
    state = case().after(step("a", retries={"a": 1}), 2).after(step("b", retries={"a": 2}), 3)
    state = state.after(step("message:m2", "intake", messages=(more,)), 4)

    assert state.retries == {"a": 3}
    assert [message.message_id for message in state.messages] == ["request", "m2"]
    assert state.request == state.messages[0]
    assert state.after(step("message:m2", "intake", messages=(more,)), 4) == state


def test_only_the_owner_writes_a_section() -> None:
    foreign = step("s", "account", sections={"billing": BillingSection()})

    with pytest.raises(ForeignWrite, match="account may not write section billing"):
        case().after(foreign, 2)


def test_one_foreign_section_spoils_an_update_that_also_writes_its_own() -> None:
    with pytest.raises(ForeignWrite, match="billing may not write section account"):
        writes(BillingSection(), AccountSection()).check_ownership()


def test_a_writer_expects_the_version_that_it_read_and_zero_for_what_is_new() -> None:
    state = case(needs("billing"), BillingSection())

    assert state.expected("billing", "account") == {"billing": 3, "account": 0}


def test_only_an_open_request_is_pending() -> None:
    asked = ApprovalSection(
        approval_id="apr_1", state=ApprovalState.PENDING, amount=usd("600.00"), digest="d"
    )
    assert case().pending_approvals == ()
    assert case(asked).pending_approvals == ("apr_1",)
    for end in set(ApprovalState) - {ApprovalState.PENDING}:
        assert case(asked.model_copy(update={"state": end})).pending_approvals == ()


def test_four_statuses_are_ends() -> None:
    assert {status for status in CaseStatus if status.closed} == {
        CaseStatus.ANSWERED,
        CaseStatus.REJECTED,
        CaseStatus.MANUAL_REVIEW,
        CaseStatus.CANCELLED,
    }


@pytest.mark.parametrize(
    "change",
    [
        {"unknown": 1},
        {"status": "done"},
        {"retries": {"s": "often"}},
        {"messages": [{"text": "no id"}]},
        {"messages": "text"},
        {"step": None},
        {"owner": 7},
        {"approval_request": {"approval_id": "apr_1"}},
    ],
)
def test_a_wrong_update_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        StepUpdate.model_validate({"step": "s", "owner": "billing", **change})


def test_a_state_cannot_be_changed_in_place() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        case().version = 7  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


def test_a_state_survives_its_stored_form() -> None:
    state = case(needs("billing"), BillingSection(duplicates=(("a", "b"),), refundable=usd("1.00")))

    assert CaseState.model_validate_json(state.model_dump_json()) == state


BILLING = st.lists(
    st.builds(BillingSection, charges_seen=st.integers(0, 9)).map(writes), min_size=1, max_size=4
)
ACCOUNT = st.lists(
    st.builds(AccountSection, issue=st.sampled_from(["login", "locked"])).map(writes),
    min_size=1,
    max_size=4,
)


@given(BILLING, ACCOUNT, st.randoms(use_true_random=False))
def test_however_parallel_steps_of_two_owners_interleave_nothing_is_lost(
    billing: list[StepUpdate], account: list[StepUpdate], random: Random
) -> None:
    one_after_the_other = [*billing, *account]
    turns = ["b"] * len(billing) + ["a"] * len(account)
    random.shuffle(turns)
    mine, theirs = iter(billing), iter(account)
    interleaved = [next(mine) if turn == "b" else next(theirs) for turn in turns]

    first, second = case(), case()
    for version, (a, b) in enumerate(zip(one_after_the_other, interleaved, strict=True), 2):
        first, second = first.after(a, version), second.after(b, version)

    assert first.sections == second.sections
    assert first.version == second.version
    assert set(first.completed_steps) == set(second.completed_steps)
    assert first.get(BillingSection) == billing[-1].sections["billing"]
    assert first.get(AccountSection) == account[-1].sections["account"]


@given(st.permutations([2, 3]))
def test_reports_of_parallel_steps_may_arrive_in_any_order(order: list[int]) -> None:
    committed = {2: writes(BillingSection()), 3: writes(AccountSection())}
    state = case()
    for version in order:
        state = state.after(committed[version], version)

    assert state.version == 3
    assert state.section_versions == {"billing": 2, "account": 3}
