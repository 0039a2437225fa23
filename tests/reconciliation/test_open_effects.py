"""Effects of which the end was not known: found by looking, or handed to a person."""

import asyncio
import dataclasses
from datetime import timedelta

import pytest

from cases.effects import (
    EffectIntent,
    EffectState,
    Outcome,
    answer_intent,
    reset_intent,
)
from cases.errors import GatewayUnavailable
from cases.ids import MAIN, refund_key
from cases.tasks import TaskKind
from gateways.sandbox.clock import advance
from gateways.sandbox.payments import SandboxPayments
from tests.conftest import SmallWorld, WorkerFactory
from tests.reconciliation.support import Books
from tests.workflows.support import BILLING, Gate, SlowPayments, ended

LONG_AGO = timedelta(minutes=5)


async def test_a_pending_refund_becomes_paid_once_its_provider_says_so(
    books: Books, number: str
) -> None:
    made, outcome = await books.refund(f"later{number}", "pending")
    async with books.run_worker():
        early = await books.reconcile()
        still = await books.state_of(made)
        looked = "SELECT looked_at IS NOT NULL FROM effects WHERE key = $1"
        assert await books.owner.fetchval(looked, made.key)
        await advance(books.session.stores.sandbox, timedelta(hours=2))
        await books.age(made, timedelta(hours=2))
        report = await books.reconcile()

    assert (outcome.state, still) == (EffectState.PENDING, EffectState.PENDING)
    assert made.key not in {one.key for one in early.open_effects.effects}
    [settled] = [one for one in report.open_effects.effects if one.key == made.key]
    assert (settled.before, settled.after) == (EffectState.PENDING, EffectState.SUCCEEDED)
    assert settled.receipt == outcome.receipt
    assert await books.state_of(made) is EffectState.SUCCEEDED
    assert await books.tasks(made.case_id) == []
    assert await books.audit_holds(made.case_id)


async def test_a_refund_that_fails_later_is_back_in_the_ledger_and_a_persons_task(
    books: Books, number: str
) -> None:
    made, _ = await books.refund(f"fails{number}", "fail_later")
    async with books.run_worker():
        await advance(books.session.stores.sandbox, timedelta(hours=2))
        report = await books.reconcile()
        again = await books.reconcile(2)

    assert await books.state_of(made) is EffectState.FAILED
    [task] = await books.tasks(made.case_id)
    assert (task.kind, task.subject) == (TaskKind.REFUND_FAILED, made.key)
    assert "49.99 USD" in task.detail
    assert report.needs_person
    assert made.key not in {one.key for one in again.open_effects.effects}
    assert again.compared
    assert again.compared.differences == ()
    stores = books.session.stores
    assert (await stores.cases.load_dossier(made.case_id, MAIN)).refunded_lately == {"USD": 0}
    # The group is free for a second attempt, which takes a person's approval.
    second = made.model_copy(
        update={"key": refund_key("acct_1", f"ch_fails{number}_0", 1, attempt=2)}
    )
    _, claim = await stores.ledger.claim(second)
    assert claim.outcome == Outcome(state=EffectState.REFUSED, code="failed_before")


async def test_what_the_provider_has_is_found_though_it_forgot_the_key(
    books: Books, number: str
) -> None:
    made = await books.case(f"forgot{number}", "drop")
    await books.claim(made, ago=timedelta(hours=25))
    assert (await books.gateways.payments.refund(made)).state is EffectState.UNKNOWN
    await advance(books.session.stores.sandbox, timedelta(hours=25))
    async with books.run_worker():
        await books.reconcile()

    assert await books.state_of(made) is EffectState.SUCCEEDED
    assert await books.tasks(made.case_id) == []


async def test_what_was_claimed_a_moment_ago_is_left_alone(books: Books, number: str) -> None:
    made = await books.case(f"fresh{number}")
    await books.claim(made)
    await books.gateways.payments.refund(made)
    async with books.run_worker():
        await books.reconcile(2)

        assert await books.state_of(made) is EffectState.SENDING
        await books.age(made, LONG_AGO)
        await books.reconcile()
        assert await books.state_of(made) is EffectState.SUCCEEDED


async def test_only_what_is_missed_twice_and_apart_becomes_unknown_and_a_task(
    books: Books, number: str
) -> None:
    made = await books.case(f"lost{number}")
    await books.claim(made, ago=LONG_AGO)
    async with books.run_worker():
        await books.reconcile(2)
        await books.reconcile(2)
        soon = await books.state_of(made)
        await books.age(made, timedelta(seconds=61))
        report = await books.reconcile(2)

        assert soon is EffectState.SENDING
        assert await books.state_of(made) is EffectState.UNKNOWN
        [task] = await books.tasks(made.case_id)
        assert (task.kind, task.subject) == (TaskKind.EFFECT_UNKNOWN, made.key)
        assert report.needs_person
        # It turns up after all: a worker that was frozen sent it.
        await books.gateways.payments.refund(made)
        await books.reconcile(2)

    assert await books.state_of(made) is EffectState.SUCCEEDED
    assert await books.audit_holds(made.case_id)


async def test_every_kind_of_effect_is_looked_for_where_it_was_sent(
    books: Books, number: str
) -> None:
    refund = await books.case(f"kinds{number}")
    about = {
        "case_id": refund.case_id,
        "branch": MAIN,
        "customer_id": refund.customer_id,
    }
    reset, answer = reset_intent(**about), answer_intent(**about, text="Hello.")
    for made in (refund, reset, answer):
        await books.claim(made, ago=LONG_AGO)
    await books.gateways.accounts.send_reset_mail(reset)
    await books.gateways.mail.send_answer(answer)
    async with books.run_worker():
        await books.reconcile()

    assert await books.state_of(reset) is EffectState.SUCCEEDED
    assert await books.state_of(answer) is EffectState.SUCCEEDED
    assert await books.state_of(refund) is EffectState.SENDING


