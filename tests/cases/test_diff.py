"""The diff of two states: what a person asks of two checkpoints, and nothing else."""

import json
import re
from datetime import timedelta
from typing import Any, ClassVar, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.diff import Change, diff
from cases.policy import Decision, PolicySection
from cases.sections import Section
from cases.state import CaseState, CaseStatus, Message, StepUpdate
from tests.samples import NOON, case, duplicates, needs, order, usd

PATH = re.compile(r'\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]|(?:^|\.)([^.\[]*)')


class BagSection(Section):
    """Holds any JSON, as fields that a newer worker has stored."""

    name: ClassVar[str] = "bag"
    owner: ClassVar[str] = "bag"


def bag(**fields: Any) -> CaseState:
    return case(BagSection.model_validate(fields))


def changes(before: CaseState, after: CaseState) -> dict[str, tuple[Any, Any]]:
    found = diff(before, after)
    assert len({change.path for change in found}) == len(found)
    return {change.path: (change.before, change.after) for change in found}


def policy(**fields: Any) -> PolicySection:
    known = {"decision": Decision.REFUND, "rule": "proven_duplicate", "amount": usd("49.99")}
    return PolicySection.model_validate({"policy_version": 1, "reason": "", **known, **fields})


def message(number: int) -> Message:
    return Message(message_id=f"m{number}", text=f"No. {number}", received_at=NOON)


def talk(count: int) -> CaseState:
    """A case in which the customer wrote so often."""
    state = CaseState(case_id="case_1", customer_id="cus_1")
    for n in range(count):
        step = StepUpdate(step=f"message:{n}", owner="intake", messages=(message(n),))
        state = state.after(step, n + 1)
    return state.model_copy(update={"completed_steps": ()})


def test_a_changed_leaf_is_named_by_its_dotted_path() -> None:
    before = case(needs("billing"), policy(amount=usd("49.99")))
    after = case(needs("billing"), policy(amount=usd("50.00")), status=CaseStatus.SETTLING)

    assert diff(before, after) == (
        Change(path="status", before="received", after="settling"),
        Change(path="policy.amount.amount_minor", before=4999, after=5000),
    )


def test_a_step_that_wrote_a_section_shows_its_leaves_and_itself() -> None:
    before = case(needs("billing"))
    after = case(needs("billing"), duplicates(order("ch_2")))

    found = changes(before, after)

    assert found["completed_steps[2]"] == (None, "billing:1")
    assert found["current_owner"] == ("understanding", "billing")
    assert found["billing.status"] == (None, "duplicates_found")
    assert found["billing.refundable.amount_minor"] == (None, 4999)
    [bought] = cast("list[Any]", found["billing.orders"][1])
    assert bought["charge_id"] == "ch_2"
    assert not any(path.startswith("understanding") for path in found)


def test_backwards_before_and_after_change_places() -> None:
    before, after = case(), case(needs("billing"), policy())

    there, back = changes(before, after), changes(after, before)

    assert back == {path: (new, old) for path, (old, new) in there.items()}


def test_a_new_message_is_one_change_that_holds_it_whole() -> None:
    assert diff(talk(1), talk(2)) == (
        Change(path="messages[1]", before=None, after=message(1).model_dump(mode="json")),
    )


def test_messages_that_were_pruned_meanwhile_are_only_counted() -> None:
    assert list(changes(talk(50), talk(53))) == [
        "messages_pruned", "messages[50]", "messages[51]", "messages[52]",
    ]  # fmt: skip
    assert changes(talk(200), talk(201)).keys() == {"messages_pruned", "messages[200]"}


def test_a_message_that_differs_is_compared_by_its_fields() -> None:
    before = case(text="one")
    later = before.messages[0].model_copy(update={"received_at": NOON + timedelta(days=1)})

    found = changes(before, before.model_copy(update={"messages": (later,)}))

    assert list(found) == ["messages[0].received_at"]


