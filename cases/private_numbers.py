"""Numbers that are private: telephones, IBANs and cards, found in text by code.

What a customer names is looked for beside them, and no log line may hold one.
"""

import re
from collections.abc import Iterable, Iterator

#: One character for one, so that places in the text stay: full-width and Arabic digits and signs,
#: every kind of blank, dash and apostrophe.
FOLDED = str.maketrans(
    {
        **{chr(0xFF01 + n): chr(0x21 + n) for n in range(94)},
        **{chr(zero + n): str(n) for zero in (0x0660, 0x06F0) for n in range(10)},
        **dict.fromkeys("\u00a0\u2007\u2009\u202f\u3000", " "),
        **dict.fromkeys("‐‑–—−", "-"),
        **dict.fromkeys("’٬", "'"),
        "٫": ".",
        "￥": "¥",
        "￡": "£",
        # To a pattern that ignores case these are an i, a k and an s.
        "İ": "I",
        "ı": "i",
        "\u212a": "K",
        "ſ": "s",
    }
)

_DIGITS = re.compile("[0-9]+")
_DIGIT_RUN = re.compile("[0-9]+(?:[ -]{1,3}[0-9]+)*")
#: A card number is printed in five groups at most; no more than so many are put together.
_CARD_GROUPS = 6
_CARD_DIGITS = range(13, 20)
_OTHER_NUMBERS = (
    # An IBAN, in one piece or in fours.
    (
        r"(?P<iban>(?<![A-Z0-9_])[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2}"
        r"(?:(?: ?[A-Z0-9]{4}){1,5}(?: ?[A-Z0-9]{1,3})?| ?[A-Z0-9]{3})(?![A-Z0-9_]))"
    ),
    # Telephones: +49 30 1234567; 030 1234567, 01 23 45 67 89; (555) 123-4567.
    r"\+ ?[0-9](?:[ ()./-]{0,3}[0-9]){6,14}",
    (
        r"(?<![A-Z0-9_.,/-])(?=(?:[ ./-]{0,3}[0-9]){9})"
        r"0[0-9]{1,5}(?:[ ./-]{1,3}[0-9]{2,9}){1,5}(?![A-Z0-9_])"
    ),
    r"(?<![A-Z0-9_.,/-])\(?[0-9]{3}\)?[ .-]{1,2}[0-9]{3}[ .-][0-9]{4}(?![A-Z0-9_])",
)
_OTHER_NUMBER = re.compile("|".join(_OTHER_NUMBERS), re.IGNORECASE)


def private_numbers(text: str) -> Iterator[tuple[int, int, str]]:
    """Where each begins and ends, and what it is: "phone", "iban" or "card". Some overlap."""
    for found in _OTHER_NUMBER.finditer(text):
        yield found.start(), found.end(), found.lastgroup or "phone"
    for run in _DIGIT_RUN.finditer(text):
        groups = list(_DIGITS.finditer(text, *run.span()))
        for place, first in enumerate(groups):
            number = b""
            for last in groups[place : place + _CARD_GROUPS]:
                number += last[0].encode()
                if len(number) in _CARD_DIGITS and _passes_luhn(number):
                    yield first.start(), last.end(), "card"


_PLAIN = bytes.maketrans(b"0123456789", bytes(range(10)))
_DOUBLED = bytes.maketrans(b"0123456789", bytes((0, 2, 4, 6, 8, 1, 3, 5, 7, 9)))


def _passes_luhn(number: bytes) -> bool:
    return (
        not (sum(number[-1::-2].translate(_PLAIN)) + sum(number[-2::-2].translate(_DOUBLED))) % 10
    )


def blanked(text: str, spans: Iterable[tuple[int, int, str]]) -> str:
    """The text with an underscore, which ends no number and begins no word, for each character."""
    letters = list(text)
    for start, end, _ in spans:
        letters[start:end] = "_" * (end - start)
    return "".join(letters)
