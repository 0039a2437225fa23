"""How a case tells its story so far: for the Web UI's current details, and the timeline query."""

from cases.accounts import AccountSection
from cases.approvals import ApprovalSection
from cases.billing import BillingSection
from cases.effects import RefundSection, ResolutionSection
from cases.policy import PolicySection
from cases.records import Record
from cases.sections import Section
from cases.state import CaseState
from cases.understanding import UnderstandingSection


class TimelineEntry(Record):
    """One thing that happened, when (UTC, ISO 8601), in words without personal data."""

    at: str
    step: str
    text: str


def describe(section: Section) -> str:
    """What a section says, in one line without personal data or customer text."""
    if section.failed:
        return "gave up; the case goes on without it"
    match section:
        case UnderstandingSection():
            return f"needs {', '.join(section.needs) or 'a person'}; reason: {section.reason}"
        case BillingSection():
            amount = f", {section.refundable} refundable" if section.refundable else ""
            return f"{section.charges_seen} charges, {section.status.replace('_', ' ')}{amount}"
        case AccountSection():
            return f"{section.issue.replace('_', ' ')}: {section.status.replace('_', ' ')}"
        case PolicySection():
            decision = section.decision.replace("_", " ")
            return f"{decision} by rule {section.rule} (policy {section.policy_version})"
        case ApprovalSection():
            return f"request for {section.amount}: {section.state}"
        case RefundSection():
            return f"{section.amount} refunded: {section.state}, receipt {section.receipt}"
        case ResolutionSection():
            return "answer sent" if section.sent else f"answer written; {section.closes_as}"
        case _:
            return section.status.replace("_", " ")


def as_markdown(state: CaseState, timeline: list[TimelineEntry]) -> str:
    """The case's story so far, as the Web UI shows it under "current details"."""
    head = f"**{state.case_id}**: {state.status.replace('_', ' ')}"
    lines = [f"- `{entry.at[11:19]}` **{entry.step}**: {entry.text}" for entry in timeline]
    return "\n".join([head, "", *lines])
