"""Customer accounts, and what is wrong with a login."""

from typing import ClassVar

from cases.records import Record
from cases.sections import Section


class Account(Record):
    """A customer as the account system has them."""

    customer_id: str
    email: str
    name: str
    locked: bool


class AccountSection(Section):
    """What the account agent found, and whether a reset mail is due."""

    name: ClassVar[str] = "account"
    owner: ClassVar[str] = "account"

    customer_known: bool = True
    #: "login", "locked" or "unknown_customer".
    issue: str = "login"
    locked: bool = False
    reset_needed: bool = False
    reset_sent: bool = False


def examine_account(account: Account | None) -> AccountSection:
    """Trouble to sign in gets one reset mail; a locked or unknown account gets a person."""
    if account is None:
        return AccountSection(status="needs_human", customer_known=False, issue="unknown_customer")
    if account.locked:
        return AccountSection(status="needs_human", issue="locked", locked=True)
    return AccountSection(status="reset_due", reset_needed=True)
