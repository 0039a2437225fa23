"""Customer accounts, and what is wrong with a login."""

import re
from collections.abc import Sequence
from typing import ClassVar

from cases.records import Record
from cases.sections import Section


class Account(Record):
    """A customer as the account system has them."""

    customer_id: str
    email: str
    name: str
    locked: bool
    #: The cases that a reset mail went out for whose link still works.
    open_resets: tuple[str, ...] = ()


class AccountSection(Section):
    """What the account agent found, and whether a reset mail is due."""

    name: ClassVar[str] = "account"
    owner: ClassVar[str] = "account"

    customer_known: bool = True
    #: "login", "locked", "unknown_customer", "wrong_mail", "reset_already_sent", "not_sure", or
    #: "other": something is wanted that no reset mail gives.
    issue: str = "login"
    locked: bool = False
    reset_needed: bool = False
    reset_sent: bool = False


#: A customer whose mail does not reach them, in English; every other wording gets a reset mail.
_WORD = r"[\w'-]+\s+"
_MAIL = r"(?:e-?mails?|mailbox|inbox)\b"
_NO_MAIL = re.compile(
    rf"\b(?:no longer|never|not|cannot|can't|don't|didn't|haven't|lost)\s+(?:{_WORD}){{0,2}}"
    rf"(?:access(?:\s+to)?|receive[ds]?|get|got|gotten)\s+(?:{_WORD}){{0,4}}(?:{_MAIL}|reset link)"
    rf"|\blost\s+access\s+to\s+(?:{_WORD}){{0,3}}{_MAIL}"
    rf"|\b(?:get|getting|receive|receiving|got|received)\s+no\s+(?:{_WORD}){{0,3}}{_MAIL}"
    rf"|\b(?:{_MAIL}|reset link)\s+(?:{_WORD}){{0,3}}(?:never|not|didn't|doesn't|hasn't)\s+"
    rf"(?:{_WORD})?(?:arrived?|come|came|received|reach\w*)\b"
    rf"|\b(?:old|wrong|outdated)\s+{_MAIL}|\bchanged\s+my\s+{_MAIL}",
    re.IGNORECASE,
)


#: What no reset mail gives, and what one may be for, in English.
_OTHER = re.compile(
    r"\b(?:clos|delet|deactivat|terminat|eras|remov)\w*\s+(?:[\w'-]+\s+){0,3}(?:accounts?|profile|data)\b"
    r"|\b(?:chang|updat|correct|edit)\w*\s+(?:[\w'-]+\s+){0,3}(?:name|address|phone|number|e-?mail)\b",
    re.IGNORECASE,
)
_LOGIN = re.compile(
    r"\b(?:log\w*|sign\w*|pass\w*|access|lock\w*|reset\w*|get (?:back )?in(?:to)?|code|pin)\b",
    re.IGNORECASE,
)


def wants_no_login(texts: Sequence[str]) -> bool:
    """Whether they are about the account, and clearly not about getting into it."""
    return any(map(_OTHER.search, texts)) and not any(map(_LOGIN.search, texts))


def mail_does_not_reach(text: str) -> bool:
    """Whether the customer says that mail to the address on the account does not reach them."""
    return _NO_MAIL.search(text.replace("\u2019", "'")) is not None


def examine_account(
    account: Account | None, *, case_id: str = "", texts: Sequence[str] = (), sure: bool = True
) -> AccountSection:
    """Trouble to sign in gets one reset mail, and none while an earlier case's link still works.

    A locked or unknown account gets a person, and so does who says that mail does not reach them:
    what goes to the old address may be read by someone else. Nothing is sent to who may want
    something else.
    """
    if account is None:
        return AccountSection(status="needs_human", customer_known=False, issue="unknown_customer")
    if account.locked:
        return AccountSection(status="needs_human", issue="locked", locked=True)
    issue = _for_a_person(texts, sure=sure)
    if issue:
        return AccountSection(status="needs_human", issue=issue)
    if any(other != case_id for other in account.open_resets):
        return AccountSection(issue="reset_already_sent")
    return AccountSection(status="reset_due", reset_needed=True)


def _for_a_person(texts: Sequence[str], *, sure: bool) -> str | None:
    if any(map(mail_does_not_reach, texts)):
        return "wrong_mail"
    if not sure:
        return "not_sure"
    return "other" if wants_no_login(texts) else None
