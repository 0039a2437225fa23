"""The record is the truth, tells everything once, and binds an approval to what was shown."""

import pytest

from activities.steps import CaseRef
from cases.ids import MAIN
from stores.postgres import Pool
from tests.approvals.support import NOT_APPROVED, Desk
from tests.stores.support import commit, opened, probe, usd
from workers.composition import Stores


async def test_a_repeated_step_leaves_no_second_audit_row(stores: Stores, case_id: str) -> None:
    state = await opened(stores, case_id)
    await commit(stores.cases, state, probe(1))
    before = await stores.audit.trail(case_id, MAIN)
    await commit(stores.cases, state, probe(1))

    assert len(await stores.audit.trail(case_id, MAIN)) == len(before)


async def test_money_is_decided_from_the_record_and_not_from_the_hot_copy(
    stores: Stores, case_id: str
) -> None:
    state = await opened(stores, case_id)
    forged = state.after(probe("never on record"), state.version + 1)
    await stores.record.renew(forged)
    ref = CaseRef(case_id=case_id, customer_id=state.customer_id)

    assert await stores.record.load(ref) == forged
    dossier = await stores.record.load_dossier(ref, limit_days=30)
    assert dossier.state == state


@pytest.fixture
async def desk(stores: Stores, owner: Pool, case_id: str, number: str) -> Desk:
    """One person must approve 600.00."""
    return await Desk(stores, owner, case_id, number, amount=usd(60_000), needed=1).opened()


async def test_an_approval_of_other_evidence_lets_nothing_out(desk: Desk) -> None:
    await desk.say(await desk.approver("ana"))
    changed = desk.ask(evidence="what was found since").digest

    assert await desk.claim(approval_digest=changed) == NOT_APPROVED
