"""What a clause is about, in a few dozen concepts that every line of business shares.

A shop, a bank and an airline use other words for a fee, a login or a parcel. The router weighs the
concepts beside the words, so that what it learned from one trade holds for another one. The lists
are written by hand; one letter too many, too few or other is forgiven in words of six or more.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import combinations
from typing import Final

FUZZY_LETTERS: Final = 6

_WORDS: Final = {
    "charge": "charge charges charged charging billed billing debited deducted deduction deductions"
    " overcharged overcharge overcharging invoiced surcharge surcharged undercharged subtracted"
    " withdrew",
    "fee": "fee fees interest overdraft commission penalty tariff markup cost costs"
    " fare fares tip tips deposit deposits",
    "price": "price prices priced pricing cheap cheaper expensive discount discounts coupon coupons"
    " voucher vouchers promo offer",
    "bill": "bill bills billing invoice invoices receipt receipts statement statements",
    "refund": "refund refunds refunded refunding reimburse reimbursed reimbursement reimbursements"
    " rebate rebates restitution restitutions compensation compensations compensate compensated"
    " moneyback cashback chargeback reversed reversal",
    "pay": "pay pays paid paying payment payments repayment transaction transactions purchase"
    " purchases direct debit debits paypal klarna checkout instalment instalments installments",
    "money": "0.00 money $ € £ dollar dollars euro euros pound pounds quid bucks usd eur gbp cents"
    " cent pence amount",
    "rate": "rate rates exchange currency conversion",
    "took": "took taken taking take stole withdrawn owe owed credit credited",
    "twice": "twice double duplicate duplicated doubled multiple 2x second",
    "unknown": "recognize recognise recognized recognised unknown unrecognized unrecognised"
    " unauthorized unauthorised authorize authorise strange weird fraud fraudulent unfamiliar"
    " mistake wrong incorrect error notice extra",
    "login": "login logins logon signin logging",
    "secret": "password passwords passcode passcodes pin pins pincode username usernames passphrase"
    " 2fa authenticator otp credentials passkey fingerprint",
    "account": "user account accounts acct accout profile profiles membership",
    "identity": "identification prove proof license licence documents verify verified verification"
    " verifying identity authenticate authentication passport selfie kyc",
    "personal": "name surname address addresses email mail details detail number data information"
    " info birthday birth",
    "phone": "phone phones mobile smartphone handset",
    "register": "register registered registering registration registrations signup enroll enrol"
    " join",
    "close": "close closed closing delete deleted deleting terminate terminated deactivate"
    " deactivated remove removed removing erase cancel cancelled canceled",
    "open": "open opened opening create creating created setup make start activate",
    "lock": "locked lock unlock unlocked unlocking blocked block unblock frozen freeze froze"
    " unfreeze suspended suspend suspension disabled banned hacked hack hacker hackers hacking"
    " compromised restricted hold unban kicked",
    "change": "change changed changing edit edited editing modify modifying"
    " correct correcting switch switching upgrade",
    "update": "update updated updating updates",
    "forget": "forgot forgotten forget recover recovering recovery reset resetting restore retrieve"
    " retrieving remember lost",
    "access": "access accessing enter get into",
    "delivery": "delivery deliver delivered delivering parcel parcels package packages courier"
    " shipping shipped ship shipment tracking arrive arrived driver depot order orders",
    "device": "battery screen tablet tv router signal wifi internet broadband bluetooth headphones"
    " speaker printer laptop charger cable keyboard camera device devices app version website"
    " network connection connected watch computer console remote volume firmware software sensor",
    "media": "song songs playlist playlists album albums video videos episode episodes music movie"
    " film game games show shows podcast podcasts listen listening play playing streaming lyrics"
    " artist",
    "travel": "flight flights train trains bus plane seat seats luggage suitcase bag bags airport"
    " gate hotel room booking reservation trip travel ticket tickets crew",
    "shop": "store stores shop shops stock item items size colour color food coffee pizza burger"
    " restaurant menu sale product products staff queue",
    "talk": "thanks thank hello hi please love great amazing awesome worst hate lol tweet dm follow"
    " service support agent human person",
    "card": "card cards",
}
_PHRASES: Final = (
    (
        "login",
        re.compile(
            r"\b(?:log|logged|logs|sign|signed|signing|get|got|getting|back)"
            r" (?:me |back )?(?:in|into|on|onto)\b"
            r"|\b(?:logg|sign)(?:ed|ing|s)? (?:me |us )?out\b"
        ),
    ),
    ("register", re.compile(r"\bsign(?:ed|ing)? up\b")),
    ("refund", re.compile(r"\b(?:money|paid) back\b")),
    (
        "secret",
        re.compile(
            r"\b(?:access|security|user|secret) (?:key|code|question)s?\b"
            r"|\b(?:verification|login|sms|activation|reset|confirmation)"
            r" (?:code|link|e?mail|text)s?\b|\buser names?\b"
        ),
    ),
    ("personal", re.compile(r"\b(?:tele|mobile )?phone (?:number|no|nr)\b")),
    ("secret", re.compile(r"\b(?:face|touch|two|2) (?:id|factor|step)\b")),
    (
        "identity",
        re.compile(r"\b(?:my|photo|your|national|the) ids?\b|\bids? (?:check|card|photo)s?\b"),
    ),
    ("lock", re.compile(r"\block(?:ed|ing)? (?:me )?out\b")),
)

# What a message about money names; one that names nothing of it is hardly about billing.
_MONEY: Final = frozenset(
    ["charge", "fee", "price", "bill", "refund", "pay", "money", "rate", "took", "twice"]
)
_ACCESS: Final = {"login", "secret", "account", "identity", "register", "forget"}
# Alone these are as often about a parcel, a shop or a door.
_ACCESS_TOGETHER: Final = (
    {"personal", "phone", "lock"},
    {"change", "update", "forget", "access", "close", "card"},
)


def clause_concepts(words: list[str]) -> frozenset[str]:
    """Name what one clause is about."""
    named = {found for word in words if (found := _concept(word))}
    text = " ".join(words)
    named.update(concept for concept, phrase in _PHRASES if phrase.search(text))
    return frozenset(named)


def concept_features(concepts: Iterable[str]) -> Iterator[str]:
    """Give the features of a clause's concepts: each, and each pair."""
    ordered = sorted(concepts)
    for concept in ordered:
        yield f"@{concept}"
    for one, other in combinations(ordered, 2):
        yield f"@{one}+{other}"


