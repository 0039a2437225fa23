"""Sections are typed by their name, and one owner writes each."""

import importlib.util
import sys
from typing import ClassVar

import pytest
from pydantic import ValidationError

import cases.accounts
import cases.sections
from cases.accounts import AccountSection
from cases.billing import BillingSection
from cases.errors import ForeignWrite, UnknownSection
from cases.sections import Scratch, Section, is_scratch, scratch_of, section_type
from cases.state import CaseState, StepUpdate
from tests.samples import case


def defined(name: str, owner: str, base: type[Section] = Section) -> type[Section]:
    """A class as a module may define one."""
    return type("Defined", (base,), {"__module__": __name__, "name": name, "owner": owner})


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


def test_a_name_belongs_to_one_class() -> None:
    """Else whichever module was imported last would decide what is stored."""
    with pytest.raises(
        TypeError, match=r"section billing is cases\.billing\.BillingSection already"
    ):
        defined("billing", "impostor")

    assert section_type("billing") is BillingSection
    with pytest.raises(UnknownSection):
        scratch_of("impostor")


def test_a_module_that_is_loaded_again_brings_its_sections_again() -> None:
    """As Temporal's workflow sandbox does with what it does not pass through."""
    found = cases.accounts.__spec__
    assert found
    assert found.loader
    again = importlib.util.module_from_spec(found)
    try:
        found.loader.exec_module(again)

        assert section_type("account") is again.AccountSection is not AccountSection
    finally:
        cases.sections._REGISTERED["account"] = AccountSection  # pyright: ignore[reportPrivateUsage]
    assert sys.modules["cases.accounts"] is cases.accounts


def test_every_owner_of_a_section_has_a_scratch() -> None:
    class CourierSection(Section):
        name: ClassVar[str] = "courier_of_this_test"
        owner: ClassVar[str] = "courier_agent"

    own = scratch_of(CourierSection.owner)

    assert issubclass(own, Scratch)
    assert (own.name, own.owner) == ("courier_agent.scratch", "courier_agent")
    assert section_type("courier_agent.scratch") is own
    assert scratch_of("billing").name == "billing.scratch"
    assert is_scratch(own.name)
    assert not is_scratch("billing")


def test_who_owns_no_section_has_no_scratch() -> None:
    with pytest.raises(UnknownSection, match=r"nobody\.scratch"):
        scratch_of("nobody")


def test_a_scratch_is_stored_as_any_section_and_written_by_its_owner_alone() -> None:
    notes = scratch_of("billing")(text="two of them look alike")
    step = StepUpdate(step="billing:1", owner="billing", sections={notes.name: notes})
    state = case().after(step, 2)

    assert CaseState.model_validate_json(state.model_dump_json()) == state
    assert state.sections["billing.scratch"] == notes
    with pytest.raises(ForeignWrite, match=r"account may not write section billing\.scratch"):
        step.model_copy(update={"owner": "account"}).check_ownership()


def test_names_of_scratch_are_taken() -> None:
    with pytest.raises(TypeError, match="are for scratch"):
        defined("public.scratch", "public")
    with pytest.raises(TypeError, match="are for scratch"):
        defined("notes_of_this_test", "notes", Scratch)
