"""By what a case's own refunds are known in the provider's list."""

from cases.effects import EffectState, Outcome, answer_intent
from cases.ids import MAIN
from stores.postgres import Pool
from tests.stores.support import intent, opened, order
from workers.composition import Stores


async def test_the_ledger_knows_a_cases_refunds_and_corrections_of_all_lines_and_no_others(
    stores: Stores, owner: Pool, number: str, case_id: str
) -> None:
    cases = [await opened(stores, one) for one in (case_id, f"{case_id}_other")]
    refunds = [intent(one, order(f"{number}{one.case_id}")) for one in cases]
    mine = refunds[0]
    answer = answer_intent(case_id=case_id, branch=MAIN, customer_id=mine.customer_id, text="Hi.")
    for one in (*refunds, answer):
        await stores.ledger.claim(one)
    assert await stores.ledger.own_refunds(case_id) == {mine.key}

    receipt = f"re_{number}"
    await stores.ledger.settle_alone(mine, Outcome(state=EffectState.SUCCEEDED, receipt=receipt))
    await owner.execute(
        "INSERT INTO effects (key, kind, case_id, branch, customer_id, amount_minor, currency, "
        "charge_id, parameters_hash, intent) SELECT 'co1_' || $1, 'correction', case_id, branch, "
        "customer_id, 1, currency, charge_id, parameters_hash, intent FROM effects WHERE key = $1",
        mine.key,
    )

    own = await stores.ledger.own_refunds(case_id)
    assert own == {mine.key, receipt, f"co1_{mine.key}"}
    assert await stores.ledger.own_refunds(f"{number}_nowhere") == frozenset()
