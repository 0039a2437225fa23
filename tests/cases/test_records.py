"""Digests are made of one byte form, whatever the order of the keys."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cases.records import Record, canonical, digest_of

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def test_the_canonical_form_is_sorted_has_no_spaces_and_keeps_every_script() -> None:
    assert canonical({"b": [1, None], "a": "é"}) == '{"a":"é","b":[1,null]}'.encode()


@given(st.dictionaries(st.text(), JSON))
def test_the_order_of_keys_makes_no_difference(value: dict[str, object]) -> None:
    turned = dict(reversed(list(value.items())))

    assert digest_of(turned) == digest_of(value)


@given(JSON, JSON)
def test_two_values_share_a_digest_only_if_they_share_the_form(one: object, two: object) -> None:
    assert (digest_of(one) == digest_of(two)) is (canonical(one) == canonical(two))


def test_the_digest_is_sha_256_in_hex() -> None:
    assert digest_of(None) == "74234e98afe7498fb5daf1f36ac2d78acc339464f950703b8c019892f982b90b"


def test_a_record_refuses_a_field_that_it_does_not_know() -> None:
    class Point(Record):
        x: int

    with pytest.raises(ValidationError, match="Extra inputs"):
        Point.model_validate({"x": 1, "y": 2})