READS: list[tuple[Any, Any, dict[str, tuple[Any, Any]]]] = [
    ([1, 2], [1, 2, 3], {"bag.x[2]": (None, 3)}),
    ([1, 2, 3], [1], {"bag.x[1]": (2, None), "bag.x[2]": (3, None)}),
    ([1, 2, 3], [1, 5, 3], {"bag.x[1]": (2, 5)}),
    ([1, 2, 3], [2, 3], {"bag.x": ([1, 2, 3], [2, 3])}),
    ([1], [1, None], {"bag.x": ([1], [1, None])}),
    ([{"a": 1}], [{"a": 2}], {"bag.x[0].a": (1, 2)}),
    ([], None, {"bag.x": ([], None)}),
    ({}, None, {"bag.x": ({}, None)}),
    ({}, [], {"bag.x": ({}, [])}),
    ({"a": {}}, {"a": {"b": 1}}, {"bag.x.a.b": (None, 1)}),
    ("text", {"digest": "d"}, {"bag.x": ("text", {"digest": "d"})}),
    (1, 1.0, {"bag.x": (1, 1.0)}),
    (1, True, {"bag.x": (1, True)}),
    (0, False, {"bag.x": (0, False)}),
    (2**53, 2**53 + 1, {"bag.x": (2**53, 2**53 + 1)}),
    ("ä", "a\u0308", {"bag.x": ("ä", "a\u0308")}),
    ({"a.b": 1}, {"a": {"b": 1}}, {"bag.x.a.b": (None, 1), 'bag.x["a.b"]': (1, None)}),
    ({"b": 1, "a": 2}, {"a": 2, "b": 1}, {}),
    ("\ud83d", "\ud83d", {}),
]


@pytest.mark.parametrize(("before", "after", "expected"), READS)
def test_how_each_kind_of_change_reads(before: Any, after: Any, expected: Any) -> None:
    found = changes(bag(x=before), bag(x=after))

    assert found == expected
    assert list(map(repr, found.values())) == list(map(repr, expected.values()))


def test_scratch_is_private_and_left_out() -> None:
    note = {"text": "what I think of this customer"}
    state = case(needs("billing"))
    noted = CaseState.model_validate(
        {**state.model_dump(), "sections": {**state.sections, "billing.scratch": note}}
    )

    assert "billing.scratch" in noted.sections
    assert diff(state, noted) == ()
    assert diff(noted, state) == ()


def test_what_only_names_the_checkpoint_is_no_change() -> None:
    state = case(needs("billing"))
    other = state.model_copy(
        update={"branch": "what-if", "version": 9, "section_versions": {"understanding": 9}}
    )

    assert diff(state, other) == ()


KEYS = st.text(max_size=3) | st.sampled_from(["a.b", "a", "b", "[0]", '"', "x[1]"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([1.0, 0.5]) | st.text("ab.["),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_a_state_has_no_difference_to_itself(value: Any) -> None:
    assert diff(bag(x=value), bag(x=json.loads(json.dumps(value)))) == ()


@given(JSON, JSON)
def test_every_place_that_differs_is_named_with_what_stands_there(one: Any, other: Any) -> None:
    found = diff(bag(x=one), bag(x=other))
    before, after = leaves(("bag", "x"), one), leaves(("bag", "x"), other)
    named = {parts(change.path): change for change in found}

    for path in {*before, *after}:
        if before.get(path, "null") != after.get(path, "null"):
            assert any(near(path, place) for place in named), path
    for place, change in named.items():
        assert leaves(place, change.before) == below(place, before)
        assert leaves(place, change.after) == below(place, after)


Path = tuple[str | int, ...]


def near(one: Path, other: Path) -> bool:
    """Whether one of them is at or above the other."""
    return all(a == b for a, b in zip(one, other, strict=False))


def parts(path: str) -> Path:
    found = cast("list[tuple[str, str, str]]", PATH.findall(path))
    return tuple(
        int(place) if place else json.loads(quoted) if quoted else key
        for place, quoted, key in found
    )


def leaves(path: Path, value: Any) -> dict[Path, str]:
    """Every value without parts, by where it stands; as text, so that 1 is not true.

    A field that is null and one that is not there are the same.
    """
    inner: dict[Any, Any] = {}
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        value = inner = {key: item for key, item in fields.items() if item is not None}
    elif isinstance(value, list):
        inner = dict(enumerate(cast("list[object]", value)))
    if not inner:
        return {path: json.dumps(value)}
    return {
        place: text
        for key, item in inner.items()
        for place, text in leaves((*path, key), item).items()
    }


def below(place: Path, known: dict[Path, str]) -> dict[Path, str]:
    """What stands at the place or in it; null where nothing does."""
    found = {path: text for path, text in known.items() if path[: len(place)] == place}
    return found or {place: "null"}
