"""The amounts that a text names, in the ways people write them; read by code, never guessed.

What could be read in two ways is left out: "1.234" may be a thousand or a little more than one.
"""

import re
from collections.abc import Iterator

from cases.currencies import CURRENCIES
from cases.errors import InvalidInput
from cases.money import Money, exponent

_SIGNS = {"$": "USD", "us$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "円": "JPY"}
#: The first letters of a currency's name; the longest name that begins with them is in _WORD.
_NAMES = {"dol": "USD", "dól": "USD", "eur": "EUR", "pou": "GBP", "pfu": "GBP", "yen": "JPY"}
_WORD = "(?i:dollars?|dólar(?:es)?|euros?|pounds?|pfund|yen)"
# In lower case only these: "all", "try" and "top" are words.
_CODE = f"{'|'.join(sorted(CURRENCIES))}|(?i:usd|eur|gbp|jpy|chf|cad|aud)"

#: A currency after a number.
CURRENCY_AFTER = f" {{0,2}}(?:[$€£¥円]|(?:{_CODE}|{_WORD})(?![A-Za-z0-9_]))"
#: Nothing of it is given back to try a shorter one: a part of a number is another number.
_NUMBER = r"(?>[0-9]{1,3}(?: [0-9]{3}(?![0-9])){1,5}|[0-9]++)(?:[.,'][0-9]++)*+"
_AMOUNT = re.compile(
    rf"(?:(?<![A-Za-z0-9_])(?P<before>US\$|[$€£¥]|{_CODE}) {{0,2}}-?|(?<![A-Za-z0-9_.,']))"
    rf"(?P<number>{_NUMBER})"
    # "EUR 5 USD 6" are two amounts, and "$5 CAD" is one. Without a currency it takes two decimals.
    rf"(?(before)(?P<refined>{CURRENCY_AFTER}(?! ?[0-9]))?"
    rf"|(?:(?P<after>{CURRENCY_AFTER})|(?<=[.,][0-9]{{2}})(?![A-Za-z0-9_]| ?(?:%|Uhr\b|[ap]m\b))))"
)

_PLAIN = re.compile(r"([0-9]+)(?:[.,]([0-9]+))?")
_GROUPED = re.compile(r"([1-9][0-9]{0,2}([ .,'])[0-9]{3}(?:\2[0-9]{3})*)(?:(?!\2)[.,]([0-9]+))?")


def amounts(text: str) -> Iterator[tuple[int, int, str]]:
    """Start, end and value of each: "49.99 USD", or "49.99" where no currency is said."""
    for found in _AMOUNT.finditer(text):
        said = found["refined"] or found["after"] or found["before"]
        # Two decimals are as many as dollars have.
        currency = _currency(said.strip().lower()) if said else "USD"
        money = _money(_decimal(found["number"], currency), currency)
        if money:
            yield found.start(), found.end(), str(money) if said else money.decimal()


def _currency(said: str) -> str:
    return _SIGNS.get(said) or _NAMES.get(said[:3]) or said.upper()


def _decimal(number: str, currency: str) -> str:
    """The number with a decimal point and nothing else, or "" where it has no one meaning."""
    plain, grouped = _PLAIN.fullmatch(number), _GROUPED.fullmatch(number)
    if plain and grouped and exponent(currency):
        return ""
    found = grouped or plain
    if not found:
        return ""
    whole = re.sub("[^0-9]", "", found[1])
    fraction = found[found.re.groups]
    return f"{whole}.{fraction}" if fraction else whole


def _money(number: str, currency: str) -> Money | None:
    try:
        return Money.parse(number, currency)
    except InvalidInput:
        return None
