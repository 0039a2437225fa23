"""One test per edge: where a case goes next."""

import pytest

from cases.accounts import AccountSection
from cases.billing import BillingSection
from cases.policy import Decision, PolicySection
from cases.routing import AfterPolicy, after_policy, topics_to_examine
from tests.samples import case, needs

TOPICS = ("billing", "account")


@pytest.mark.parametrize(
    ("wanted", "examined"),
    [
        (("billing", "account"), ("billing", "account")),
        (("billing",), ("billing",)),
        (("account",), ("account",)),
        ((), ()),
        (("parcels",), ()),
    ],
)
def test_only_the_agents_that_the_request_needs_are_called(
    wanted: tuple[str, ...], examined: tuple[str, ...]
) -> None:
    assert topics_to_examine(case(needs(*wanted)), TOPICS) == examined


def test_a_request_that_was_not_read_needs_nobody_yet() -> None:
    assert topics_to_examine(case(), TOPICS) == ()


def test_what_was_examined_is_not_examined_again() -> None:
    state = case(needs("billing", "account"), BillingSection())

    assert topics_to_examine(state, TOPICS) == ("account",)


def test_an_agent_that_failed_is_not_called_again() -> None:
    state = case(needs("account"), AccountSection(status="failed", error="no answer"))

    assert topics_to_examine(state, TOPICS) == ()


def test_the_agent_of_a_new_topic_is_called_for_its_need() -> None:
    assert topics_to_examine(case(needs("parcels")), ("parcels",)) == ("parcels",)


@pytest.mark.parametrize(
    ("decision", "approval_required", "edge"),
    [
        (Decision.REFUND, False, AfterPolicy.PAY),
        (Decision.NEEDS_HUMAN, True, AfterPolicy.ASK_A_PERSON),
        (Decision.NEEDS_HUMAN, False, AfterPolicy.ANSWER),
        (Decision.NO_ACTION, False, AfterPolicy.ANSWER),
        (Decision.REFUND, True, AfterPolicy.ASK_A_PERSON),
    ],
)
def test_money_moves_at_once_only_where_nobody_must_approve(
    decision: Decision, approval_required: bool, edge: AfterPolicy
) -> None:
    policy = PolicySection(
        decision=decision,
        rule="r",
        reason="",
        policy_version=1,
        approval_required=approval_required,
    )
    assert after_policy(policy) is edge
