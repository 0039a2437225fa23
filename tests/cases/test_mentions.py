"""What a customer names is found by code, and nothing private is ever among it."""

from datetime import datetime, timedelta, timezone
from time import process_time

import pytest

from cases.mentions import MAX_MENTIONS, Mention, MentionKind, find_mentions
from cases.text import MAX_TEXT_BYTES
from tests.samples import NOON


def named(text: str, received_at: datetime = NOON) -> list[tuple[str, str]]:
    """Kind and value of each, as plain words."""
    return [(found.kind.value, found.value) for found in find_mentions(text, received_at)]


def test_a_message_is_read_from_its_start_to_its_end() -> None:
    text = "On Nov 1 I paid 49.99 USD twice (ch_1, ch_2) for order #4711!"

    found = find_mentions(text, NOON)

    assert [(one.kind.value, one.value, text[one.start : one.end]) for one in found] == [
        ("date", "2026-11-01", "Nov 1"),
        ("amount", "49.99 USD", "49.99 USD"),
        ("charge", "ch_1", "ch_1"),
        ("charge", "ch_2", "ch_2"),
        ("order", "4711", "order #4711"),
    ]


@pytest.mark.parametrize(
    "charge_id", ["ch_1", "ch_v2_followed_up_2", "ch_hang_before", "py_3NqAbC", "pi_3NqAbC"]
)
def test_a_charge_is_named_by_the_providers_id_as_it_is_written(charge_id: str) -> None:
    assert named(f"See {charge_id}, please.") == [("charge", charge_id)]


@pytest.mark.parametrize("text", ["ch_", "march_1", "xch_1", "ch 1", "CH_1", "ch_" + "a" * 62])
def test_what_only_looks_like_a_charge_is_none(text: str) -> None:
    assert named(text) == []


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("order #4711", "4711"),
        ("my order 4711.", "4711"),
        ("Order #: 4711", "4711"),
        ("order id 1001", "1001"),
        ("order no. 55", "55"),
        ("order number is a-123", "A-123"),
        ("order number A-123", "A-123"),
        ("invoice INV-2026-001", "INV-2026-001"),
        ("receipt 123", "123"),
        ("Bestellung Nr. 123", "123"),
        ("Bestellnummer: 123", "123"),
        ("Rechnung 2026/17", "2026/17"),
        ("commande n° 12", "12"),
        ("pedido 55", "55"),
        ("order \uff14\uff17\uff11\uff11", "4711"),
        ("order 4111111111111112", "4111111111111112"),
    ],
)
def test_an_order_is_a_number_after_a_word_for_it(text: str, number: str) -> None:
    assert named(text) == [("order", number)]


@pytest.mark.parametrize(
    "text",
    [
        *("4711", "order", "my order for two", "border 4711", "ordered 4711", "order ABC"),
        *("I order 3 times", "order 2 days ago", "order 12:30", "order 03/11/2026"),
    ],
)
def test_what_only_looks_like_an_order_is_none(text: str) -> None:
    assert named(text) == []


def test_a_currency_makes_an_amount_of_a_number_after_the_word_order() -> None:
    assert named("my order 50 EUR") == [("amount", "50.00 EUR")]
    assert named("order 4711 EUR 50") == [("order", "4711"), ("amount", "50.00 EUR")]


@pytest.mark.parametrize(
    "private",
    [
        *("4111111111111111", "4111 1111 1111 1111", "4111-1111-1111-1111"),
        *("4111 1111-1111 1111", "3782 822463 10005", "4111 1111 1111 1111 12/28"),
        *("4222222222222", "6304000000000000000", "\uff14111 1111 1111 1111"),
        *("DE89 3704 0044 0532 0130 00", "DE89370400440532013000", "gb29nwbk60161331926819"),
        *("NO93 8601 1117 947", "+49 30 1234567", "+1 (555) 123-4567", "030 1234567"),
        *("0049 30 1234567", "01 23 45 67 89", "555-123-4567", "(555) 123-4567"),
        *("4711@example.com", "sam.49.99@example.com", "yesterday@example.com", "ch_1@example.com"),
    ],
)
def test_cards_accounts_telephones_and_mail_addresses_are_never_mentioned(private: str) -> None:
    for before in ("", "order ", "invoice no. ", "EUR ", "order:"):
        for after in ("", " USD", ".99", ".00 EUR"):
            found = find_mentions(f"{before}{private}{after}", NOON)
            digits = [sum(map(str.isdecimal, one.value)) for one in found]

            # What is left of the text may be an amount of its own; never the private number.
            assert all(count <= 4 for count in digits), found
    assert named(f"order {private}") == []


def test_a_card_number_is_not_mentioned_as_a_part_of_an_id_either() -> None:
    assert named("ch_4111111111111111, order A4111111111111111") == []


