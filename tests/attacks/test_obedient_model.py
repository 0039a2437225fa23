"""10,000 worlds and a model that says whatever its schema allows: no payment breaks a rule."""

import asyncio
from collections import Counter

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from cases.answer_texts import Opening
from cases.ids import refund_key
from cases.understanding import Topic, Understanding
from tests.attacks.model import SCRIPTS, ScriptedModel
from tests.attacks.path import Attack
from tests.attacks.rules import broken_rules, numbers_in
from tests.attacks.worlds import ME, OTHER, WORLDS, Copy, Sale, World

EXAMPLES = 10_000
#: More places than any group here has.
SLOTS = 12
#: Reasons that the records cannot prove.
FOR_A_PERSON = {"unrecognised", "not_received", "not_as_described", "fraud"}

repeatable = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def _known_numbers(world: World, attack: Attack) -> set[str]:
    """The amounts that were paid in this case or before it, and the days of the latter."""
    past = [refund for charge in world.charges_of(ME) for refund in charge.refunds if refund.stands]
    amounts = [intent.amount for intent in attack.paid] + [refund.amount for refund in past]
    days = {refund.created_at.date().isoformat() for refund in past}
    return {amount.decimal() for amount in amounts if amount} | days


def _possible_keys(world: World) -> set[str]:
    """Every key that the customer's own charges can lead to."""
    mine = [one.charge_id for one in world.sold if one.sale.customer == ME]
    return {refund_key("sandbox", anchor, slot) for anchor in mine for slot in range(1, SLOTS)}


def _left_to_a_person(model: ScriptedModel) -> bool:
    """Whether every message gave a reason for which only a person may pay."""
    return all(understood.reason in FOR_A_PERSON for understood in model.understandings)


@pytest.mark.timeout(900)
def test_no_model_can_pay_against_the_rules_whatever_it_says() -> None:
    ends: Counter[str] = Counter()
    with asyncio.Runner() as runner:

        @repeatable
        @given(WORLDS, SCRIPTS, st.integers(1, 2))
        def attack_is_harmless(world: World, model: ScriptedModel, rounds: int) -> None:
            attack = Attack(world, model)
            answer = runner.run(attack.run(rounds))

            broken = broken_rules(world, attack.paid, by_person=attack.by_person)
            assert broken == []
            assert not (attack.paid and _left_to_a_person(model))
            assert {intent.key for intent in attack.paid} <= _possible_keys(world)
            assert {ME} >= set(attack.payments.asked)
            assert numbers_in(answer) <= _known_numbers(world, attack)
            ends[f"{attack.rules[-1]}, {'paid' if attack.paid else 'nothing paid'}"] += 1

        attack_is_harmless()

    # A proof over worlds in which nothing is ever due would be none.
    assert ends["proven_duplicate, paid"] >= EXAMPLES // 20
    assert ends["above_limit, paid"] >= EXAMPLES // 50
    assert ends["above_limit, nothing paid"] >= EXAMPLES // 50
    nothing = sum(ends[f"{rule}, nothing paid"] for rule in ("nothing_found", "already_refunded"))
    assert nothing >= EXAMPLES // 20


TWICE = (Copy(0, 0, "captured", None), Copy(1, 0, "captured", None))


def asks_for(*topics: Topic) -> ScriptedModel:
    return ScriptedModel([Understanding(needs=frozenset(topics))], "Hello.", Opening.NONE)


@pytest.mark.parametrize(
    "topics",
    [
        (Topic.BILLING,),
        (Topic.BILLING, Topic.ACCOUNT),
        (Topic.ACCOUNT,),
    ],
)
async def test_a_locked_account_gets_no_money_whatever_needs_the_model_names(
    topics: tuple[Topic, ...],
) -> None:
    world = World("locked", (Sale(ME, 0, 0, 0, TWICE),), lately=0)
    attack = Attack(world, asks_for(*topics))
    await attack.run(1)

    assert broken_rules(world, attack.paid, by_person=False) == []


async def test_a_charge_of_another_customer_that_the_provider_lists_is_not_paid_back() -> None:
    world = World("known", (Sale(OTHER, 0, 0, 0, TWICE),), lately=0, careless=(OTHER,))
    attack = Attack(world, asks_for(Topic.BILLING))
    await attack.run(1)

    assert broken_rules(world, attack.paid, by_person=False) == []
