"""Whatever is edited: it is refused, or leaves sections that the record gives back as they are."""

import json
from collections.abc import Iterator
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from cases.edits import apply_edits, parse_edit
from cases.errors import InvalidInput
from cases.money import total
from cases.policy import Decision, PolicySection
from cases.routing import AfterPolicy, after_policy
from tests.cases.test_edit_rules import ASKS
from tests.cases.test_edits import FULL, PAYS
from tests.samples import case, duplicates, order, usd

WORDS = ["40.00", "40.00 USD", "1 JPY", "no_action", "refund", "needs_human", "0"]
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(WORDS)
    | st.decimals(allow_nan=False, allow_infinity=False, places=2).map(str),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
KEYS = [
    f"{name}.{key}" for name, section in FULL.sections.items() for key in type(section).model_fields
]
ORDERS = [
    f"{name}.orders[0].{key}"
    for name in ("policy", "billing")
    for key in ("amount", "charge_id", "slot", "attempt", "amount.currency")
]
PATHS = st.sampled_from([*KEYS, *ORDERS, *FULL.sections, "policy.amount.amount_minor", "bag.text"])


def leaves(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        value = list(cast("dict[str, object]", value).values())
    if isinstance(value, list | tuple):
        for item in cast("list[object]", value):
            yield from leaves(item)
    else:
        yield value


@given(st.lists(st.tuples(PATHS, VALUES), min_size=1, max_size=3))
def test_any_edit_is_refused_or_leaves_what_the_record_gives_back(
    edits: list[tuple[str, Any]],
) -> None:
    texts = [f"{p}={v if isinstance(v, str) else json.dumps(v)}" for p, v in edits]
    before = FULL.model_dump()
    try:
        found = apply_edits(FULL, [parse_edit(text) for text in texts])
    except InvalidInput:
        return
    assert FULL.model_dump() == before
    assert found.keys() <= {path.partition(".")[0].partition("[")[0] for path, _ in edits}
    for name, section in found.items():
        assert section != FULL.sections[name]
        assert type(section).model_validate_json(section.model_dump_json()) == section
        assert not any(isinstance(leaf, float) for leaf in leaves(section.model_dump()))


AMOUNTS = st.sampled_from(["0", "0.00", "1.00", "40.00 USD", "49.99", "12.50 EUR", "-1", "null"])
EDITS = st.one_of(
    st.sampled_from(["decision=no_action", "decision=needs_human", "decision=refund"]),
    st.sampled_from(["approval_required=true", "approval_required=false", "orders=[]"]),
    st.builds("amount={}".format, AMOUNTS),
    st.builds("orders[0].amount={}".format, AMOUNTS),
)


@given(st.lists(EDITS, min_size=1, max_size=3), st.sampled_from([PAYS, ASKS]))
def test_however_the_policy_is_edited_it_pays_what_it_says(
    edits: list[str], policy: PolicySection
) -> None:
    state = case(duplicates(order()), policy)
    try:
        found = apply_edits(state, [parse_edit(f"policy.{edit}") for edit in edits])
    except InvalidInput:
        return
    after = PolicySection.model_validate(found.get("policy", policy).model_dump())
    assert (after.amount or None) == total([one.amount for one in after.orders])
    assert all(one.amount > usd("0") for one in after.orders if one.amount.currency == "USD")
    answers = after_policy(after) is AfterPolicy.ANSWER
    assert answers == (not after.orders)
    assert answers == (after.decision is not Decision.REFUND and not after.approval_required)