def test_an_order_beside_a_card_number_is_still_named() -> None:
    assert named("order 4711 4111 1111 1111 1111") == [("order", "4711")]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$49.99", "49.99 USD"),
        ("49,99 €", "49.99 EUR"),
        ("EUR 1.200,00", "1200.00 EUR"),
        ("1,200.00 USD", "1200.00 USD"),
        ("1 200,00 €", "1200.00 EUR"),
        ("1'200.00 CHF", "1200.00 CHF"),
        ("1.234.567 EUR", "1234567.00 EUR"),
        ("£5", "5.00 GBP"),
        ("5.5 USD", "5.50 USD"),
        ("¥5000", "5000 JPY"),
        ("¥5,000", "5000 JPY"),
        ("5000 yen", "5000 JPY"),
        ("二重に5000円", "5000 JPY"),
        ("0.500 BHD", "0.500 BHD"),
        ("1,234.567 BHD", "1234.567 BHD"),
        ("49.99 dollars", "49.99 USD"),
        ("49,99 Euro", "49.99 EUR"),
        ("49.99usd", "49.99 USD"),
        ("US$49.99", "49.99 USD"),
        ("$49.99 CAD", "49.99 CAD"),
        ("A$49.99", "49.99"),
        ("49.99", "49.99"),
        ("1.200,00", "1200.00"),
        ("-49.99 USD", "49.99 USD"),
        ("$-49.99", "49.99 USD"),
        ("\uff15\uff10\uff10\u3000円", "500 JPY"),
        ("٤٩٫٩٩ USD", "49.99 USD"),
        ("49.99\u00a0€", "49.99 EUR"),
    ],
)
def test_an_amount_is_read_in_whatever_way_it_is_written(text: str, value: str) -> None:
    assert named(text) == [("amount", value)]


@pytest.mark.parametrize(
    "text",
    [
        *("1.234", "1.234 EUR", "$1,234", "189.999 BHD"),  # thousands or decimals
        *("49.999 USD", "49.9", "5000.5 JPY", "1,00,000.00 INR", "1.2.3 USD", ".50 USD"),
        *("fifty", "50", "50 all", "50 USDT", "ABC 50", "1e400", "1e400 USD", "५०.०० USD"),
        *("9" * 400 + " USD", "99999999999999.00 USD", "49.99%", "um 12.50 Uhr", "10.0.12.34"),
    ],
)
def test_an_amount_that_is_not_certain_is_left_out(text: str) -> None:
    assert named(text) == []


def test_a_currency_between_two_numbers_belongs_to_one_of_them() -> None:
    assert named("EUR 5 USD 6") == [("amount", "5.00 EUR"), ("amount", "6.00 USD")]
    assert named("5 USD 6 EUR") == [("amount", "5.00 USD"), ("amount", "6.00 EUR")]
    assert named("I paid 5 USD 6 times") == [("amount", "5.00 USD")]


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-11-03", "2026-11-03"),
        ("2026-11-03T10:00:00Z", "2026-11-03"),
        ("3 November 2026", "2026-11-03"),
        ("November 3rd, 2026", "2026-11-03"),
        ("3-Nov-2026", "2026-11-03"),
        ("3.11.2026", "2026-11-03"),
        ("13/11/2026", "2026-11-13"),
        ("11/13/2026", "2026-11-13"),
        ("3. März 2026", "2026-03-03"),
        ("1er février 2026", "2026-02-01"),
        ("3 de noviembre de 2026", "2026-11-03"),
        ("Nov 2", "2026-11-02"),  # the day of the message
        ("Nov 3", "2025-11-03"),
        ("May 5", "2026-05-05"),
        ("29 February", "2024-02-29"),
        *(("today", "2026-11-02"), ("Yesterday", "2026-11-01"), ("gestern", "2026-11-01")),
        *(("hier", "2026-11-01"), ("ayer", "2026-11-01"), ("aujourd’hui", "2026-11-02")),
        ("my order 3 November", "2025-11-03"),
    ],
)
def test_a_day_is_read_in_four_languages(text: str, day: str) -> None:
    assert named(text) == [("date", day)]


@pytest.mark.parametrize(
    "text",
    [
        *("03/11/2026", "05/05/2026", "3.11.26", "2026-02-31", "31.02.2026", "31 November"),
        *("2026-11-03-55", "order 2026-02-31", "November 2026", "they may 5 times", "avant-hier"),
        "Ich wurde hier doppelt belastet.",
    ],
)
def test_what_is_no_day_or_may_be_two_is_left_out(text: str) -> None:
    assert named(text) == []


def test_a_number_between_two_months_belongs_to_the_first() -> None:
    assert named("Nov 3 May 5") == [("date", "2025-11-03"), ("date", "2026-05-05")]


def test_yesterday_is_counted_in_utc() -> None:
    evening_in_new_york = datetime(2026, 11, 1, 20, tzinfo=timezone(timedelta(hours=-5)))

    assert named("yesterday", evening_in_new_york) == [("date", "2026-11-01")]


def test_no_more_is_mentioned_than_anyone_names() -> None:
    text = "2026-02-31 " * 60 + "ch_1 $5 Nov 1 order 7; " * 60

    found = find_mentions(text, NOON)

    assert len(found) == MAX_MENTIONS
    assert [one.value for one in found[:4]] == ["ch_1", "5.00 USD", "2026-11-01", "7"]


@pytest.mark.parametrize(
    "part",
    [
        *("1", "1 ", "1 111 ", "1 111x ", "1.", "1'", "1/", "0 ", "+1 ", "4111 1111 ", "DE89 "),
        *("a", "a@", "@", "$5 ", "5 USD ", "USD ", "ALL ", "(", "- ", "中", "\uff15", "😡"),
        *("ch_", "ch_a-", "order ", "order #", "order 1-", "number is ", "12/12/", "3.11."),
        *("3 Nov ", "Nov 3 ", "hier ", "May ", "2026-11-03 ", "word and word "),
    ],
)
def test_no_text_takes_more_than_a_moment(part: str) -> None:
    """A few milliseconds; the bound has room for a busy machine, and none for squares."""
    text = (part * MAX_TEXT_BYTES)[: MAX_TEXT_BYTES - 1] + "x"
    before = process_time()

    find_mentions(text, NOON)

    assert process_time() - before < 1


def test_a_mention_is_a_record_that_can_be_stored() -> None:
    found = Mention(kind=MentionKind.ORDER, value="4711", start=0, end=11)

    assert Mention.model_validate_json(found.model_dump_json()) == found
