"""The provider's refunds and the ledger's: each seeded error is found, and no clean case is one."""

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest

from cases.comparison import DifferenceKind, Remedy
from cases.effects import EffectState, Outcome, ProviderRefund
from cases.tasks import TaskKind
from gateways.sandbox.payments import SandboxPayments
from tests.reconciliation.support import Books, kinds
from workers.composition import reconciliation

CLEAN = 1000
LONG_AGO = timedelta(minutes=5)
_COPY = """
INSERT INTO sandbox.refunds (id, charge_id, amount_minor, currency, status, idempotency_key)
SELECT $2, charge_id, amount_minor, currency, status, $3 FROM sandbox.refunds
 WHERE idempotency_key = $1 ORDER BY created_at LIMIT 1"""


async def _at_the_provider(books: Books, sql: str, *args: object) -> None:
    assert (await books.session.stores.sandbox.execute(sql, *args)).split()[-1] == "1"


async def _seeded(books: Books, number: str) -> set[tuple[DifferenceKind, str]]:
    """One error of each class; what must be found."""
    expected: set[tuple[DifferenceKind, str]] = set()
    changes = {
        DifferenceKind.AMOUNT_DIFFERS: "amount_minor = amount_minor + 1",
        DifferenceKind.CURRENCY_DIFFERS: "currency = 'EUR'",
        DifferenceKind.CHARGE_DIFFERS: f"charge_id = 'ch_clean{number}_0_1'",
        DifferenceKind.STATE_DIFFERS: "status = 'failed'",
    }
    for kind, change in changes.items():
        made, _ = await books.refund(f"{kind.value}{number}")
        update = f"UPDATE sandbox.refunds SET {change} WHERE idempotency_key = $1"  # noqa: S608
        await _at_the_provider(books, update, made.key)
        expected.add((kind, made.key))

    made, _ = await books.refund(f"missing_there{number}")
    await _at_the_provider(
        books, "DELETE FROM sandbox.refunds WHERE idempotency_key = $1", made.key
    )
    expected.add((DifferenceKind.MISSING_THERE, made.key))

    made, _ = await books.refund(f"paid_twice{number}")
    await _at_the_provider(books, _COPY, made.key, f"re_second_{number}", made.key)
    expected.add((DifferenceKind.PAID_TWICE, made.key))

    stranger = f"rf1_stranger{number}"
    await _at_the_provider(books, _COPY, made.key, f"re_stranger_{number}", stranger)
    expected.add((DifferenceKind.MISSING_HERE, stranger))

    await _at_the_provider(books, _COPY, made.key, f"re_by_hand_{number}", None)
    expected.add((DifferenceKind.UNKNOWN_ORIGIN, f"re_by_hand_{number}"))

    lost = await books.case(f"lost{number}")
    await books.claim(lost)
    await books.gateways.payments.refund(lost)
    await books.settle(lost, Outcome(state=EffectState.REJECTED, code="charge_disputed"))
    expected.add((DifferenceKind.STATE_DIFFERS, lost.key))
    return expected


async def _clean(books: Books, number: str, count: int) -> None:
    """Cases with a refund that both sides have alike, some of them still pending."""
    gate = asyncio.Semaphore(8)

    async def one(place: int) -> None:
        async with gate:
            words = ("pending",) if place % 10 == 9 else ()
            await books.refund(f"clean{number}_{place}", *words)

    await asyncio.gather(*(one(place) for place in range(count)))


