"""What a customer gets without a person, and what the claim asks of an approval."""

import asyncio
from typing import Any

import pytest

from cases.approvals import Approval, Verdict
from cases.effects import EffectState, Outcome
from cases.ids import MAIN
from cases.state import CaseState
from stores.postgres import Pool
from tests.stores.support import asking_step, asks, commit, intent, opened, order, refund_step, usd
from workers.composition import Stores

ABOVE = Outcome(state=EffectState.REFUSED, code="above_limit")
NOT_APPROVED = Outcome(state=EffectState.REFUSED, code="not_approved")
REJECTED = Outcome(state=EffectState.REJECTED, code="charge_disputed")


async def _claim(stores: Stores, case: CaseState, number: str, minor: int, **more: Any) -> Outcome:
    _, claim = await stores.ledger.claim(intent(case, order(number, minor), **more))
    return claim.outcome


async def _age(owner: Pool, case: CaseState, days: float) -> None:
    older = "UPDATE effects SET claimed_at = claimed_at - $2 * interval '1 day' WHERE case_id = $1"
    await owner.execute(older, case.case_id, days)


@pytest.mark.parametrize(("minor", "fits"), [(49_999, True), (50_000, True), (50_001, False)])
async def test_the_limit_itself_still_fits(
    stores: Stores, case_id: str, number: str, minor: int, fits: bool
) -> None:
    case = await opened(stores, case_id)

    outcome = await _claim(stores, case, number, minor)

    assert outcome == (Outcome(state=EffectState.SENDING) if fits else ABOVE)


async def test_the_limit_counts_the_customers_other_cases_of_30_days(
    stores: Stores, owner: Pool, case_id: str, number: str
) -> None:
    customer = f"cus_{number}"
    old, recent, now = [await opened(stores, f"{case_id}-{n}", customer) for n in range(3)]
    assert (await _claim(stores, old, f"{number}-a", 50_000)).state is EffectState.SENDING
    await _age(owner, old, 30.01)
    assert (await _claim(stores, recent, f"{number}-b", 30_000)).state is EffectState.SENDING
    await _age(owner, recent, 29.99)

    assert await _claim(stores, now, f"{number}-c", 20_001) == ABOVE
    assert (await _claim(stores, now, f"{number}-d", 20_000)).state is EffectState.SENDING
    assert await _claim(stores, now, f"{number}-e", 1) == ABOVE
    dossier = await stores.cases.load_dossier(now.case_id, MAIN, limit_days=30)
    assert dossier.refunded_lately == {"USD": 30_000}


async def test_another_currency_and_another_customer_do_not_count(
    stores: Stores, case_id: str, number: str
) -> None:
    case = await opened(stores, case_id)
    someone = await opened(stores, f"{case_id}-b")
    await _claim(stores, someone, f"{number}-a", 50_000)
    euros = intent(case, order(f"{number}-b", 50_000, currency="EUR"))
    assert (await stores.ledger.claim(euros))[1].outcome.state is EffectState.SENDING

    assert (await _claim(stores, case, f"{number}-c", 50_000)).state is EffectState.SENDING


async def test_a_rejected_refund_does_not_count_but_an_unknown_one_does(
    stores: Stores, case_id: str, number: str
) -> None:
    case = await opened(stores, case_id)
    for name, outcome in (("a", REJECTED), ("b", Outcome(state=EffectState.UNKNOWN))):
        one = order(f"{number}-{name}", 50_000)
        _, claim = await stores.ledger.claim(intent(case, one))
        assert claim.outcome.state is EffectState.SENDING
        state = await stores.cases.load(case_id, MAIN)
        expected = state.expected("refund")
        await stores.ledger.settle(intent(case, one), outcome, refund_step(one, outcome), expected)

    assert await _claim(stores, case, f"{number}-c", 1) == ABOVE


async def test_claims_at_once_cannot_exceed_the_limit_together(
    stores: Stores, case_id: str, number: str
) -> None:
    cases = [await opened(stores, f"{case_id}-{n}", f"cus_{number}") for n in range(8)]

    outcomes = await asyncio.gather(
        *(_claim(stores, case, f"{number}-{n}", 20_000) for n, case in enumerate(cases))
    )

    states = sorted(outcome.state for outcome in outcomes)
    assert states == [*["refused"] * 6, *["sending"] * 2]


async def test_without_a_limit_and_an_approval_nothing_goes_out(
    stores: Stores, case_id: str, number: str
) -> None:
    case = await opened(stores, case_id)

    assert await _claim(stores, case, number, 1, limit_minor=None) == NOT_APPROVED


