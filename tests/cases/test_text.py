"""What customers write arrives whole, and safe to store and to show."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.errors import InvalidInput
from cases.text import MAX_TEXT_BYTES, clean_text, shorten


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("I was charged twice.", "I was charged twice."),
        ("  padded \n", "padded"),
        ("a\0b", "a\ufffdb"),
        ("a\ud800b", "a\ufffdb"),
        ("\udfffa", "\ufffda"),
        ("a\x01\x08\x0b\x1f\x7fb", "ab"),
        ("one\ttwo\nthree", "one\ttwo\nthree"),
        ("one\r\ntwo\rthree\r\r\nfour", "one\ntwo\nthree\n\nfour"),
        ("Cafe\u0301", "Caf\u00e9"),
        ("لقد دفعت مرتين", "لقد دفعت مرتين"),
        ("\u202eabc\u202c", "\u202eabc\u202c"),
        ("👩‍👩‍👧 👍🏽", "👩‍👩‍👧 👍🏽"),
        ("我被收了两次钱", "我被收了两次钱"),
        ("!", "!"),
    ],
)
def test_only_what_cannot_be_stored_or_shown_is_taken_out(raw: str, clean: str) -> None:
    assert clean_text(raw) == clean


@pytest.mark.parametrize(
    "raw",
    [
        *("", " ", "\n\t \r\n", "\0", "\0\0", "\ud800", "\x01\x02", "\xa0", "\u3000"),
        *("\u200b", "\u200c\u200d", "\u200e\u200f", "\u2060\ufeff", "\u200b\xa0\u200b", "\xad"),
        *("\u2028", "\u202e\u202c", "\ufffd \ufffd"),
    ],
)
def test_a_text_in_which_nothing_can_be_seen_is_refused(raw: str) -> None:
    with pytest.raises(InvalidInput, match="text: is empty"):
        clean_text(raw)


@pytest.mark.parametrize("letter", ["a", "é", "€", "😀"])
def test_the_limit_is_in_bytes_and_includes_its_last_one(letter: str) -> None:
    size = len(letter.encode())
    fits = letter * (MAX_TEXT_BYTES // size)
    fits += "a" * (MAX_TEXT_BYTES - len(fits.encode()))

    assert len(clean_text(fits).encode()) == 32 * 1024
    with pytest.raises(InvalidInput, match="32,769 bytes, more than the 32,768 allowed"):
        clean_text(fits + "a")


def test_space_around_a_text_does_not_count_towards_its_size() -> None:
    assert len(clean_text(" " + "a" * MAX_TEXT_BYTES + "\n\n")) == MAX_TEXT_BYTES


def test_the_refusal_names_the_field_and_not_the_text() -> None:
    secret = "4111 1111 1111 1111 "
    with pytest.raises(InvalidInput) as refused:
        clean_text(secret * 3000, field="message")

    assert refused.value.field == "message"
    assert "4111" not in str(refused.value)


@given(st.text(alphabet=st.characters(codec=None)))
def test_a_clean_text_can_be_stored_everywhere_and_cleaning_it_again_changes_nothing(
    raw: str,
) -> None:
    try:
        text = clean_text(raw)
    except InvalidInput:
        return
    assert text.encode().decode() == text
    assert "\0" not in text
    assert unicodedata.is_normalized("NFC", text)
    assert clean_text(text) == text


@given(st.text(), st.integers(1, 40))
def test_a_shortened_text_is_never_longer_than_its_limit(text: str, limit: int) -> None:
    short = shorten(text, limit)

    assert len(short) <= limit
    assert short == text or short.endswith("…")
    assert text.startswith(short.removesuffix("…"))
