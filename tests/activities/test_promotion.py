"""A promotion pays the difference and no more, and what does not come true is a person's."""

import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.exceptions import ApplicationError

from activities.promotion import PromotedEffect, PromotionActivities
from cases.billing import ENDED_UNPAID
from cases.effects import EffectIntent, EffectState, Outcome, RefundSection, ResolutionSection
from gateways.sandbox.payments import SandboxPayments
from stores.postgres import Pool
from stores.reconciliation import PostgresEntries
from tests.activities.environment import refused, run
from tests.activities.promotions import carried_out, lines_of, task_of
from tests.conftest import SmallWorld
from tests.stores.promotions import TwoLines
from workers.composition import Gateways, Stores, promotion, reconciliation


class Unsure(SandboxPayments):
    """Pays, and loses its answer; or gives none at all."""

    def __init__(self, stores: Stores, *, pays: bool) -> None:
        super().__init__(stores.sandbox)
        self.pays = pays

    async def refund(self, intent: EffectIntent) -> Outcome:
        if self.pays:
            await super().refund(intent)
        return Outcome(state=EffectState.UNKNOWN, code="no_answer")


class Scene:
    """A case whose main line paid something for real, and a branch that wants something else."""

    def __init__(self, world: SmallWorld, gateways: Gateways, client: Client) -> None:
        self.world, self.gateways, self.client = world, gateways, client

    async def begin(
        self,
        paid: dict[int, int],
        wanted: dict[int, int],
        *,
        told: str | None = None,
        tells: str | None = None,
        script: tuple[str, ...] = (),
    ) -> TwoLines:
        """Ask, and have it approved; `script` is what the provider does with the second twin."""
        charges = await self.world.twins(10_000, count=2)
        charges += await self.world.twins(10_000, count=1, script=list(script))
        lines = lines_of(self.world, charges)
        await lines.main(paid, pay=self.gateways.payments.refund, answer=told)
        await lines.fork(wanted, answer=tells)
        if await lines.ask():
            await lines.say(await lines.approver("ann"))
        return lines

    def activities(self, **gateways: Any) -> PromotionActivities:
        changed = dataclasses.replace(self.gateways, **gateways)
        return promotion(self.world.session.stores, changed, self.client)

    async def refunded(self) -> list[int]:
        """What the provider has paid back and not failed to, in minor units."""
        refunds = await self.world.refunds()
        return [r["amount_minor"] for r in refunds if r["status"] not in ENDED_UNPAID]

    async def answers(self) -> list[str]:
        return [mail["body"] for mail in await self.world.mails("answer")]

    async def tasks(self) -> list[tuple[str, str]]:
        waiting = await self.world.session.stores.tasks.waiting()
        case_id = f"case_{self.world.number}"
        return [(task.kind, task.detail) for task in waiting if task.case_id == case_id]


@pytest.fixture
def scene(world: SmallWorld, gateways: Gateways, client: Client) -> Scene:
    return Scene(world, gateways, client)


async def test_what_was_paid_too_little_is_topped_up_once_however_often_it_is_tried(
    scene: Scene,
) -> None:
    lines = await scene.begin({1: 4000}, {1: 4999})
    activities, task = scene.activities(), await task_of(lines)
    begun = await run(activities.begin_promotion, task)
    for _ in range(3):
        effect = PromotedEffect(task=task, line=begun.lines[0])
        assert (await run(activities.carry_out, effect)).state is EffectState.SUCCEEDED
        assert (await run(activities.begin_promotion, task)).lines == ()
    ends = [await run(activities.complete_promotion, task) for _ in range(3)]

    assert await scene.refunded() == [4000, 999]
    assert {end.status for end in ends} == {"answered"}
    assert len({end.version for end in ends}) == 1
    paid = (await lines.state()).get(RefundSection)
    assert paid
    assert (str(paid.amount), len(paid.items)) == ("49.99 USD", 2)
    assert await scene.tasks() == []
    assert await lines.chains_hold()


async def test_what_was_paid_too_much_is_not_charged_back(scene: Scene) -> None:
    lines = await scene.begin({1: 4999, 2: 500}, {1: 4000})
    outcomes, end = await carried_out(scene.activities(), await task_of(lines))

    assert (outcomes, end.status) == ([], "manual_review")
    assert await scene.refunded() == [4999, 500]
    [(kind, detail)] = await scene.tasks()
    assert kind == "money_to_recover"
    assert "40.00 USD is wanted" in detail
    assert "nothing is wanted" in detail
    assert await lines.chains_hold()


async def test_a_refund_that_the_provider_rejects_parks_the_case_and_holds_the_answer_back(
    scene: Scene,
) -> None:
    lines = await scene.begin({}, {1: 5000, 2: 20_000}, tells="We have refunded 250.00 USD.")
    outcomes, end = await carried_out(scene.activities(), await task_of(lines))

    found = [(outcome.state, outcome.code) for outcome in outcomes]
    assert found == [
        ("succeeded", None),
        ("rejected", "amount_too_high"),
        ("refused", "not_as_answered"),
    ]
    assert end.status == "manual_review"
    assert await scene.refunded() == [5000]
    assert await scene.answers() == []
    [(kind, detail)] = await scene.tasks()
    assert kind == "promotion_incomplete"
    assert "refund of 200.00 USD" in detail
    assert "answer was not sent" in detail
    state = await lines.state()
    paid, answer = state.get(RefundSection), state.get(ResolutionSection)
    assert paid
    assert (paid.state, str(paid.amount)) == ("rejected", "50.00 USD")
    assert answer
    assert not answer.sent


