"""Steps that run side by side may be committed in any order: nothing is lost in any of them.

A lane is what one agent does: its steps keep their order, and each writes the lane's own section.
However the lanes interleave, the state has the same sections, steps, messages and counters.
`_assert_only_the_order_differs` names all that follows the order: the versions, which place a step
or a message has, whose step was last, and which error was.
"""

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from random import Random
from typing import Any, ClassVar

from hypothesis import given, settings
from hypothesis import strategies as st

from cases.sections import Section
from cases.sizes import KEPT_MESSAGES
from cases.state import CaseState, Message, StepUpdate
from tests.samples import NOON, case

#: So many steps are interleaved in every way there is; more of them in some ways.
EXHAUSTIVE = 5
SOME = 20

Lane = Sequence[StepUpdate]
Order = Sequence[StepUpdate]


class LaneSection(Section):
    found: Any = None


def _section_of(lane: int) -> type[LaneSection]:
    class OneLane(LaneSection):
        name: ClassVar[str] = f"lane_{lane}"
        owner: ClassVar[str] = f"agent_{lane}"

    return OneLane


SECTIONS = [_section_of(lane) for lane in range(8)]
RETRIES = st.dictionaries(st.sampled_from(["model", "payments", "mail"]), st.integers(1, 3))


def _said(lane: int, number: int, count: int) -> tuple[Message, ...]:
    at = NOON + timedelta(minutes=number)
    names = [f"{lane}.{number}.{place}" for place in range(count)]
    return tuple(Message(message_id=name, text=f"said {name}", received_at=at) for name in names)


@st.composite
def _lane(draw: st.DrawFn, lane: int, steps: int, messages: int) -> Lane:
    kind = SECTIONS[lane]
    return [
        StepUpdate(
            step=f"{kind.name}:{number}",
            owner=kind.owner,
            sections={kind.name: kind(found=[lane, number])} if draw(st.booleans()) else {},
            messages=_said(lane, number, draw(st.integers(0, messages))),
            retries=draw(RETRIES),
            error=draw(st.sampled_from([None, f"{kind.owner} broke at {number}"])),
        )
        for number in range(draw(st.integers(1, steps)))
    ]


def _lanes(
    fewest: int, most: int, *, steps: int = 1, messages: int = 2
) -> st.SearchStrategy[list[Lane]]:
    return st.integers(fewest, most).flatmap(
        lambda count: st.tuples(*(_lane(lane, steps, messages) for lane in range(count))).map(list)
    )


def _interleavings(lanes: Sequence[Lane]) -> Iterator[Order]:
    """Every order of all steps in which each lane keeps its own."""
    if not any(lanes):
        yield []
    for place, lane in enumerate(lanes):
        if lane:
            rest = [*lanes[:place], lane[1:], *lanes[place + 1 :]]
            yield from ([lane[0], *order] for order in _interleavings(rest))


def _shuffled(lanes: Sequence[Lane], random: Random) -> Order:
    turns = [place for place, lane in enumerate(lanes) for _ in lane]
    random.shuffle(turns)
    left = [iter(lane) for lane in lanes]
    return [next(left[turn]) for turn in turns]


def _committed(order: Order, first: int = 2) -> CaseState:
    """The state when those steps got the versions after the first, in this order."""
    state = case()
    for version, update in enumerate(order, first):
        state = state.after(update, version)
    return state


def _assert_only_the_order_differs(state: CaseState, order: Order) -> None:
    """Every key of the state: as the steps alone say, and where the order matters, as it says."""
    versions = {update.step: version for version, update in enumerate(order, 2)}
    written = {
        name: (body, versions[step.step]) for step in order for name, body in step.sections.items()
    }
    retries: Counter[str] = Counter()
    for update in order:
        retries.update(update.retries)
    said = [*case().messages, *itertools.chain.from_iterable(step.messages for step in order)]
    errors = [update.error for update in order if update.error]

    assert state == CaseState(
        case_id="case_1",
        customer_id="cus_1",
        version=1 + len(order),
        sections={name: body for name, (body, _) in written.items()},
        section_versions={name: version for name, (_, version) in written.items()},
        retries=dict(retries),
        completed_steps=("open", *versions),
        messages=tuple(said[-KEPT_MESSAGES:]),
        messages_pruned=max(0, len(said) - KEPT_MESSAGES),
        current_owner=order[-1].owner,
        error=errors[-1] if errors else None,
    )


