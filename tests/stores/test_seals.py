"""What seals a customer's data: it opens with its key and in no other way."""

import re

import pytest

from cases.errors import DamagedBody
from stores.seals import MARK, NO_SEAL, SEALED_TEXT, DataKey, key_of

TEXTS = (
    "x",
    "two words",
    "ünïcødé 🙂",
    "sealed:0123456789abcdef:AAAAAAAAAAAAAAAAAAAAAAAA",
    "a" * 5000,
)


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_what_is_sealed_opens_to_the_same_and_shows_nothing_of_it(text: str) -> None:
    key = DataKey.new()

    body, sealed = key.body(text.encode()), key.text(text)

    assert key.open(body) == text.encode()
    assert key.open_text(sealed) == text
    assert key_of(body) == key.key_id
    found = SEALED_TEXT.fullmatch(sealed)
    assert found
    assert found[1] == key.key_id
    assert len(text) == 1 or (text.encode() not in body and text not in sealed)


def test_the_same_body_is_sealed_the_same_so_that_a_repeat_is_seen() -> None:
    key = DataKey.new()

    assert key.body(b"once") == key.body(b"once")
    assert key.body(b"once") != key.body(b"twice")
    assert key.body(b"once") != DataKey.new().body(b"once")


def test_an_empty_body_is_sealed_and_an_empty_text_stays_empty() -> None:
    key = DataKey.new()

    assert key.open(key.body(b"")) == b""
    assert key.text("") == ""


@pytest.mark.parametrize("place", [0, 8, 16, -1])
def test_one_changed_bit_is_found(place: int) -> None:
    key = DataKey.new()
    sealed = bytearray(key.body(b"what was said"))
    sealed[(len(MARK) + 8 if place >= 0 else 0) + place] ^= 1

    with pytest.raises(DamagedBody, match="was changed"):
        key.open(bytes(sealed))


def test_another_customers_key_does_not_open_it() -> None:
    key, other = DataKey.new(), DataKey.new()

    with pytest.raises(DamagedBody):
        other.open(key.body(b"what was said"))
    with pytest.raises(DamagedBody):
        other.open_text(key.text("what was said"))


def test_a_key_is_bound_to_its_id_and_never_shown() -> None:
    key = DataKey.new()
    renamed = DataKey("0" * 16, key.secret)

    with pytest.raises(DamagedBody) as caught:
        renamed.open(key.body(b"what was said"))

    assert key.secret.hex() not in f"{key!r} {caught.value}"
    assert re.fullmatch("[0-9a-f]{16}", key.key_id)


def test_without_a_seal_everything_stays_as_it_is() -> None:
    assert NO_SEAL.body(b"said") == b"said"
    assert NO_SEAL.text("said") == "said"
    assert key_of(b"said") is None
