"""What holds for whatever a customer may write."""

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from cases.mentions import MAX_MENTIONS, Mention, MentionKind, find_mentions
from cases.money import Money
from tests.samples import NOON

#: Pieces that mean something, in any order and beside any character.
PIECES = st.sampled_from(
    [
        *("order ", "#", "invoice no. ", "Rechnung Nr. ", "A-123", "4711", "ch_1", "pi_x_2", "_"),
        *("$", "€ ", " USD", "EUR ", "¥", " yen", "49.99", "1.234", "1.200,00", "1 200", "'", "-"),
        *("3", " Nov ", "May ", " de marzo", "2026-11-03", "31.02.2026", "13/11/2026", "hier "),
        *("4111 1111 ", "1111 1111", "+49 30 1234567", "DE89 3704 0044 0532 0130 00", "@", " "),
        *("\uff15", "٤", "5", "\u00b2", "ß", "\n", "1e400"),
        # Letters that have an ASCII letter as their other case.
        *("\u017f", "\u0130", "\u0131", "\u212a", "3 augu\u017ft ", "ye\u017fterday "),
    ]
)
TEXTS = st.one_of(
    st.text(alphabet=st.characters(codec=None)),
    st.lists(st.one_of(PIECES, st.characters(codec=None)), max_size=30).map("".join),
)


@given(TEXTS)
def test_whatever_is_found_has_a_place_of_its_own_in_the_text(text: str) -> None:
    found = find_mentions(text, NOON)

    places = [place for one in found for place in (one.start, one.end)]
    assert places == sorted(places)
    assert all(one.start < one.end <= len(text) for one in found)
    assert len(found) <= MAX_MENTIONS
    assert find_mentions(text, NOON) == found


@given(TEXTS)
def test_every_value_is_one_that_the_case_can_work_with(text: str) -> None:
    for one in find_mentions(text, NOON):
        if one.kind is MentionKind.DATE:
            assert date.fromisoformat(one.value).isoformat() == one.value
        elif one.kind is MentionKind.AMOUNT:
            amount, _, currency = one.value.partition(" ")
            money = Money.parse(amount, currency or "USD")
            assert one.value == (str(money) if currency else money.decimal())
        else:
            assert one.value
            assert one.value.isascii()
            assert not set(one.value) & set(" #")


@given(TEXTS)
def test_what_is_found_is_found_again_in_its_own_words(text: str) -> None:
    for one in find_mentions(text, NOON):
        words = text[one.start : one.end]
        alone = one.model_copy(update={"start": 0, "end": len(words)})
        assert find_mentions(words, NOON) == (alone,)


@given(TEXTS)
def test_words_around_a_text_move_what_is_found_and_change_nothing(text: str) -> None:
    before = "Good morning,\n"

    def moved(one: Mention) -> Mention:
        by = len(before)
        return one.model_copy(update={"start": one.start + by, "end": one.end + by})

    found = find_mentions(f"{before}{text}\nThank you", NOON)

    assert found == tuple(map(moved, find_mentions(text, NOON)))
