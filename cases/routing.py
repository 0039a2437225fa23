"""Where a case goes next: one function per fork in its road, each a pure look at the state."""

from collections.abc import Iterable
from enum import StrEnum

from cases.policy import Decision, PolicySection
from cases.state import CaseState
from cases.understanding import UnderstandingSection


class AfterPolicy(StrEnum):
    """What follows the policy's decision."""

    PAY = "pay"
    ASK_A_PERSON = "ask_a_person"
    ANSWER = "answer"


def topics_to_examine(state: CaseState, topics: Iterable[str]) -> tuple[str, ...]:
    """Which of the topics the request needs and no agent has examined yet."""
    understanding = state.get(UnderstandingSection)
    needs = understanding.needs if understanding else ()
    return tuple(topic for topic in topics if topic in needs and topic not in state.sections)


def after_policy(policy: PolicySection) -> AfterPolicy:
    """Pay a refund, ask a person first, or go straight to the answer."""
    if policy.approval_required:
        return AfterPolicy.ASK_A_PERSON
    if policy.decision is Decision.REFUND:
        return AfterPolicy.PAY
    return AfterPolicy.ANSWER
