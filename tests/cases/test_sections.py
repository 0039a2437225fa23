"""Sections are typed by their name, and one owner writes each."""

from typing import ClassVar

import pytest
from pydantic import ValidationError

from cases.accounts import AccountSection
from cases.billing import BillingSection
from cases.errors import UnknownSection
from cases.sections import Section, section_type
from cases.state import CaseState, StepUpdate
from tests.samples import case


def test_a_section_is_known_by_its_name_as_soon_as_its_class_is_defined() -> None:
    class ParcelSection(Section):
        name: ClassVar[str] = "parcel_of_this_test"
        owner: ClassVar[str] = "parcel"

        carrier: str

    assert section_type("parcel_of_this_test") is ParcelSection
    update = StepUpdate.model_validate(
        {
            "step": "parcel:1",
            "owner": "parcel",
            "sections": {"parcel_of_this_test": {"carrier": "DHL"}},
        }
    )
    found = case().after(update, 2).get(ParcelSection)
    assert found == ParcelSection(carrier="DHL")


def test_a_variant_of_a_section_without_a_name_of_its_own_does_not_replace_it() -> None:
    class Variant(BillingSection):
        """Only more methods, say."""

    assert Variant.name == "billing"
    assert section_type("billing") is BillingSection


def test_an_unknown_section_is_an_error_that_names_it() -> None:
    with pytest.raises(UnknownSection, match="section nonsense"):
        section_type("nonsense")
    with pytest.raises(UnknownSection, match="section nonsense"):
        StepUpdate.model_validate({"step": "s", "owner": "o", "sections": {"nonsense": {}}})


def test_a_section_cannot_stand_under_the_name_of_another() -> None:
    """Else its owner could write what belongs to someone else."""
    with pytest.raises(ValidationError, match="billing cannot hold a AccountSection"):
        StepUpdate(step="s", owner="account", sections={"billing": AccountSection()})


@pytest.mark.parametrize("sections", [None, [], "billing", 5, {"billing": 5}, {"billing": None}])
def test_what_is_not_a_map_of_sections_is_refused(sections: object) -> None:
    with pytest.raises(ValidationError):
        StepUpdate.model_validate({"step": "s", "owner": "o", "sections": sections})


@pytest.mark.parametrize(
    "body",
    [
        {"charges_seen": "many"},
        {"refundable": {"amount_minor": 49.99, "currency": "USD"}},
        {"refundable": {"amount_minor": 4999, "currency": "USD", "exact": True}},
        {"duplicates": [["ch_1", 2]]},
        {"orders": [{"charge_id": "ch_2"}]},
    ],
)
def test_a_wrong_section_is_refused_at_the_boundary(body: object) -> None:
    with pytest.raises(ValidationError):
        StepUpdate.model_validate({"step": "s", "owner": "billing", "sections": {"billing": body}})


def test_a_field_that_a_newer_worker_stored_is_kept_as_it_is() -> None:
    newer = {"status": "done", "locked": True, "second_factor": {"kind": "passkey", "n": [1, 2]}}
    state = CaseState.model_validate(
        {"case_id": "c", "customer_id": "cus", "sections": {"account": newer}}
    )

    again = CaseState.model_validate_json(state.model_dump_json())

    assert again == state
    assert again.sections["account"].model_dump()["second_factor"] == newer["second_factor"]
    assert AccountSection.model_validate(newer).locked


def test_a_section_is_stored_with_all_its_own_fields() -> None:
    """Serialised as the base class it would lose everything but its status."""
    state = case(AccountSection(issue="locked", locked=True))

    assert CaseState.model_validate_json(state.model_dump_json()) == state
    assert state.model_dump(mode="json")["sections"]["account"]["issue"] == "locked"


def test_a_section_has_failed_only_if_it_says_so() -> None:
    assert BillingSection(status="failed", error="no answer").failed
    assert not BillingSection(status="needs_human").failed
