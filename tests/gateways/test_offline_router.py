"""What the offline router answers; every message here was written for the test, none is data."""

import hashlib
from importlib.resources import files

import pytest

from gateways.offline import features
from gateways.offline.router import (
    ACCOUNT_THRESHOLD,
    BILLING_THRESHOLD,
    CLAUSE_FLOOR,
    PERSON_BELOW,
    UNNAMED_FLOOR,
    WEIGHTS_FILE,
    FeatureWeight,
    Odds,
    OfflineRouter,
    Reading,
)

BILLING = [
    "You took the same payment from my card two times on Tuesday.",
    "Why is there a late fee of $12 on my bill?",
    "I want my money back for the subscription you renewed.",
    "There is a charge of 49.99 on my card that I know nothing about.",
    "Can you send me the invoice for March?",
    "My refund still has not reached my bank.",
    "The price at checkout was 20 euros but you billed me 35.",
    "Someone bought things with my credit card and I want those payments reversed.",
    "I returned the shoes two weeks ago, when do I get the refund?",
    "You overcharged me for the annual plan.",
    "I paid for the order but it never came, please give me a refund.",
    "double charged again this month!!!",
    "What is this transaction for 8 pounds on my statement?",
    "I cancelled the trial yet you still charged my card.",
]
ACCOUNT = [
    "I can't log in since yesterday.",
    "The password reset email never arrives.",
    "My account is locked after too many attempts.",
    "Please delete my account and all my data.",
    "How do I change the email address on my profile?",
    "I forgot my username.",
    "The verification code does not work when I sign in.",
    "I need to update my phone number in my account details.",
    "It says my password is wrong but I am sure it is right.",
    "Somebody hacked my account and changed the password.",
    "How can I register a new account?",
    "I lost my phone and cannot get the login code.",
    "Why do you need a photo of my passport to verify me?",
]
NEITHER = [
    "Where is my parcel?",
    "The headphones stopped working after two days.",
    "Do you ship to Norway?",
    "Thank you, have a nice day!",
    "What time does the shop open on Sunday?",
    "The video keeps buffering on my TV.",
    "Can I change the delivery address for my order?",
    "Is the blue jacket available in size M?",
    "The app crashes when I play a song.",
    "I would like to speak to a human.",
    "What will the weather be like tomorrow?",
    "My new kettle arrived broken.",
    "Which gate does my flight leave from?",
]
BOTH = [
    "I was charged twice, and I still can't log in.",
    "I was charged twice, and I still can’t log in",
    "Please refund the second payment and unlock my account.",
    "My password reset does not work. Also there is a fee on my bill that I don't understand.",
    "You billed me two times and now my login is blocked",
    "I can't sign in to see my invoice and I was overcharged.",
    "Close my account. And I want a refund for last month.",
    "I forgot my password; besides, my refund has not arrived yet.",
]
DUPLICATES = [
    "I was charged twice",
    "I got double charged for my order.",
    "There are two payments for one order on my card.",
    "You billed me two times for May.",
    "The same charge appears again on my statement.",
    "I see a duplicate payment from Friday.",
    "My card was debited more than once for a single purchase.",
    "I paid twice for the same ticket, I want one back.",
    "Why did you charge me twice?",
    "you took $30 from my card twice",
    "The payment shows up two times.",
    "Please reverse the second charge.",
]
NO_DUPLICATES = [
    "I paid twice a month and now you raised the fee.",
    "I am charged twice a month as agreed, please send the invoice.",
    "I was not charged twice, I was charged the wrong amount.",
    "Please send me a duplicate invoice.",
    "I tried twice to get the invoice.",
    "You charged me too much for shipping.",
]
REASONS = [
    ("I don't recognise a payment of 30 euros on my card, was I billed?", "unrecognised"),
    ("There is an unknown charge on my statement.", "unrecognised"),
    ("I see a transaction that I never made.", "unrecognised"),
    ("I want a refund: the parcel I paid for never arrived.", "not_received"),
    ("I was charged but I have not received my order.", "not_received"),
    ("Refund me, the coat is not as described.", "not_as_described"),
    ("You sent the wrong size, I want my money back.", "not_as_described"),
    ("My card was stolen and someone made payments with it, refund me.", "fraud"),
    ("Money was charged without my permission, please refund it.", "fraud"),
    ("Where is my refund?", "refund_status"),
    ("I still have not received my refund.", "refund_status"),
    ("When will I get my money back?", "refund_status"),
    ("Why is there a fee on my bill?", "unspecified"),
    ("How can I pay my invoice?", "unspecified"),
    ("I would like a refund, please.", "unspecified"),
]
NOT_UNRECOGNISED = [
    "I don't remember my password and I need my invoice.",
    "I don't know why the fee is so high on my bill.",
    "I can't make payments, my invoice is due.",
    "I did make this payment, but the invoice is wrong.",
]


