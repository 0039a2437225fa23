"""What is stored says its schema version, and comes up to date one pure step after another."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.agents import AGENTS
from cases.approvals import ApprovalSection, ApprovalState
from cases.errors import InvalidInput, SchemaGap, SchemaTooNew
from cases.schema import SCHEMA_VERSION, Upgrade, check_complete, newest, upgraded
from cases.sections import check_upgrades
from cases.state import CaseState
from tests.samples import usd

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
#: Fields that nobody here knows.
UNKNOWN = st.dictionaries(st.text(min_size=1).map(lambda key: f"x_{key}"), JSON, max_size=3)
VERSIONS = st.sets(st.integers(2, 12))


def approval_of_version_1(decided_by: str | None, **more: Any) -> dict[str, Any]:
    """The body as version 1 stored it."""
    return {
        "status": "done",
        "error": None,
        "approval_id": "apr_1",
        "state": "approved",
        "amount": {"amount_minor": 60_000, "currency": "USD"},
        "digest": "d",
        "decided_by": decided_by,
        "note": "",
        **more,
    }


def notes_itself(version: int) -> Upgrade:
    """An upgrade that must not run twice."""
    return lambda body: {**body, "ran": [*body.get("ran", []), version]}


@given(VERSIONS, st.integers(1, 12), UNKNOWN)
def test_a_body_takes_every_upgrade_after_its_own_version_once_and_in_order(
    versions: set[int], stored: int, fields: dict[str, Any]
) -> None:
    upgrades = {version: notes_itself(version) for version in versions}
    stored = min(stored, newest(upgrades))
    body = {**fields, "schema_version": stored}
    before = dict(body)

    found = upgraded("probe", body, upgrades)

    assert found.get("ran", []) == sorted(version for version in versions if version > stored)
    assert found["schema_version"] == newest(upgrades)
    assert {key: found[key] for key in fields} == fields
    assert body == before
    assert upgraded("probe", found, upgrades) == found


def test_a_body_without_a_version_has_the_first_one() -> None:
    assert upgraded("probe", {}, {}) == {"schema_version": 1}
    assert upgraded("probe", {}, {2: notes_itself(2)})["ran"] == [2]


@given(st.none() | st.text(), UNKNOWN)
def test_whoever_decided_in_version_1_is_the_one_of_a_list_in_version_2(
    name: str | None, fields: dict[str, Any]
) -> None:
    section = ApprovalSection.model_validate(approval_of_version_1(name, **fields))

    assert section.decided_by == (() if name is None else (name,))
    assert (section.schema_version, section.state) == (2, ApprovalState.APPROVED)
    stored = section.model_dump(mode="json")
    assert {key: stored[key] for key in fields} == fields
    assert ApprovalSection.model_validate(stored) == section
    assert ApprovalSection.model_validate_json(section.model_dump_json()) == section


def test_a_section_that_code_makes_has_the_form_of_today() -> None:
    made = ApprovalSection(
        approval_id="apr_1",
        state=ApprovalState.APPROVED,
        amount=usd("600.00"),
        digest="d",
        decided_by=("ann", "bob"),
    )

    assert made.schema_version == 2
    assert made.model_dump(mode="json")["decided_by"] == ["ann", "bob"]
    assert ApprovalSection.model_validate(made.model_dump()) == made


def test_a_whole_state_of_version_1_is_one_of_this_version_once_it_is_read() -> None:
    old = {"approval": approval_of_version_1("ann"), "billing": {"charges_seen": 2}}
    state = CaseState.model_validate({"case_id": "c", "customer_id": "u", "sections": old})

    assert state.schema_version == SCHEMA_VERSION
    approval = state.get(ApprovalSection)
    assert approval
    assert approval.decided_by == ("ann",)
    assert state.sections["billing"].model_dump(mode="json").keys() >= {"charges_seen"}


def test_a_type_that_no_version_changed_is_stored_without_a_version() -> None:
    """So its digest, which a person may have approved, is that of before."""
    state = CaseState.model_validate(
        {"case_id": "c", "customer_id": "u", "sections": {"billing": {"schema_version": 1}}}
    )

    assert "schema_version" not in state.sections["billing"].model_dump(mode="json")
    assert "schema_version" not in state.sections["billing"].model_dump_json()


def test_a_version_that_is_too_new_is_never_guessed_at() -> None:
    body = approval_of_version_1("ann") | {"schema_version": 3}

    with pytest.raises(SchemaTooNew, match=r"approval .* version 3, .* version 2") as refusal:
        ApprovalSection.model_validate(body)
    with pytest.raises(SchemaTooNew):
        CaseState.model_validate(
            {"case_id": "c", "customer_id": "u", "sections": {"approval": body}}
        )

    assert (refusal.value.stored, refusal.value.known) == (3, 2)
    assert refusal.value.retryable
    assert refusal.value.retry_after


@pytest.mark.parametrize("stamp", [0, -1, "2", None, 2.0, True, [2], {}])
def test_what_is_no_version_is_refused(stamp: object) -> None:
    with pytest.raises(InvalidInput, match=r"approval\.schema_version: .* is not a version"):
        ApprovalSection.model_validate(approval_of_version_1("ann", schema_version=stamp))


def test_a_broken_body_of_an_old_version_is_refused_and_not_mended() -> None:
    body: dict[str, Any] = approval_of_version_1("ann")
    body["decided_by"] = {"name": "ann"}

    with pytest.raises(ValueError, match="decided_by"):
        ApprovalSection.model_validate(body)


def test_this_code_reads_every_version_that_there_ever_was() -> None:
    assert AGENTS, "importing them registers every section"

    check_upgrades()


def test_without_one_upgrade_the_check_names_the_versions_on_both_sides(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ApprovalSection, "upgrades", {})

    with pytest.raises(SchemaGap, match="no upgrade from schema version 1 to 2"):
        check_upgrades()


def test_the_upgrades_of_all_types_together_leave_no_gap_and_lead_no_further() -> None:
    two, three, four = ({version: notes_itself(version)} for version in (2, 3, 4))

    check_complete([], 1)
    check_complete([two, three, {**two, **four}], 4)
    with pytest.raises(SchemaGap, match=r"from schema version 2 to 3.* stores version 4"):
        check_complete([two, four], 4)
    with pytest.raises(SchemaGap, match=r"to schema version 4.* stores version 3"):
        check_complete([two, three, four], 3)
    with pytest.raises(SchemaGap, match=r"to schema version 1.* stores version 2"):
        check_complete([two, {1: notes_itself(1)}], 2)


def test_a_careless_upgrade_does_not_change_the_body_that_was_read() -> None:
    def careless(body: dict[str, Any]) -> dict[str, Any]:
        del body["old"]
        return body

    read = {"old": 1}

    assert upgraded("probe", read, {2: careless}) == {"schema_version": 2}
    assert read == {"old": 1}
