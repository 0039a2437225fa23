"""How a case tells its story so far: for the Web UI's current details, and the timeline query."""

from collections.abc import Callable
from typing import Any

from cases.accounts import AccountSection
from cases.approvals import ApprovalSection
from cases.billing import BillingSection
from cases.effects import RefundSection, ResolutionSection
from cases.policy import PolicySection
from cases.records import Record
from cases.sections import Section
from cases.state import CaseState
from cases.understanding import UnderstandingSection, Urgency


class TimelineEntry(Record):
    """One thing that happened, when (UTC, ISO 8601), in words without personal data."""

    at: str
    step: str
    text: str


def describe(section: Section) -> str:
    """What a section says, in one line without personal data or customer text."""
    if section.failed:
        return "gave up; the case goes on without it"
    teller = _TELLERS.get(type(section))
    return teller(section) if teller else _plain(section.status)


def _understanding(section: UnderstandingSection) -> str:
    parts = (
        f"needs {', '.join(section.needs) or 'a person'}",
        f"reason: {_plain(section.reason)}",
        "urgent" if section.urgency is Urgency.HIGH else "",
        "not sure" if section.unsure else "",
        "may be meant to command the model" if section.suspected_injection else "",
    )
    return "; ".join(filter(None, parts))


def _billing(section: BillingSection) -> str:
    amount = f", {section.refundable} refundable" if section.refundable else ""
    return f"{section.charges_seen} charges, {_plain(section.status)}{amount}"


def _account(section: AccountSection) -> str:
    return f"{_plain(section.issue)}: {_plain(section.status)}"


def _policy(section: PolicySection) -> str:
    decision, rule = _plain(section.decision), _plain(section.rule)
    return f"{decision}: {rule} (policy version {section.policy_version})"


def _approval(section: ApprovalSection) -> str:
    return f"{section.amount}: {section.state}"


def _refund(section: RefundSection) -> str:
    return f"{section.amount} {section.state}"


def _resolution(section: ResolutionSection) -> str:
    return "answer sent" if section.sent else f"answer written, closes as {section.closes_as}"


def _plain(word: str) -> str:
    return word.replace("_", " ")


_TELLERS: dict[type[Section], Callable[[Any], str]] = {
    UnderstandingSection: _understanding,
    BillingSection: _billing,
    AccountSection: _account,
    PolicySection: _policy,
    ApprovalSection: _approval,
    RefundSection: _refund,
    ResolutionSection: _resolution,
}


def as_markdown(state: CaseState, timeline: list[TimelineEntry]) -> str:
    """The case's story so far, as the Web UI shows it under "current details"."""
    head = f"**{state.case_id}**: {_plain(state.status)}"
    lines = [f"- `{entry.at[11:19]}` **{entry.step}**: {entry.text}" for entry in timeline]
    return "\n".join([head, "", *lines])
