"""How a message is meant, beside what it is about: its urgency, and whether it gives us orders.

English words and marks only, plus the usual tricks to hide a text. A message that gives orders to
the assistant moves no money by it, whatever is said here: the rules read records, not messages. The
suspicion is noted for who looks at the case, and nothing rests on it.
"""

import base64
import binascii
import codecs
import re
import unicodedata
from collections.abc import Iterator
from typing import Final, Literal
from urllib.parse import unquote

Urgency = Literal["low", "normal", "high"]


def _any(*alternatives: str) -> re.Pattern[str]:
    return re.compile("|".join(alternatives), re.IGNORECASE | re.MULTILINE)


_NO_HURRY: Final = _any(
    r"\b(?:no|not in a|in no|without) (?:rush|hurry)\b",
    r"\b(?:not|nothing|isn't) (?:\w+ )?urgent\b",
    r"\bwhen(?:ever)? (?:you|someone) (?:can\b(?!')"
    r"|(?:have|has|get|gets|find|finds) (?:the |a |some )?(?:time|moment|minute|chance))\b",
    r"\bwhenever (?:suits|possible|convenient)\b|\btake your time\b|\b(?:i|it|this) can wait\b",
)
_HURRY: Final = _any(
    r"\burgen(?:t|tly|cy)\b|\ba\.?s\.?a\.?p\b|\bemergency\b|\bstranded\b|\btime.critical\b",
    # "It crashes immediately after the start" hurries nobody.
    r"\bimmediate(?:ly)?\b(?! (?:after|when|on|upon|as)\b)|\b(?:right|straight) away\b",
    r"(?<!all )\bat once\b|\b(?:this|it|that) (?:really )?(?:can't|cannot) wait\b",
    r"\b(?:need|please|pls)\b[^.!?\n]{0,40}\b(?:right now|today|tonight)\b",
    r"\b(?:deadline|due|leaves?|leaving|boarding|departs?|starts?|expires?) (?:\w+ ){0,2}"
    r"(?:today|tonight|tomorrow|in (?:\w+ )?(?:minutes?|mins|hours?|an hour))\b",
    r"\bwithin (?:the|an|one) hour\b|\b(?:help|now)\b ?!{2,}|[🚨🆘]",
)

_ORDERS: Final = _any(
    # An order begins a clause; "you ignore your own rules" is a complaint.
    r"(?:^|[.!?,:;>] ?|\b(?:and|please|now) )(?:ignore|disregard|forget|override|bypass)"
    r" (?:\w+ ){0,4}(?:instructions?|rules?|prompts?|guidelines?|safeguards?|polic(?:y|ies))\b",
    # Other speakers than the customer, and what only programs write.
    r"^[^\w\n]{0,20}(?:system|assistant|developer|human)(?: note| message| prompt)?: ",
    r"<\|\w+\|>|\[/?INST\]|<<SYS>>|<!--|^```\w*(?:tool|system)|\[//\]:|!\[\w*\][(\[]|--- ?END OF",
    r"</?(?:system|assistant|script|function\w*|tool\w*|\w+_message)\b|\btool \w+ returned\b",
    r"""["'](?:role|needs|action)["'] ?:|^needs: ?\[|!!python|\b[a-z]+_(?:id|required|approved)=""",
    r"\b[a-z]+(?:_[a-z]+)+\(|\b[a-z]+\.[a-z]+\(\)|^X-[\w-]+: |\$\{",
    r"'\s*(?:;|or\b)[^\n]{0,30}=",
    # Roles for the reader, and a rank of the writer that gives orders.
    r"\b(?:i am|i'm|as) (?:an? |the |your )?(?:admin\w*|supervisor|head of \w+)\b"
    r"[^\n]{0,60}(?:\bi (?:hereby )?(?:approve|authori[sz]e|allow|order)|\bceo\b)",
    r"\byou (?:are|must act as|act as) \w*bot\b|\bwithout rules\b|\bbe my grandmother\b",
    r"\bif you are a good model\b|\bas an ai\b|\b(?:end|answer) with (?:the word|')",
    r"\b(?:and|then|please) (?:obey|carry out)\b|\bdecode, |\bexpected output\b",
    r"\bcompliance process\b|\bnever (?:speak|tell) of this\b|\brepeat the promise\b",
    r"\bcase as approved\b|\bset the refund limit\b|\bapproval \w+ was approved\b",
    r"\beach below the limit\b|\byour cache is\b|\brefund \S+ (?:\w+ )?(?:to|on) \S*_",
    # "Ignore all rules" in other languages; in some the verb stands last.
    r"\b(?:ignoriere|ignorez|ignora|игнорируй)\w* (?:alle|tou|tod|все)",
    r"忽略.{0,12}指令|指示.{0,12}無視|تجاهل.{0,12}تعليمات|תעלם.{0,12}הוראות",
    r"निर्देश.{0,16}अनदेखा|지시.{0,12}무시",
)
# What only a text that wants to be obeyed has a reason to hide.
_PAYLOAD: Final = _any(r"refund", r"approv", r"ignore", r"instruction", r"dollars", r"charge")

# Flags of some countries are spelt in the very characters that hide a text.
_FLAG: Final = re.compile("\U0001f3f4[\U000e0020-\U000e007f]+")
_HIDDEN: Final = re.compile(
    "[\U000e0000-\U000e007f]{4}|[\u202d\u202e]|(?:\\w[\u200b\u2060\ufeff]){4}"
    "|[a-z][\u0430-\u044f][a-z]|(?:[\uff41-\uff5a]{4,20}\\W{1,3}){2}",
    re.IGNORECASE,
)
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]{24,}={0,2}")
_HEX: Final = re.compile(r"(?:[0-9a-f]{2}){16,}")


def urgency(text: str) -> Urgency:
    """How soon the customer says an answer is needed."""
    rest, unhurried = _NO_HURRY.subn(" ", text.replace("’", "'"))
    if _HURRY.search(rest):
        return "high"
    return "low" if unhurried else "normal"


def suspects_injection(text: str) -> bool:
    """Whether the message seems to give orders to a model rather than to ask us for help."""
    if _HIDDEN.search(_FLAG.sub("", text)):
        return True
    plain = unicodedata.normalize("NFKC", text).replace("’", "'")
    return bool(_ORDERS.search(plain)) or any(map(_PAYLOAD.search, _unwrapped(plain)))


def _unwrapped(text: str) -> Iterator[str]:
    """What stands in the message in another writing than plain words."""
    if "%20" in text:
        yield from (unquote(word) for word in text.split() if word.count("%20") > 1)
    if re.search(r"\brot-?13\b", text, re.IGNORECASE):
        yield codecs.decode(text, "rot13")
    for run in _BASE64.findall(text):
        yield _decoded(run)
    for run in _HEX.findall(text.lower()):
        yield bytes.fromhex(run).decode(errors="replace")


def _decoded(run: str) -> str:
    try:
        return base64.b64decode(run, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