async def test_an_answer_is_held_back_while_what_it_says_is_on_its_way(scene: Scene) -> None:
    lines = await scene.begin({}, {2: 100}, tells="We have refunded 1.00.", script=("pending",))
    outcomes, end = await carried_out(scene.activities(), await task_of(lines))

    assert [outcome.state for outcome in outcomes] == ["pending", "refused"]
    assert end.status == "manual_review"
    assert await scene.answers() == []


async def test_an_answer_that_has_come_true_is_sent_once(scene: Scene) -> None:
    lines = await scene.begin({1: 5000}, {1: 5000, 2: 100}, tells="We have refunded 51.00 USD.")
    activities, task = scene.activities(), await task_of(lines)
    begun = await run(activities.begin_promotion, task)
    for line in (*begun.lines, *begun.lines):
        outcome = await run(activities.carry_out, PromotedEffect(task=task, line=line))
        assert outcome.state is EffectState.SUCCEEDED
    end = await run(activities.complete_promotion, task)

    assert end.status == "answered"
    assert await scene.answers() == ["We have refunded 51.00 USD."]
    assert await scene.refunded() == [5000, 100]


async def test_a_customer_who_has_an_answer_gets_no_other(scene: Scene) -> None:
    lines = await scene.begin({1: 100}, {1: 200}, told="A", tells="B")
    _, end = await carried_out(scene.activities(), await task_of(lines))

    answer = (await lines.state()).get(ResolutionSection)
    assert answer
    assert (end.status, answer.answer) == ("answered", "A")
    assert await scene.answers() == []  # the first was sent by hand, the second never


async def test_a_payment_whose_answer_was_lost_is_found_and_not_paid_again(scene: Scene) -> None:
    lines = await scene.begin({1: 4000}, {1: 4999})
    task = await task_of(lines)
    stores = scene.world.session.stores
    unsure = scene.activities(payments=Unsure(stores, pays=True))
    begun = await run(unsure.begin_promotion, task)
    effect = PromotedEffect(task=task, line=begun.lines[0])
    with pytest.raises(ApplicationError, match="outcome of correction is unknown"):
        await run(unsure.carry_out, effect)

    assert (await run(scene.activities().carry_out, effect)).state is EffectState.SUCCEEDED
    assert (await run(scene.activities().complete_promotion, task)).status == "answered"
    assert await scene.refunded() == [4000, 999]


async def test_a_payment_whose_answer_was_lost_is_found_by_the_reconciler(scene: Scene) -> None:
    lines = await scene.begin({1: 4000}, {1: 4999})
    task = await task_of(lines)
    stores = scene.world.session.stores
    unsure = scene.activities(payments=Unsure(stores, pays=True))
    begun = await run(unsure.begin_promotion, task)
    with pytest.raises(ApplicationError):
        await run(unsure.carry_out, PromotedEffect(task=task, line=begun.lines[0]))
    found = reconciliation(stores, scene.gateways).open_effects
    await found.settle_found(lines.case_id, "main")

    effect = await stores.ledger.find(begun.lines[0].key)
    assert effect
    assert (effect.kind, effect.state) == ("correction", "succeeded")
    entries = PostgresEntries(stores.pool, stores.keys)
    assert [entry.key for entry in await entries.of_keys([effect.key])] == [effect.key]
    made = await entries.made_within(1, (effect.claimed_at - timedelta(seconds=1), ""))
    assert effect.key in [entry.key for entry in made]


async def test_a_payment_of_which_nothing_is_ever_known_is_a_persons_task(scene: Scene) -> None:
    lines = await scene.begin({1: 4000}, {1: 4999})
    task = await task_of(lines)
    stores = scene.world.session.stores
    unsure = scene.activities(payments=Unsure(stores, pays=False))
    begun = await run(unsure.begin_promotion, task)
    effect = PromotedEffect(task=task, line=begun.lines[0])
    with pytest.raises(ApplicationError):
        await run(unsure.carry_out, effect)
    await run(unsure.give_up_promoted, effect)
    end = await run(unsure.complete_promotion, task)

    assert end.status == "manual_review"
    assert {kind for kind, _ in await scene.tasks()} == {"effect_unknown", "promotion_incomplete"}
    assert (await run(scene.activities().carry_out, effect)).state is EffectState.UNKNOWN
    assert await scene.refunded() == [4000]


async def test_what_was_never_claimed_needs_nobody_to_find_out(scene: Scene) -> None:
    lines = await scene.begin({1: 4000}, {1: 4999})
    task = await task_of(lines)
    begun = await run(scene.activities().begin_promotion, task)
    await run(scene.activities().give_up_promoted, PromotedEffect(task=task, line=begun.lines[0]))

    assert await scene.tasks() == []


async def test_what_is_not_what_was_approved_any_more_is_refused(scene: Scene, owner: Pool) -> None:
    lines = await scene.begin({1: 4000}, {1: 4999})
    task = await task_of(lines)
    await owner.execute("UPDATE effects SET state = 'failed' WHERE case_id = $1", lines.case_id)

    assert await refused(scene.activities().begin_promotion, task) == "PromotionRefused"
    assert await scene.refunded() == [4000]


async def test_a_refund_that_another_case_has_made_is_not_made_again(scene: Scene) -> None:
    lines = await scene.begin({}, {1: 4000})
    other = TwoLines(
        lines.stores,
        f"{lines.case_id}.r2",
        lines.number,
        account="sandbox",
        customer_id=lines.customer_id,
        charges=lines.charges,
    )
    await other.main({1: 4000}, pay=scene.gateways.payments.refund)
    outcomes, end = await carried_out(scene.activities(), await task_of(lines))

    assert [(o.state, o.code) for o in outcomes] == [("refused", "already_claimed")]
    assert end.status == "manual_review"
    assert await scene.refunded() == [4000]