@pytest.mark.timeout(240)
async def test_every_seeded_error_is_found_by_class_and_key_and_no_clean_case_is(
    books: Books, number: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await _clean(books, number, CLEAN)
    began = time.monotonic()
    assert (await books.compare()).differences == ()
    clean_s = time.monotonic() - began
    expected = await _seeded(books, number)
    others = asyncio.create_task(_clean(books, f"{number}more", 100))
    found = await books.compare()
    await others

    with capsys.disabled():
        print(f"\ncompared {CLEAN} clean cases in {clean_s:.1f} s")  # noqa: T201  for people
    assert kinds(found.differences) == expected
    assert {one.remedy for one in found.differences} == {Remedy.HANDED_OVER, Remedy.NOTED}
    assert len(found.differences) == len(expected) == 9
    assert clean_s < 60


async def test_what_differs_becomes_a_task_once_and_stays_finished(
    books: Books, number: str
) -> None:
    made, _ = await books.refund(f"gone{number}")
    await _at_the_provider(
        books, "DELETE FROM sandbox.refunds WHERE idempotency_key = $1", made.key
    )
    first, again = await books.compare(), await books.compare()
    [task] = await books.tasks(made.case_id)
    token = (books.session.settings.home / "approvers" / "lead.token").read_text().strip()
    await books.session.stores.tasks.finish(task.task_id, token, "the bank has it")
    last = await books.compare()

    assert task.kind is TaskKind.DIFFERENCE
    assert "49.99 USD" in task.detail
    assert str(made.charge_id) in task.detail
    remedies = [
        next(one.remedy for one in report.differences if one.subject == made.key)
        for report in (first, again, last)
    ]
    assert remedies == [Remedy.HANDED_OVER, Remedy.HANDED_OVER, Remedy.ACCEPTED]
    assert last.for_people == again.for_people - 1
    assert await books.audit_holds(made.case_id)


async def test_a_refund_that_failed_after_it_had_succeeded_is_taken_back_in_the_ledger(
    books: Books, number: str
) -> None:
    made, _ = await books.refund(f"late{number}")
    await _at_the_provider(
        books, "UPDATE sandbox.refunds SET status = 'failed' WHERE idempotency_key = $1", made.key
    )
    await books.compare()

    assert await books.state_of(made) is EffectState.FAILED
    [task] = await books.tasks(made.case_id)
    assert task.kind is TaskKind.REFUND_FAILED
    assert made.key not in {one.subject for one in (await books.compare()).differences}


async def test_what_the_ledger_does_not_know_the_end_of_is_settled_by_the_comparison_too(
    books: Books, number: str
) -> None:
    """It became old between the look at open effects and the comparison."""
    made = await books.case(f"drop{number}", "drop")
    await books.claim(made, ago=LONG_AGO)
    await books.gateways.payments.refund(made)
    alone = reconciliation(books.session.stores, books.gateways).comparing()
    report = await alone.compare(2)

    [found] = [one for one in report.differences if one.subject == made.key]
    assert (found.kind, found.remedy) == (DifferenceKind.UNSETTLED_HERE, Remedy.SETTLED)
    assert await books.state_of(made) is EffectState.SUCCEEDED


class Behind(SandboxPayments):
    """Its list is of a while ago; asked for one refund, it knows."""

    async def refunds_since(self, since: datetime) -> AsyncIterator[ProviderRefund]:
        async for refund in super().refunds_since(since):
            if not refund.charge_id.startswith("ch_behind"):
                yield refund


async def test_what_the_list_does_not_have_yet_is_looked_up_before_it_is_called_missing(
    books: Books, number: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [(await books.refund(f"behind{number}_{place}"))[0] for place in range(4)]
    payments = Behind(books.session.stores.sandbox)
    gateways = dataclasses.replace(books.gateways, payments=payments)
    made_anew = reconciliation(books.session.stores, gateways).comparing
    all_found = await made_anew().compare(2)
    monkeypatch.setattr("activities.reconciling.comparing._LOOKED_UP", 3)
    too_many = await made_anew().compare(2)

    keys = {one.key for one in made}
    assert not keys & {one.subject for one in (*all_found.differences, *too_many.differences)}
    assert (all_found.not_looked_up, too_many.not_looked_up) == (0, all_found.looked_up - 3)
    assert all_found.looked_up >= 4