def _without_order(state: CaseState) -> dict[str, Any]:
    """What no interleaving may change, of a state that has pruned nothing."""
    return {
        "version": state.version,
        "sections": state.sections,
        "written": set(state.section_versions),
        "retries": state.retries,
        "steps": sorted(state.completed_steps),
        "messages": sorted(message.message_id for message in state.messages),
        "pruned": state.messages_pruned,
        "failed": state.error is not None,
    }


def test_all_interleavings_are_tried() -> None:
    lanes = [[StepUpdate(step=f"{lane}{n}", owner=lane) for n in range(2)] for lane in "abc"]
    orders = [[update.step for update in order] for order in _interleavings(lanes)]

    assert len({tuple(order) for order in orders}) == len(orders) == math.factorial(6) // 2**3
    assert all(order.index("a0") < order.index("a1") for order in orders)


@settings(deadline=None, max_examples=40)
@given(_lanes(2, EXHAUSTIVE))
def test_parallel_steps_give_the_same_in_every_permutation(lanes: list[Lane]) -> None:
    steps = [lane[0] for lane in lanes]
    results = [(_committed(order), order) for order in itertools.permutations(steps)]

    for state, order in results:
        _assert_only_the_order_differs(state, order)
        assert _without_order(state) == _without_order(results[0][0])


@settings(deadline=None, max_examples=40)
@given(_lanes(2, 3, steps=2).filter(lambda lanes: sum(map(len, lanes)) <= EXHAUSTIVE))
def test_agents_of_several_steps_give_the_same_in_every_interleaving(lanes: list[Lane]) -> None:
    results = [(_committed(order), order) for order in _interleavings(lanes)]

    for state, order in results:
        _assert_only_the_order_differs(state, order)
        assert _without_order(state) == _without_order(results[0][0])


@settings(deadline=None)
@given(_lanes(4, len(SECTIONS), steps=4, messages=1), st.randoms(use_true_random=False))
def test_many_parallel_steps_give_the_same_in_some_interleavings(
    lanes: list[Lane], random: Random
) -> None:
    first = _committed(_shuffled(lanes, random))

    for _ in range(SOME):
        order = _shuffled(lanes, random)
        state = _committed(order)
        _assert_only_the_order_differs(state, order)
        assert _without_order(state) == _without_order(first)


@settings(deadline=None, max_examples=40)
@given(_lanes(3, 5, steps=3, messages=25), st.randoms(use_true_random=False))
def test_where_messages_are_pruned_the_order_says_which_and_the_count_is_the_same(
    lanes: list[Lane], random: Random
) -> None:
    said = {one.message_id for lane in lanes for update in lane for one in update.messages}
    said |= {one.message_id for one in case().messages}
    for _ in range(SOME):
        order = _shuffled(lanes, random)
        state = _committed(order)
        _assert_only_the_order_differs(state, order)
        kept = {one.message_id for one in state.messages}
        assert kept <= said
        assert len(kept) + state.messages_pruned == len(said)


@settings(deadline=None)
@given(_lanes(2, 5, steps=2), st.randoms(use_true_random=False))
def test_reports_of_committed_steps_may_arrive_in_another_order(
    lanes: list[Lane], random: Random
) -> None:
    """The versions are fixed by the commits; the workflow hears of them in some other order."""
    order = _shuffled(lanes, random)
    committed = _committed(order)
    versions = {update.step: version for version, update in enumerate(order, 2)}
    heard = case()
    for update in _shuffled(lanes, random):
        heard = heard.after(update, versions[update.step])

    assert _without_order(heard) == _without_order(committed)
    assert heard.section_versions == committed.section_versions
