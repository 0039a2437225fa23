"""A row of the ledger that does not agree with itself, as only its owner can make one."""

from datetime import timedelta

from cases.effects import EffectState
from tests.reconciliation.support import Books

LONG_AGO = timedelta(minutes=5)


async def test_a_row_whose_intent_names_another_key_holds_up_no_other(
    books: Books, number: str
) -> None:
    odd, made = [await books.case(f"odd{number}{name}") for name in "ab"]
    await books.claim(odd, ago=2 * LONG_AGO)
    await books.owner.execute("UPDATE effects SET key = key || '_odd' WHERE key = $1", odd.key)
    try:
        await books.claim(made, ago=LONG_AGO)
        await books.gateways.payments.refund(made)
        async with books.run_worker():
            await books.reconcile(2)
        assert await books.state_of(made) is EffectState.SUCCEEDED
    finally:
        await books.owner.execute("UPDATE effects SET key = $1 WHERE key = $1 || '_odd'", odd.key)