@pytest.fixture(scope="module")
def router() -> OfflineRouter:
    return OfflineRouter.load()


def needs(reading: Reading) -> tuple[bool, bool]:
    return reading.needs_billing, reading.needs_account


@pytest.mark.parametrize("text", BILLING)
def test_a_message_about_money_needs_billing_only(router: OfflineRouter, text: str) -> None:
    assert needs(router.read(text)) == (True, False)


@pytest.mark.parametrize("text", ACCOUNT)
def test_a_message_about_access_needs_account_only(router: OfflineRouter, text: str) -> None:
    assert needs(router.read(text)) == (False, True)


@pytest.mark.parametrize("text", NEITHER)
def test_a_message_about_something_else_needs_neither(router: OfflineRouter, text: str) -> None:
    reading = router.read(text)
    assert needs(reading) == (False, False)
    assert reading.reason == "unspecified"


@pytest.mark.parametrize("text", BOTH)
def test_a_message_with_two_needs_gives_both(router: OfflineRouter, text: str) -> None:
    assert needs(router.read(text)) == (True, True)


@pytest.mark.parametrize("text", DUPLICATES)
def test_ordinary_ways_to_report_a_duplicate_are_heard(router: OfflineRouter, text: str) -> None:
    reading = router.read(text)
    assert reading.reason == "duplicate"
    assert reading.needs_billing


@pytest.mark.parametrize("text", NO_DUPLICATES)
def test_twice_alone_is_no_duplicate(router: OfflineRouter, text: str) -> None:
    assert router.read(text).reason != "duplicate"


@pytest.mark.parametrize(("text", "reason"), REASONS)
def test_a_billing_need_has_its_reason(router: OfflineRouter, text: str, reason: str) -> None:
    reading = router.read(text)
    assert reading.needs_billing
    assert reading.reason == reason


@pytest.mark.parametrize("text", NOT_UNRECOGNISED)
def test_not_knowing_something_else_is_no_unrecognised_charge(
    router: OfflineRouter, text: str
) -> None:
    assert router.read(text).reason == "unspecified"


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n\t",
        "...!?",
        "🙂🙂🙂",
        "👩‍👩‍👧‍👦",
        "\u0000\ufffd",
        "\ud83d",
        "أين هو طردي؟ شكرا جزيلا لكم",
        "מתי החנות נפתחת ביום ראשון",
        "今天天气很好。",
        "Guten Morgen, wie wird das Wetter?",
    ],
)
def test_text_that_it_does_not_know_needs_neither(router: OfflineRouter, text: str) -> None:
    assert needs(router.read(text)) == (False, False)


def test_emoji_and_right_to_left_text_around_a_need_do_not_hide_it(router: OfflineRouter) -> None:
    assert needs(router.read("😡😡 charged twice!!! 😡 شكرا. can't log in 🙏")) == (True, True)


@pytest.mark.parametrize("filler", ["Where is my parcel? ", "x", "🙂", "شكرا ", "and, ", "\n"])
def test_a_need_at_the_end_of_32_kib_is_found(router: OfflineRouter, filler: str) -> None:
    need = ". I was charged twice, and I still can't log in."
    room = (32 * 1024 - len(need.encode())) // len(filler.encode())
    reading = router.read(filler * room + need)
    assert needs(reading) == (True, True)
    assert reading.reason == "duplicate"


