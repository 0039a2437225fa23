"""The words of a charge's script: who may say them, and what the page says of them."""

import json
import re
from pathlib import Path

import pytest

from cases.errors import InvalidInput
from cases.ids import check_identifier
from gateways.sandbox.script import Word, script_of
from gateways.sandbox.world import World

PAGE = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text("utf-8")


def test_the_page_explains_every_word_and_no_other() -> None:
    explained = re.findall(r"^\| `(\w+)` \|", PAGE, flags=re.MULTILINE)

    assert sorted(explained) == sorted(Word)


def test_the_pages_example_can_be_loaded() -> None:
    [example] = re.findall(r"```json\n(.+?)```", PAGE, flags=re.DOTALL)

    world = World.parse(example)

    assert world.charges[0].script is None
    assert world.charges[1].script == (Word.DROP, Word.TOO_MANY, Word.PENDING)


@pytest.mark.parametrize("word", list(Word))
def test_an_id_may_say_the_script(word: Word) -> None:
    for charge_id in (f"ch_{word}", f"ch_{word}_2", f"ch_{word}_of_sam"):
        assert script_of(check_identifier(charge_id, "id"), None) == [word]


@pytest.mark.parametrize(
    "charge_id", ["ch_1", "ch_500-1_1", "ch_5001", "ch_dropped", "ch_hangs_1", "drop", "ch_", "ch"]
)
def test_an_id_that_only_begins_alike_says_nothing(charge_id: str) -> None:
    """Tests and people number their charges: 500 of them are no error."""
    assert script_of(charge_id, None) == []


def test_a_script_that_is_given_counts_and_not_the_id() -> None:
    assert script_of("ch_drop", (Word.OK, Word.HANG)) == ["ok", "hang"]
    assert script_of("ch_drop", ()) == []


@pytest.mark.parametrize(
    ("script", "field"),
    [
        (["explode"], "charges.0.script.0"),
        (["ok", "drop", "DROP"], "charges.0.script.2"),
        ([500], "charges.0.script.0"),
        ([None], "charges.0.script.0"),
        ("drop", "charges.0.script"),
        ({"drop": 1}, "charges.0.script"),
    ],
)
def test_an_unknown_word_is_refused_by_its_place(script: object, field: str) -> None:
    charge = {
        "id": "ch_1",
        "customer_id": "cus_1",
        "amount_minor": 4999,
        "currency": "USD",
        "merchant": "Northwind Music",
        "created_at": "2026-11-01T12:00:00Z",
        "script": script,
    }

    with pytest.raises(InvalidInput) as refused:
        World.parse(json.dumps({"charges": [charge]}))

    assert refused.value.field == field
