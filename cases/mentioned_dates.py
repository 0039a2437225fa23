"""The days that a text names, in English, German, French and Spanish; read by code, never guessed.

What could be two days ("03/11/2026"), or is none at all, is recognised and left out.
"""

import re
from collections.abc import Iterator
from datetime import date, timedelta

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan january januar janvier enero",
            "feb february februar février febrero",
            "mar march märz mars marzo",
            "apr april avril abril",
            "may mai mayo",
            "jun june juni juin junio",
            "jul july juli juillet julio",
            "aug august août agosto",
            "sep sept september septembre septiembre",
            "oct october okt oktober octobre octubre",
            "nov november novembre noviembre",
            "dec december dez dezember décembre diciembre",
        ),
        1,
    )
    for name in names.split()
}
_DAYS_AGO = {
    **dict.fromkeys(("today", "heute", "aujourd'hui", "hoy"), 0),
    **dict.fromkeys(("yesterday", "gestern", "hier", "ayer"), 1),
}

#: In lower case "may" is a verb.
_NAMES = "|".join(sorted(_MONTHS, key=len, reverse=True))
_MONTH = rf"(?=[a-z])(?!(?-i:may\b))(?P<month>{_NAMES})\b\.?"
_DAY = "(?P<day>[0-9]{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?P<year>(?:19|20)[0-9]{2})"
_FORMS = tuple(
    re.compile(
        rf"(?<![A-Za-z0-9_.,:/$€£¥-])(?:{form})(?![A-Za-z0-9_]|[.,:/-][0-9])",
        re.IGNORECASE,
    )
    for form in (
        "(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})(?:T[0-9:.]{5,15}Z?)?",
        r"(?P<day>[0-9]{1,2})\. ?(?P<month>[0-9]{1,2})\. ?(?P<year>[0-9]{4})",
        "(?P<day>1[3-9]|[23][0-9])/(?P<month>[0-9]{1,2})/(?P<year>[0-9]{4})",
        "(?P<month>[0-9]{1,2})/(?P<day>1[3-9]|[23][0-9])/(?P<year>[0-9]{4})",
        rf"{_DAY}(?:er|\.)?[ -]?(?:of |de )?{_MONTH}(?:(?:, ?| (?:del? )?|-){_YEAR})?",
        # A look ahead first: few words stand before a number, and trying every month takes time.
        rf"(?=[^\W\d_]{{3,10}}\.? [0-9]){_MONTH} {_DAY}(?:(?:, ?| ){_YEAR})?",
        f"(?P<ago>{'|'.join(_DAYS_AGO)})",
        "[0-9]{1,2}([./])[0-9]{1,2}\\1(?:[0-9]{2}){1,2}",
    )
)
#: Where one of these stands, "hier" is German and means "here".
_GERMAN = re.compile(
    r"\b(?:ich|ist|sind|der|die|das|und|nicht|mein|meine|mir|mich|wurde|habe|bitte|eine?|für)\b",
    re.IGNORECASE,
)


def dates(text: str, today: date) -> Iterator[tuple[int, int, str]]:
    """Start, end and ISO form of each; "" for its form where that is no day, or may be two."""
    found = [match for form in _FORMS for match in form.finditer(text)]
    german = _GERMAN.search(text) is not None
    end = 0
    # Of two that begin at the same place the earlier form is first: sorting keeps the order.
    for match in sorted(found, key=lambda match: match.start()):
        here = german and match[0].lower() == "hier"
        if match.start() >= end and not here:
            end = match.end()
            day = _day(match.groupdict(), today)
            yield match.start(), end, day.isoformat() if day else ""


def _day(parts: dict[str, str | None], today: date) -> date | None:
    if ago := parts.get("ago"):
        return today - timedelta(days=_DAYS_AGO[ago.lower()])
    month, day, year = (parts.get(part) for part in ("month", "day", "year"))
    if not month or not day:
        return None
    number = int(month) if month.isdecimal() else _MONTHS[month.lower()]
    if year:
        return _existing(int(year), number, int(day))
    # Eight years may lie between two 29ths of February.
    past = (_existing(today.year - back, number, int(day)) for back in range(9))
    return next((found for found in past if found and found <= today), None)


def _existing(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
