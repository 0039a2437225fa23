"""Takes out what no log line may hold: mail addresses, telephones, cards, IBANs, tokens and keys.

It is the second line of defence; the first is that customers' texts are never logged. Ids, times,
amounts, durations and addresses of servers stay. What stands there instead says what it was.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, cast

from cases.private_numbers import FOLDED, blanked, private_numbers

_Span = tuple[int, int, str]

#: Fields whose value is secret whatever it looks like, and the same as `name=value` in a text.
_CONFIDENTIAL = r"(?:password|passwd|pwd|secret|token|authorization|(?:api|access|private)[_-]?key)"
_CONFIDENTIAL_FIELD = re.compile(rf"{_CONFIDENTIAL}\Z", re.IGNORECASE)

#: The group is what goes.
_SECRETS = re.compile(
    rf"{_CONFIDENTIAL}[\"']?\s{{0,3}}[=:]\s{{0,3}}[\"']?(?!\[token)((?:(?:bearer|basic)\s)?[^\s\"',;&)}}\]]+)"
    r"|\bbearer\s+([\w.~+/=-]{8,})"
    # Name and password in an address. A password may hold any sign, also an @.
    r"|://([^\s/@:]{0,64}:\S{0,200})@"
    # Keys that say what they are: Stripe's, the models', our approvers'; a JSON web token.
    r"|(?<![a-z0-9])((?:(?:sk|rk|whsec|ck[a-z])_|sk-)[\w-]{8,})"
    r"|(?<![a-z0-9])((?:pi|seti)_[a-z0-9]+_secret_\w+)"
    r"|\b(eyJ[\w-]{5,}\.[\w-]+(?:\.[\w-]*)?)",
    re.IGNORECASE,
)
#: What libraries quote of a value that they do not like: Pydantic, Postgres, asyncpg.
_QUOTED = re.compile(
    r"input_value=(.{1,300}?)(?=, input_type=)"
    r"|^DETAIL: +(.+?)(?=\nHINT: |\n\n(?:The above|During handling)|\Z)"
    r"|for query argument \$[0-9]+: (.{1,300}?)(?= \()",
    re.DOTALL | re.MULTILINE,
)
#: Ids of ours and of payment providers, and times: no number in them is a private one.
_KEPT = re.compile(
    r"(?<![a-z0-9])(?:"
    r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?"
    r"(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?"
    r"|[0-9]{2}:[0-9]{2}:[0-9]{2}[.,][0-9]{1,9}"
    r"|(?<![_-])(?:ch|py|pi|re|pyr)_[a-z0-9]++(?:[_-][a-z0-9]++)*+"
    r"|(?:rf|co|rs|rv|ul|nt|an)1_[a-z2-7]{52}"
    r"|apr_[0-9a-f]{24}"
    r")(?![a-z0-9_])",
    re.IGNORECASE,
)
#: `case_8842@b1` is a workflow's id and no address: those end in a name of letters.
_MAIL = re.compile(
    r"(?<![\w.+-])[\w.+-]++(?:'[\w.+-]++){0,3}(?:@|%40)(?=[\w.-]*\.[^\W\d_]{2})[\w.-]+"
)
#: A telephone number in one piece; no other number begins with a zero and is so long.
_PHONE = re.compile(r"(?<![\w.,/+-])0[0-9]{9,11}(?!\w)")
_LONG = re.compile(r"(?<![\w+/-])[\w+/-]{32,}={0,2}", re.ASCII)
_HEX = re.compile(r"[0-9a-fA-F]{32,}")
#: From small to capital letters to digits: at random after two of three signs, in names and paths
#: after few.
_TURN = re.compile("(?<=[a-z])[A-Z0-9]|(?<=[A-Z])[a-z0-9]|(?<=[0-9])[A-Za-z]")
_TURNS = 0.29
_DIGIT = re.compile("[0-9]")
#: Without one of these there is nothing to look for: most lines are done after these two looks.
_HINTS = ("pass", "pwd", "sec", "token", "auth", "key", "bearer", "://", "eyj", "sk", "rk_", "ck")
_QUOTING = ("input_value=", "DETAIL: ", "query argument $")
_HINT = re.compile(r"(?:[0-9][ ()./-]{0,3}){7}|[A-Za-z]{2}[0-9]{2}|[\w+/-]{32}")


def redact(value: Any) -> Any:
    """A field's value, fit for JSON, without what is private; also within lists and mappings."""
    match value:
        case str():
            return redacted(value)
        case bool() | None:
            return value
        case int() | float():
            return _number(value)
        case Mapping():
            named = cast("Mapping[object, object]", value)
            return {redacted(str(name)): _field(str(name), one) for name, one in named.items()}
        case list() | tuple() | set() | frozenset():
            return [redact(one) for one in cast("Iterable[object]", value)]
        case _:
            return redacted(str(value))


def redacted(text: str) -> str:
    """The text without what is private."""
    rest = text if text.isascii() else text.translate(FOLDED)
    spans: list[_Span] = []
    # Each looks at what those before it left over.
    for find in _finders(rest):
        found = list(find(rest))
        if found:
            spans += found
            rest = blanked(rest, found)
    return _replaced(text, spans) if spans else text


def _finders(text: str) -> Iterator[Callable[[str], Iterator[_Span]]]:
    low = text.lower()
    if any(hint in low for hint in _HINTS):
        yield _secrets
    if any(hint in text for hint in _QUOTING):
        yield _quoted
    if "@" in text or "%40" in text:
        yield _mails
    if _HINT.search(text):
        yield from (_kept, _keys, _numbers)


def _field(name: str, value: Any) -> Any:
    return "[token]" if value and _CONFIDENTIAL_FIELD.search(name) else redact(value)


def _number(value: float) -> float | str:
    text = str(value)
    taken = redacted(text)
    return value if taken == text and math.isfinite(value) else taken


def _secrets(text: str) -> Iterator[_Span]:
    for found in _SECRETS.finditer(text):
        yield *found.span(found.lastindex or 0), "[token]"


def _quoted(text: str) -> Iterator[_Span]:
    for found in _QUOTED.finditer(text):
        yield *found.span(found.lastindex or 0), "[text]"


def _kept(text: str) -> Iterator[_Span]:
    for found in _KEPT.finditer(text):
        yield *found.span(), ""


def _mails(text: str) -> Iterator[_Span]:
    for found in _MAIL.finditer(text):
        yield *found.span(), "[mail]"


def _numbers(text: str) -> Iterator[_Span]:
    for start, end, kind in private_numbers(text):
        yield start, end, f"[{kind}]"
    for found in _PHONE.finditer(text):
        yield *found.span(), "[phone]"


def _keys(text: str) -> Iterator[_Span]:
    for found in _LONG.finditer(text):
        if _HEX.search(found[0]) or _is_random(found[0]):
            yield *found.span(), "[token]"


def _is_random(word: str) -> bool:
    return bool(_DIGIT.search(word)) and len(_TURN.findall(word)) >= _TURNS * len(word)


def _replaced(text: str, spans: Iterable[_Span]) -> str:
    """The text with each span's name in its place; of those that overlap, the first one's."""
    parts: list[str] = []
    done = 0
    for start, end, name in sorted(spans):
        if name and end > done:
            if start >= done:
                parts += [text[done:start], name]
            done = end
    return "".join((*parts, text[done:]))