async def test_a_refund_that_is_pending_for_a_month_is_a_persons_task(
    books: Books, number: str
) -> None:
    made, _ = await books.refund(f"month{number}", "pending")
    await books.session.stores.sandbox.execute(
        "UPDATE sandbox.refunds SET settles_at = NULL WHERE idempotency_key = $1", made.key
    )
    async with books.run_worker():
        await books.reconcile()
        early = await books.tasks(made.case_id)
        await books.age(made, timedelta(days=31))
        await books.reconcile()

    assert early == []
    [task] = await books.tasks(made.case_id)
    assert task.kind is TaskKind.EFFECT_UNKNOWN
    assert await books.state_of(made) is EffectState.PENDING


class Unreachable(SandboxPayments):
    """Answers no question, and counts them."""

    asked = 0

    async def look_up(self, intent: EffectIntent) -> Outcome | None:
        self.asked += 1
        raise GatewayUnavailable("The payment provider", f"nothing is said of {intent.kind}")


async def test_a_provider_that_does_not_answer_holds_up_nothing_else(
    books: Books, number: str
) -> None:
    refunds = [await books.case(f"down{number}_{place}") for place in range(6)]
    for made in refunds:
        await books.claim(made, ago=timedelta(days=100))
    answer = answer_intent(
        case_id=refunds[0].case_id, branch=MAIN, customer_id=refunds[0].customer_id, text="Hello."
    )
    await books.claim(answer, ago=LONG_AGO)
    await books.gateways.mail.send_answer(answer)
    payments = Unreachable(books.session.stores.sandbox)
    async with books.run_worker(gateways=dataclasses.replace(books.gateways, payments=payments)):
        report = await books.reconcile()

    assert await books.state_of(answer) is EffectState.SUCCEEDED
    assert {await books.state_of(made) for made in refunds} == {EffectState.SENDING}
    assert payments.asked == report.open_effects.unavailable == 3
    assert report.open_effects.waiting >= 6


async def test_a_case_that_is_running_settles_its_own_refund_and_loses_no_step(
    books: Books, world: SmallWorld, run_worker: WorkerFactory
) -> None:
    """The reconciler finds the refund while the activity still waits for its answer."""
    await world.twins()
    answered = Gate()
    payments = AnswersLate(books, answered)
    async with run_worker(gateways=dataclasses.replace(books.gateways, payments=payments)):
        handle = await world.start(BILLING)
        await answered.until_reached()
        [entry] = await books.session.stores.ledger.of_case(f"case_{world.number}", MAIN)
        await books.owner.execute(
            "UPDATE effects SET claimed_at = claimed_at - interval '5 minutes' WHERE key = $1",
            entry.key,
        )
        report = await books.reconcile()
        answered.open.set()
        await ended(handle)

    assert entry.key in {one.key for one in report.open_effects.effects}
    state = await world.state()
    assert state.status == "answered"
    assert [step for step in state.completed_steps if step.startswith("refund:")] != []
    trail = await books.session.stores.audit.trail(f"case_{world.number}", MAIN)
    settled = [row for row in trail if (row.event, row.step) == ("effect_settled", entry.key)]
    assert [row.actor for row in settled] == ["reconciler"]
    assert len(await world.refunds()) == 1
    assert await books.audit_holds(f"case_{world.number}")


class AnswersLate(SandboxPayments):
    """Refunds, and answers when it is let."""

    def __init__(self, books: Books, gate: Gate) -> None:
        super().__init__(books.session.stores.sandbox)
        self._gate = gate

    async def refund(self, intent: EffectIntent) -> Outcome:
        outcome = await super().refund(intent)
        await self._gate.pass_through()
        return outcome


async def test_what_a_running_case_has_not_sent_yet_is_its_own_business(
    books: Books, world: SmallWorld, run_worker: WorkerFactory
) -> None:
    await world.twins()
    sent = Gate()
    payments = SlowPayments(books.session.stores, refund=sent)
    async with run_worker(gateways=dataclasses.replace(books.gateways, payments=payments)):
        handle = await world.start(BILLING)
        await sent.until_reached()
        for _ in range(2):
            await books.owner.execute(
                "UPDATE effects SET claimed_at = claimed_at - interval '5 minutes', "
                "not_found_at = not_found_at - interval '5 minutes' WHERE case_id = $1",
                f"case_{world.number}",
            )
            await books.reconcile(2)
        sent.open.set()
        await ended(handle)

    assert (await world.state()).status == "answered"
    assert await books.tasks(f"case_{world.number}") == []
    assert len(await world.refunds()) == 1


async def test_two_reconcilers_at_once_settle_each_effect_once(books: Books, number: str) -> None:
    made = await books.case(f"both{number}", "drop")
    await books.claim(made, ago=LONG_AGO)
    await books.gateways.payments.refund(made)
    async with books.run_worker():
        await asyncio.gather(*(books.reconcile(2) for _ in range(4)))

    trail = await books.session.stores.audit.trail(made.case_id, MAIN)
    assert [row.actor for row in trail if row.event == "effect_settled"] == ["reconciler"]


@pytest.mark.parametrize("given", [[], [None], ["x"], [{"compare_days": "two", "more": 1}]])
async def test_whatever_it_is_started_with_it_settles_what_is_open(
    given: list[object], books: Books, number: str
) -> None:
    async with books.run_worker():
        report = await books.session.temporal.execute_workflow(
            "Reconcile", args=given, id=f"tolerant-{number}", task_queue="support-cases"
        )

    assert report["compared"] is None
