"""What customers write, made safe to store and to show. Nothing they meant is lost."""

import re
import unicodedata

from cases.errors import InvalidInput

#: A message's largest size, in bytes of UTF-8 (32 KiB): larger ones are refused at intake.
MAX_TEXT_BYTES = 32 * 1024

_LINE_END = re.compile("\r\n?")
_SURROGATE = re.compile("[\ud800-\udfff]")
#: Unicode categories: controls, zero-width and direction marks, separators.
_INVISIBLE = frozenset(["Cc", "Cf", "Zl", "Zp", "Zs"])
_CONTROL = re.compile("[\x01-\x08\x0b-\x1f\x7f]")


def clean_text(raw: str, field: str = "text") -> str:
    """Normalise one message: NFC, NUL and lone surrogates to U+FFFD, other controls removed.

    Raises InvalidInput when nothing is left or it is larger than MAX_TEXT_BYTES.
    """
    text = _SURROGATE.sub("\ufffd", _LINE_END.sub("\n", raw)).replace("\0", "\ufffd")
    text = unicodedata.normalize("NFC", _CONTROL.sub("", text)).strip()
    if not any(map(_shows, text)):
        raise InvalidInput(field, "is empty: write what the customer said")
    size = len(text.encode())
    if size > MAX_TEXT_BYTES:
        raise InvalidInput(field, f"has {size:,} bytes, more than the {MAX_TEXT_BYTES:,} allowed")
    return text


def _shows(character: str) -> bool:
    """Whether it is more than space, a zero-width mark or the stand-in for what was unreadable."""
    return character != "\ufffd" and unicodedata.category(character) not in _INVISIBLE


def shorten(text: str, limit: int) -> str:
    """The text cut to at most `limit` characters, with an ellipsis where it was cut."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