def test_a_curly_apostrophe_is_an_apostrophe(router: OfflineRouter) -> None:
    curly, straight = "I didn’t make this payment", "I didn't make this payment"
    assert router.read(curly) == router.read(straight)


def test_a_clause_counts_alone_only_from_the_floor_on() -> None:
    always = {"weight": FeatureWeight(1.0, 1.3, 1.5)}
    alone = OfflineRouter(always | {"noise": FeatureWeight(99.0, 0.0, -9.0)}, Odds(0.0, 0.0))
    reading = alone.read("a weight here. noise noise noise. account. payment")
    assert reading.billing < CLAUSE_FLOOR < reading.account


def test_a_need_in_one_sentence_is_not_drowned_by_the_others() -> None:
    weights = {"weight": FeatureWeight(1.0, 1.0, 0.0), "noise": FeatureWeight(99.0, -9.0, 0.0)}
    alone = OfflineRouter(weights, Odds(0.0, 0.0))
    assert alone.read("a weight here, a payment. noise noise noise").needs_billing
    assert not alone.read("a weight here, a payment, noise noise noise").needs_billing


def test_a_price_is_about_money(router: OfflineRouter) -> None:
    text = "Locked out of my account and you took another 14.99."
    assert needs(router.read(text)) == (True, True)


def test_the_confidence_is_the_percentage_of_the_less_sure_head(router: OfflineRouter) -> None:
    assert Reading(0.99, 0.25, "unspecified").confidence == 75
    assert Reading(0.62, 0.01, "unspecified").confidence == 62
    assert Reading(0.5, 1.0, "unspecified").confidence == 50
    assert min(router.read(text).confidence for text in [*BILLING, *BOTH]) >= PERSON_BELOW


def test_a_message_that_names_nothing_of_a_need_has_it_only_from_a_higher_sureness_on() -> None:
    alone = OfflineRouter({"grumble": FeatureWeight(1.0, 2.0, 2.4)}, Odds(0.0, 0.0))
    assert needs(alone.read("grumble")) == (False, True)
    assert needs(alone.read("grumble bill")) == (True, True)
    assert alone.read("grumble login").account > UNNAMED_FLOOR > alone.read("grumble").account


def test_links_and_handles_say_nothing_but_a_mail_address_stays(router: OfflineRouter) -> None:
    plain = router.read("where is my refund")
    assert router.read("@password where is my refund https://login.example/password") == plain
    assert features.fold("me@home.example") == "me@home.example"


def test_the_thresholds_part_the_needs_and_are_met_exactly() -> None:
    at = Reading(BILLING_THRESHOLD, ACCOUNT_THRESHOLD, "unspecified")
    below = Reading(BILLING_THRESHOLD - 0.001, ACCOUNT_THRESHOLD - 0.001, "unspecified")
    assert (needs(at), needs(below)) == ((True, True), (False, False))
    assert (BILLING_THRESHOLD, ACCOUNT_THRESHOLD) == (0.5, 0.5)


@pytest.mark.parametrize("text", [*BOTH, *NEITHER])
def test_probabilities_stay_between_zero_and_one(router: OfflineRouter, text: str) -> None:
    reading = router.read(text)
    assert 0 <= reading.billing <= 1
    assert 0 <= reading.account <= 1


def test_the_same_message_is_read_the_same_by_another_router(router: OfflineRouter) -> None:
    again = OfflineRouter.load()
    assert [again.read(text) for text in BOTH] == [router.read(text) for text in BOTH]


def test_the_shipped_weights_are_the_measured_ones(router: OfflineRouter) -> None:
    packed = files("gateways.offline").joinpath(WEIGHTS_FILE).read_bytes()
    assert len(packed) <= 700 * 1024
    assert len(router.weights) == 12_000
    assert hashlib.sha256(packed).hexdigest() == (
        "1337e21a8a7030a05d320b909e4ae552a4339544b99482e2be0ade82c1a8494e"
    )
