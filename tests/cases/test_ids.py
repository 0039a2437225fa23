"""Ids and keys are contracts: providers, rows and people hold on to them."""

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.errors import InvalidInput
from cases.ids import (
    answer_key,
    check_identifier,
    checkpoint_id,
    parse_checkpoint_id,
    refund_key,
    reset_key,
    workflow_id,
)

WORDS = st.text(alphabet=st.characters(exclude_characters="\x1f", codec="utf-8"), max_size=80)


def test_the_keys_are_those_that_providers_already_know() -> None:
    """To change one of these is to pay twice for every refund that is on its way."""
    assert refund_key("sandbox", "ch_1", 1) == (
        "rf1_nxpqhmt6c3sztn4wnmd23ifdnp6fx4dzrqn5jw2p2ycytz3qtnnq"
    )
    assert refund_key("sandbox", "ch_1", 2) == (
        "rf1_7o2cri2igm2ccv33i3sqx3ohi3gmdy7yxd2ceepagctowyggmn7q"
    )
    assert reset_key("cus_1", "case_8842") == (
        "rs1_7y3ijv4eufiuvbpfjonvvb7f3obacmi3ve3wy2qyokylp5jpqkwq"
    )
    assert answer_key("case_8842") == ("an1_n7fkkjkbds5cfdv67s7h22dhztmqvutq6wa4eh3snf7cgtet74ma")


def test_no_case_has_a_part_in_a_refunds_key() -> None:
    facts = ["provider_account", "anchor_charge", "slot", "attempt"]

    assert list(inspect.signature(refund_key).parameters) == facts


def test_each_fact_of_a_refund_makes_another_key() -> None:
    keys = {
        refund_key("sandbox", "ch_1", 1),
        refund_key("stripe", "ch_1", 1),
        refund_key("sandbox", "ch_2", 1),
        refund_key("sandbox", "ch_1", 2),
        refund_key("sandbox", "ch_1", 1, attempt=2),
        refund_key("sandbox", "ch_1", 12),
        refund_key("sandbox", "ch_11", 2),
    }
    assert len(keys) == 7


def test_the_kinds_of_keys_cannot_meet() -> None:
    assert len({reset_key("a", "b")[:4], answer_key("a")[:4], refund_key("a", "b", 1)[:4]}) == 3


@given(WORDS, WORDS, st.integers(1, 10**9))
def test_a_key_is_short_plain_and_holds_nothing_of_what_it_is_made_of(
    account: str, anchor: str, slot: int
) -> None:
    for key in (refund_key(account, anchor, slot), reset_key(account, anchor), answer_key(anchor)):
        assert len(key) <= 64
        assert key.replace("_", "").isalnum()
        assert key.isascii()
        assert key == key.lower()


@given(WORDS, WORDS, WORDS, WORDS)
def test_facts_cannot_run_into_one_another(a: str, b: str, c: str, d: str) -> None:
    assert (reset_key(a, b) == reset_key(c, d)) is ((a, b) == (c, d))


@pytest.mark.parametrize("value", ["case_8842", "a", "A-1.b_c", "0" * 64])
def test_an_identifier_is_returned_as_it_is(value: str) -> None:
    assert check_identifier(value, "case_id") == value


@pytest.mark.parametrize(
    "value",
    [
        *("", " ", "0" * 65, "sam@example.com", "+49 170 1234567", "a b", "a/b", "a\n", "case:1"),
        *("_a", "-a", ".a", "..", "ä", "٣", "a\0", "a@b", "a%", "a{}", "'; DROP TABLE cases--"),
    ],
)
def test_what_could_name_a_person_or_break_a_key_is_no_identifier(value: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_identifier(value, "customer_id")

    assert refused.value.field == "customer_id"
    assert str(refused.value).startswith("customer_id: ")


def test_a_refused_identifier_is_shown_only_in_part() -> None:
    with pytest.raises(InvalidInput) as refused:
        check_identifier("x@" * 5000, "case_id")

    assert len(str(refused.value)) < 140


def test_a_case_is_its_own_workflow_and_a_branch_is_named_after_it() -> None:
    assert workflow_id("case_8842") == "case_8842"
    assert workflow_id("case_8842", "what-if") == "case_8842@what-if"


@given(st.from_regex(r"[a-z][a-z.0-9-]{0,20}", fullmatch=True), st.integers(0, 10**9 - 1))
def test_a_checkpoint_id_reads_back_as_branch_and_version(branch: str, version: int) -> None:
    assert parse_checkpoint_id(checkpoint_id(branch, version)) == (branch, version)


@pytest.mark.parametrize(
    "value",
    ["", "main", "main.", ".7", "main.-1", "main.+1", "main.1_0", "main.x", "main.7.", "main. 7",
     "main.٣", "main.²", "main.1e3", "main." + "1" * 5000],
)  # fmt: skip
def test_what_is_not_a_checkpoint_id_is_refused_in_words(value: str) -> None:
    with pytest.raises(InvalidInput, match=r"checkpoint: .* is not a checkpoint id"):
        parse_checkpoint_id(value)
