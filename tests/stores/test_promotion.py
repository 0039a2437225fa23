"""Promotions on record: what they are planned from, and who must approve them."""

import pytest

from cases.approvals import ApprovalState, Verdict
from cases.errors import AlreadyDecided, CaseNotFound, Forbidden
from cases.ids import MAIN
from cases.promotion import PromotionRefused
from stores.postgres import Pool
from tests.stores.promotions import TwoLines, approved


async def test_the_plan_is_made_from_both_ledgers(lines: TwoLines) -> None:
    plan = await lines.plan()

    assert [(str(line.difference), line.action) for line in plan.lines] == [
        ("10.01 USD", "correct")
    ]
    with pytest.raises(CaseNotFound, match="on branch b9"):
        await lines.stores.promotions.facts(lines.case_id, "b9")
    with pytest.raises(CaseNotFound, match="There is no case nothing"):
        await lines.stores.promotions.facts("nothing", "b1")
    with pytest.raises(PromotionRefused, match="main is the main line"):
        await lines.stores.promotions.facts(lines.case_id, MAIN)


async def test_a_request_is_asked_once_and_changes_nothing_of_the_case(lines: TwoLines) -> None:
    before = await lines.state()
    assert await lines.ask() is await lines.ask() is ApprovalState.PENDING

    asked = await lines.request()
    assert (asked.rule, asked.promotes, asked.requested_by) == ("promotion", "b1", "kim")
    assert (str(asked.amount), asked.digest) == ("10.01 USD", (await lines.plan()).digest)
    assert [str(one.amount) for one in asked.orders] == ["10.01 USD"]
    assert await lines.audit("promotion_requested") == [("kim", f"b1 {asked.approval_id}")]
    assert await lines.state() == before
    assert await lines.chains_hold()


async def test_a_decision_is_an_audit_row_and_no_step_of_the_closed_case(lines: TwoLines) -> None:
    before = await lines.state()
    await approved(lines)

    asked = await lines.request()
    assert (asked.state, asked.approved_by) == ("approved", (f"ann-{lines.number}",))
    [(who, what)] = await lines.audit("promotion_decided")
    assert (who, what) == (f"ann-{lines.number}", f"b1 {asked.approval_id} approved because")
    assert await lines.state() == before
    with pytest.raises(AlreadyDecided):
        await lines.say(await lines.approver("bob"), Verdict.DENIED)
    assert await lines.chains_hold()


async def test_who_asked_for_a_promotion_does_not_approve_it(lines: TwoLines) -> None:
    await lines.ask(by=f"Kim-{lines.number}")

    with pytest.raises(Forbidden, match="asked for this promotion: another person must decide"):
        await lines.say(await lines.approver("kim"))
    with pytest.raises(Forbidden, match=r"10\.01 USD is above the limit"):
        await lines.say(await lines.approver("eve", 1000))
    with pytest.raises(Forbidden, match="own"):
        await lines.say(await lines.approver("sam", customer_id=(await lines.facts()).customer_id))
    assert (await lines.request()).state is ApprovalState.PENDING


async def test_two_people_must_approve_where_two_are_needed(lines: TwoLines) -> None:
    await lines.ask(needed=2)
    ann = await lines.approver("ann")
    await lines.say(ann)
    assert (await lines.request()).state is ApprovalState.PENDING
    with pytest.raises(Forbidden, match="approved it already"):
        await lines.say(ann)

    await lines.say(await lines.approver("bob"))
    assert (await lines.request()).state is ApprovalState.APPROVED


async def test_what_was_denied_is_refused_by_name_and_what_expired_is_asked_again(
    lines: TwoLines,
) -> None:
    await lines.ask()
    asked = await lines.request()
    promotions = lines.stores.promotions
    assert await promotions.close(asked.approval_id, ApprovalState.EXPIRED) == "expired"
    assert await lines.ask() is ApprovalState.PENDING
    assert (await lines.request()).asked == 2

    await lines.say(await lines.approver("ann"), Verdict.DENIED)
    with pytest.raises(PromotionRefused, match=f"was denied by ann-{lines.number}"):
        await lines.ask()
    assert await promotions.close(asked.approval_id, ApprovalState.VOID) == "denied"


async def test_a_request_about_another_plan_voids_the_one_before(
    lines: TwoLines, owner: Pool
) -> None:
    await lines.ask()
    first = await lines.request()
    await owner.execute("UPDATE effects SET state = 'failed' WHERE case_id = $1", lines.case_id)
    await lines.ask()

    assert (await lines.stores.approvals.read(first.approval_id)).state is ApprovalState.VOID
    assert str((await lines.request()).amount) == "60.00 USD"


async def test_only_one_branch_waits_for_a_decision_at_a_time(lines: TwoLines) -> None:
    await lines.ask()
    second = TwoLines(lines.stores, lines.case_id, lines.number, branch="b2")
    await second.fork({1: 5500})

    with pytest.raises(PromotionRefused, match=r"promotion of branch b1 of case .* waits"):
        await second.ask()
