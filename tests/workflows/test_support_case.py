"""The life of a case on real servers."""

from cases.effects import RefundSection
from tests.conftest import SmallWorld, WorkerFactory


async def test_a_double_charge_and_a_lost_login_end_in_one_refund_one_mail_and_one_answer(
    world: SmallWorld, run_worker: WorkerFactory
) -> None:
    charges = await world.twins(4999)
    async with run_worker():
        handle = await world.start("I was charged twice, and I still can't log in.")
        outcome = await handle.result()

    assert outcome.status == "answered"
    assert [refund["charge_id"] for refund in await world.refunds()] == charges[1:]
    assert len(await world.mails("reset")) == 1
    [answer] = await world.mails("answer")
    assert "49.99 USD" in answer["body"]
    assert "reset your password" in answer["body"]
    refund = (await world.state()).get(RefundSection)
    assert refund is not None
    assert str(refund.amount) == "49.99 USD"
