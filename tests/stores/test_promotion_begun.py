"""A promotion that has begun: what is let out, what the main line may do, and how it ends."""

import asyncio

import pytest

from cases.approvals import ApprovalState
from cases.effects import EffectState, RefundSection
from cases.errors import CaseClosed
from cases.ids import MAIN
from cases.promoted import ending_of, intent_of
from cases.promotion import PlanOutdated, PromotionRefused
from cases.state import CaseStatus
from stores.postgres import Pool
from tests.stores.promotions import REJECTED, TwoLines, approved
from tests.stores.support import ProbeSection, asking_step, asks, commit, order, probe, request
from workers.composition import Stores


async def completed(lines: TwoLines) -> None:
    """End the promotion as its activity does."""
    facts = await lines.facts()
    approval = await lines.stores.approvals.of_promotion(lines.case_id, lines.branch)
    branch, main = await lines.state(lines.branch), await lines.state()
    ending = ending_of(facts, branch, main, approval)
    await lines.stores.promotions.complete(facts, ending, "kim")


async def test_nothing_begins_without_the_approval_of_just_that_plan(lines: TwoLines) -> None:
    facts = await lines.facts()
    await lines.ask()
    asked = await lines.request()
    begin = lines.stores.promotions.begin
    with pytest.raises(PromotionRefused, match="not approved any more"):
        await begin(facts, asked, "kim")

    await lines.say(await lines.approver("ann"))
    with pytest.raises(PromotionRefused, match="not approved any more"):
        await begin(facts, asked.model_copy(update={"digest": "0" * 64}), "kim")
    voided = await lines.stores.promotions.close(asked.approval_id, ApprovalState.VOID, "stale")
    assert voided is ApprovalState.VOID
    with pytest.raises(PromotionRefused, match="not approved any more"):
        await begin(facts, asked, "kim")
    assert (await lines.facts()).promoting is None


async def test_an_approval_of_someone_who_has_lost_the_right_begins_nothing(
    lines: TwoLines,
) -> None:
    await approved(lines)
    await lines.stores.approvers.revoke(f"ann-{lines.number}")

    with pytest.raises(PromotionRefused, match="not approved any more"):
        await lines.begin()


async def test_a_plan_made_before_the_ledger_changed_begins_nothing(
    lines: TwoLines, owner: Pool
) -> None:
    await approved(lines)
    facts, asked = await lines.facts(), await lines.request()
    await owner.execute("UPDATE effects SET state = 'failed' WHERE case_id = $1", lines.case_id)

    with pytest.raises(PlanOutdated):
        await lines.stores.promotions.begin(facts, asked, "kim")
    with pytest.raises(PlanOutdated):
        await lines.stores.promotions.ask(facts, await lines.plan(), "kim", 1)


async def test_a_main_line_that_went_on_makes_the_branch_stale(
    stores: Stores, case_id: str, number: str
) -> None:
    lines = TwoLines(stores, case_id, number)
    await stores.cases.open(case_id, MAIN, f"cus_{case_id}", request())
    await lines.fork({1: 100})
    facts = await lines.facts()
    await commit(stores.cases, await lines.state(), probe(1))

    with pytest.raises(PromotionRefused, match=r"stale.*main\.1, now it is at main\.2"):
        await stores.promotions.begin(facts, None, "kim")


async def test_once_begun_the_main_line_claims_and_commits_nothing(
    stores: Stores, case_id: str, number: str
) -> None:
    lines = TwoLines(stores, case_id, number)
    await stores.cases.open(case_id, MAIN, f"cus_{case_id}", request())
    await commit(stores.cases, await lines.state(), asking_step(asks(case_id, order(number))))
    await lines.fork({1: 100}, answer="B")
    await approved(lines)
    await lines.begin()
    await lines.begin()

    for intent in (lines.refund(1, 100), lines.answer("A")):
        _, claim = await stores.ledger.claim(intent)
        assert (claim.outcome.state, claim.outcome.code) == (EffectState.REFUSED, "case_closed")
    # Nor does the promotion pay without a person, be it within the limit.
    own = lines.refund(1, 100).model_copy(update={"promotes": "b1"})
    _, claim = await stores.ledger.claim(own)
    assert claim.outcome.code == "not_approved"
    with pytest.raises(CaseClosed):
        await commit(stores.cases, await lines.state(), probe(1))
    assert [one.state for one in await stores.approvals.pending_of(case_id, MAIN)] == []
    begun = [("kim", f"b1 {(await lines.request()).approval_id}")]
    assert await lines.audit("promotion_begun") == begun
    assert await lines.audit("promotion_begun", "b1") == begun
    assert await lines.chains_hold()