class Asked:
    """A case that asks for 600.00 in two refunds, and an approver of this test."""

    def __init__(self, stores: Stores, owner: Pool, case: CaseState, number: str) -> None:
        self.stores, self.owner, self.case, self.number = stores, owner, case, number
        self.orders = (order(number, 35_000, 1), order(number, 25_000, 2))
        self.request = asks(case.case_id, *self.orders)

    async def decide(self, verdict: Verdict, limits: dict[str, int] | None = None) -> None:
        token = await self.stores.approvers.add(f"ann-{self.number}", limits or {"USD": 60_000})
        state = await self.stores.cases.load(self.case.case_id, MAIN)
        asked: Approval = await self.stores.approvals.read(self.request.approval_id)
        await self.stores.approvals.decide(state, asked, token or "", verdict, "")

    async def claim(self, place: int = 0, **changes: Any) -> Outcome:
        bound = {
            "approval_id": self.request.approval_id,
            "approval_digest": self.request.digest,
            **changes,
        }
        _, claim = await self.stores.ledger.claim(intent(self.case, self.orders[place], **bound))
        return claim.outcome

    async def consumed_by(self) -> tuple[str, ...]:
        return (await self.stores.approvals.read(self.request.approval_id)).consumed_by


@pytest.fixture
async def asked(stores: Stores, owner: Pool, case_id: str, number: str) -> Asked:
    made = Asked(stores, owner, await opened(stores, case_id), number)
    await commit(stores.cases, made.case, asking_step(made.request))
    return made


async def test_an_approved_request_lets_its_refunds_out_and_remembers_them(asked: Asked) -> None:
    await asked.decide(Verdict.APPROVED)

    assert [(await asked.claim(n)).state for n in (0, 1)] == ["sending", "sending"]

    keys = tuple(intent(asked.case, one).key for one in asked.orders)
    assert await asked.consumed_by() == keys
    assert (await asked.claim(0)).state is EffectState.SENDING  # a repeat consumes nothing more
    assert await asked.consumed_by() == keys


async def test_what_a_person_approved_does_not_count_for_the_limit(asked: Asked) -> None:
    await asked.decide(Verdict.APPROVED)
    assert (await asked.claim()).state is EffectState.SENDING
    later = await opened(asked.stores, f"{asked.case.case_id}-b", asked.case.customer_id)

    outcome = await _claim(asked.stores, later, f"{asked.number}-b", 50_000)

    assert outcome.state is EffectState.SENDING


async def test_a_pending_request_lets_nothing_out(asked: Asked) -> None:
    assert await asked.claim() == NOT_APPROVED
    assert await asked.consumed_by() == ()


async def test_a_denied_request_lets_nothing_out(asked: Asked) -> None:
    await asked.decide(Verdict.DENIED)

    assert await asked.claim() == NOT_APPROVED


@pytest.mark.parametrize(
    "change",
    [
        {"approval_id": "apr_none"},
        {"approval_digest": "other"},
        {"approval_digest": None},
        {"amount": usd(60_001)},
        {"amount": usd(35_001)},
        {"charge_id": "ch_else"},
        {"amount": usd(35_000).model_copy(update={"currency": "EUR"})},
    ],
)
async def test_what_was_not_approved_does_not_go_out(asked: Asked, change: dict[str, Any]) -> None:
    await asked.decide(Verdict.APPROVED)

    assert await asked.claim(**change) == NOT_APPROVED
    assert await asked.consumed_by() == ()


async def test_an_approval_of_another_case_lets_nothing_out(asked: Asked) -> None:
    await asked.decide(Verdict.APPROVED)
    asked.case = await opened(asked.stores, f"{asked.case.case_id}-b", asked.case.customer_id)

    assert await asked.claim() == NOT_APPROVED


async def test_an_approver_who_was_revoked_since_lets_nothing_out(asked: Asked) -> None:
    await asked.decide(Verdict.APPROVED)
    revoke = "UPDATE approvers SET revoked_at = clock_timestamp() WHERE name = $1"
    await asked.owner.execute(revoke, f"ann-{asked.number}")

    assert await asked.claim() == NOT_APPROVED


@pytest.mark.parametrize("limits", ['{"USD": 59999}', '{"EUR": 60000}', "{}"])
async def test_an_approver_whose_limit_is_too_low_by_now_lets_nothing_out(
    asked: Asked, limits: str
) -> None:
    await asked.decide(Verdict.APPROVED)
    lower = "UPDATE approvers SET limits = $2 WHERE name = $1"
    await asked.owner.execute(lower, f"ann-{asked.number}", limits)

    assert await asked.claim() == NOT_APPROVED


async def test_an_approval_is_used_up_by_its_amount(asked: Asked) -> None:
    """Even the approved order goes out once: a second key finds nothing left."""
    await asked.decide(Verdict.APPROVED)
    for n in (0, 1):
        assert (await asked.claim(n)).state is EffectState.SENDING
    free = "UPDATE effects SET charge_id = 'free-' || key, duplicate_group = 'free-' || key "
    await asked.owner.execute(free + "WHERE case_id = $1", asked.case.case_id)

    assert await asked.claim(0, key=f"rf1_again_{asked.number}") == NOT_APPROVED


async def test_an_approval_counts_even_where_the_limit_would_have_sufficed(asked: Asked) -> None:
    assert await asked.claim(limit_minor=10**9) == NOT_APPROVED