def names_money(concepts: frozenset[str]) -> bool:
    """Whether a clause names anything that a bill is about."""
    return not concepts.isdisjoint(_MONEY)


def names_access(concepts: frozenset[str]) -> bool:
    """Whether a clause names anything that an account is about."""
    together = all(not concepts.isdisjoint(group) for group in _ACCESS_TOGETHER)
    return together or not concepts.isdisjoint(_ACCESS)


def _shorter(word: str) -> set[str]:
    # Never without the first letter: people seldom miss it, and "filling" is no "billing".
    return {word[:index] + word[index + 1 :] for index in range(1, len(word))}


def _listed() -> dict[str, str]:
    listed: dict[str, str] = {}
    for concept, words in _WORDS.items():
        for word in words.split():
            listed.setdefault(word, concept)
    return listed


def _misspelt(listed: dict[str, str]) -> dict[str, str]:
    misspelt: dict[str, str] = {}
    for word, concept in listed.items():
        if len(word) >= FUZZY_LETTERS:
            for spelling in sorted(_shorter(word)):
                misspelt.setdefault(spelling, concept)
    return misspelt


_LISTED: Final = _listed()
_MISSPELT: Final = _misspelt(_LISTED)


@lru_cache(maxsize=4096)  # A text repeats its words.
def _concept(word: str) -> str | None:
    found = _LISTED.get(word)
    if found or len(word) < FUZZY_LETTERS - 1:
        return found
    if word in _MISSPELT:
        return _MISSPELT[word]
    if len(word) < FUZZY_LETTERS:
        return None
    for spelling in sorted(_shorter(word)):
        # One letter too many, then one letter other.
        if len(spelling) >= FUZZY_LETTERS and spelling in _LISTED:
            return _LISTED[spelling]
        if spelling in _MISSPELT:
            return _MISSPELT[spelling]
    return None