async def test_only_what_was_approved_is_let_out_and_only_once_it_has_begun(
    lines: TwoLines,
) -> None:
    await approved(lines)
    facts, asked = await lines.facts(), await lines.request()
    [line] = (await lines.plan()).lines
    intent = intent_of(line, facts, asked)

    async def refused(**changes: object) -> str | None:
        _, claim = await lines.stores.ledger.claim(intent.model_copy(update=changes))
        return claim.outcome.code

    assert await refused() == "case_closed"
    await lines.begin()
    more = intent.amount.model_copy(update={"amount_minor": 1002}) if intent.amount else None
    assert await refused(amount=more) == "not_approved"
    assert await refused(charge_id="ch_other") == "not_approved"
    assert await refused(approval_id=None) == "not_approved"
    assert await refused(approval_digest="0" * 64) == "not_approved"
    assert await refused(promotes="b2") == "case_closed"
    assert await refused() is None
    assert await refused(amount=more) == "already_claimed"


async def test_an_approval_of_the_case_itself_lets_nothing_of_a_promotion_out(
    stores: Stores, case_id: str, number: str
) -> None:
    lines = TwoLines(stores, case_id, number)
    await stores.cases.open(case_id, MAIN, f"cus_{case_id}", request())
    await lines.fork({1: 4999})
    await approved(lines)
    asked = await lines.request()

    made = lines.refund(1, 4999).model_copy(
        update={"approval_id": asked.approval_id, "approval_digest": asked.digest}
    )
    _, claim = await stores.ledger.claim(made)
    assert claim.outcome.code == "not_approved"


async def test_the_main_line_becomes_what_the_branch_is_in_one_step(
    stores: Stores, case_id: str, number: str
) -> None:
    lines = TwoLines(stores, case_id, number)
    await lines.main({1: 4999})
    await lines.fork({1: 4999}, close=False)
    await commit(stores.cases, await lines.state("b1"), probe({"of": "b1"}))
    await lines.close("b1", CaseStatus.REJECTED)
    before = await lines.state()
    await lines.begin()
    await completed(lines)

    after, branch = await lines.state(), await lines.state("b1")
    assert (after.version, after.status) == (before.version + 1, "rejected")
    assert after.completed_steps == (*before.completed_steps, "promotion:b1")
    assert after.get(ProbeSection) == branch.get(ProbeSection)
    paid = after.get(RefundSection)
    assert paid
    assert str(paid.amount) == "49.99 USD"
    for line in (MAIN, "b1"):
        assert await lines.audit("promoted", line) == [("kim", "done as planned")]
    written = await lines.audit("section_written")
    assert ("kim", "done as planned") in written
    assert (await lines.facts()).promoting is None
    assert await lines.chains_hold()


async def test_a_second_end_and_a_second_promotion_change_nothing(lines: TwoLines) -> None:
    await approved(lines)
    await lines.begin()
    facts = await lines.facts()
    ending = ending_of(facts, await lines.state("b1"), await lines.state(), None)
    ends = [lines.stores.promotions.complete(facts, ending, "kim") for _ in range(3)]
    done = await asyncio.gather(*ends)

    assert {one.version for one in done} == {(await lines.state()).version}
    assert sorted(one.repeated for one in done) == [False, True, True]
    with pytest.raises(PromotionRefused, match="was promoted before"):
        await lines.plan()
    with pytest.raises(PromotionRefused, match="was promoted before"):
        await lines.stores.promotions.begin(facts, None, "kim")
    asked = await lines.request()
    closed = await lines.stores.promotions.close(asked.approval_id, ApprovalState.VOID)
    assert closed is ApprovalState.APPROVED


async def test_an_end_that_was_not_begun_is_refused(lines: TwoLines) -> None:
    before = await lines.state()
    facts = await lines.facts()
    ending = ending_of(facts, await lines.state("b1"), before, None)

    with pytest.raises(PlanOutdated):
        await lines.stores.promotions.complete(facts, ending, "kim")
    assert await lines.state() == before


async def test_of_two_promotions_at_once_one_begins(
    stores: Stores, case_id: str, number: str
) -> None:
    first = await TwoLines(stores, case_id, number).main({1: 4999})
    second = TwoLines(stores, case_id, number, branch="b2")
    await first.fork({1: 4999})
    await second.fork({1: 4999})
    known = [await first.facts(), await second.facts()]
    begins = [stores.promotions.begin(facts, None, "kim") for facts in known]
    found = await asyncio.gather(*begins, return_exceptions=True)

    [refused] = [one for one in found if one is not None]
    assert isinstance(refused, PromotionRefused)
    assert "is under way" in str(refused)


async def test_a_rejected_refund_of_the_main_line_is_tried_anew(
    stores: Stores, case_id: str, number: str
) -> None:
    lines = await TwoLines(stores, case_id, number).main({1: 4999}, REJECTED)
    await lines.fork({1: 4000})
    await approved(lines)
    await lines.begin()
    [line] = (await lines.plan()).lines
    intent = intent_of(line, await lines.facts(), await lines.request())

    assert (line.attempt, intent.key != lines.refund(1, 4000).key) == (2, True)
    _, claim = await stores.ledger.claim(intent)
    assert claim.outcome.state is EffectState.SENDING
    await stores.ledger.settle_alone(intent, REJECTED)
    # The approval has let this charge out once.
    [line] = (await lines.plan()).lines
    again = intent_of(line, await lines.facts(), await lines.request())
    _, claim = await stores.ledger.claim(again)
    assert (line.attempt, claim.outcome.code) == (3, "not_approved")
