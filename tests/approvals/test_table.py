"""The table of what can go wrong with an approval, line by line: each has its test."""

import importlib
import json
from typing import Any

import asyncpg
import pytest

from cases.approvals import ApprovalState, Verdict, VoidRequest
from cases.effects import EffectState, Outcome
from cases.errors import AlreadyDecided, ApprovalNotFound, CaseClosed, StaleRequest
from cases.ids import MAIN
from cases.state import CaseStatus
from stores.approvers import token_hash
from stores.queries import query
from tests.approvals.support import NOT_APPROVED, Desk
from tests.stores.support import commit, intent, opened, request, step, usd
from workers.composition import Stores

#: Where a line's tests are, if not here; `tests.` stands before each.
ELSEWHERE = {
    "signal lost": "workflows.test_deliver.test_a_decision_whose_signal_was_lost_reaches_its_case",
    "signal lost, Temporal killed": "e2e.test_lost_signal."
    "test_a_decision_that_temporal_did_not_hear_of_reaches_its_case_within_a_minute",
    "no worker up": "starters.test_approvals.test_a_decision_needs_no_worker",
    "concurrent": "stores.test_decisions."
    "test_of_deciders_at_once_one_wins_and_the_others_are_told_who",
    "concurrent, two needed": "approvals.test_four_eyes."
    "test_of_eight_people_at_once_two_decide_and_six_are_told_so",
    "early": "starters.test_approvals.test_an_early_decision_is_refused_and_on_record",
    "unknown id": "starters.test_approvals.test_a_decision_about_an_unknown_case_is_not_found",
    "wrong person": "approvals.test_wrong_person.test_the_wrong_person_neither_approves_nor_denies",
    "over their own limit": "approvals.test_wrong_person."
    "test_nobody_approves_above_their_own_limit_and_that_is_on_record",
    "checked again at the claim": "approvals.test_four_eyes."
    "test_between_decision_and_claim_either_of_both_can_lose_it",
    "forged signal": "workflows.test_approval."
    "test_a_forged_approval_pays_nothing_leaves_a_trace_and_the_case_still_waits",
    "scanner, stolen session": "starters.test_approvals.test_nothing_but_a_token_decides",
    "approves blindly": "starters.test_approvals."
    "test_the_inbox_shows_the_providers_facts_and_no_word_of_customer_or_model",
}


@pytest.mark.parametrize("line", ELSEWHERE)
def test_every_line_has_its_test(line: str) -> None:
    module, _, name = ELSEWHERE[line].rpartition(".")
    assert callable(getattr(importlib.import_module(f"tests.{module}"), name))


async def test_a_decision_that_is_made_again_is_told_that_it_stands(desk: Desk) -> None:
    ana = await desk.approver("ana")
    await desk.say(ana)

    with pytest.raises(AlreadyDecided, match=f"approved by {desk.name('ana')}"):
        await desk.say(ana)
    assert len(await desk.refusals()) == 1
    assert await desk.told() == 1


@pytest.mark.parametrize("first", list(Verdict))
async def test_a_contradicting_decision_names_the_winner_and_changes_nothing(
    desk: Desk, first: Verdict
) -> None:
    await desk.say(await desk.approver("ana"), first)
    second = Verdict.DENIED if first is Verdict.APPROVED else Verdict.APPROVED

    with pytest.raises(AlreadyDecided, match=f"{first} by {desk.name('ana')}"):
        await desk.say(await desk.approver("bo"), second)

    assert (await desk.row()).state.value == first.value
    [refusal] = await desk.refusals()
    assert refusal.startswith(f"{desk.name('bo')}: ")
    assert f"already {first} by {desk.name('ana')}" in refusal


async def test_a_request_that_was_never_made_cannot_be_decided(desk: Desk) -> None:
    unknown = (await desk.row()).model_copy(update={"approval_id": "apr_none"})

    with pytest.raises(ApprovalNotFound):
        await desk.stores.approvals.decide(
            await desk.state(), unknown, await desk.approver(), Verdict.APPROVED, ""
        )
    with pytest.raises(asyncpg.PostgresError) as refused:
        await desk.stores.pool.fetchrow(
            query("decide_approval"), "apr_none", b"", "approved", "", 2, "[]", []
        )
    assert refused.value.sqlstate == "CK401"


async def test_a_decision_about_a_closed_case_is_refused_and_on_record(desk: Desk) -> None:
    """Its request was withdrawn when it closed; even one that was forgotten is of no use."""
    closing = step("end", status=CaseStatus.MANUAL_REVIEW)
    await commit(desk.stores.cases, await desk.state(), closing)

    with pytest.raises(CaseClosed):
        await desk.say(await desk.approver("ana"))
    assert (await desk.row()).state is ApprovalState.PENDING
    assert await desk.refusals() == [
        f"{desk.name('ana')}: Case {desk.case_id} is closed (manual_review)."
    ]


@pytest.mark.parametrize("verdict", list(Verdict))
async def test_an_expired_request_is_refused_on_record_and_lets_nothing_out(
    two: Desk, verdict: Verdict
) -> None:
    await two.say(await two.approver("ana"))
    await two.expire()
    with pytest.raises(StaleRequest, match="has expired"):
        await two.say(await two.approver("bo"), verdict)
    assert len(await two.refusals()) == 1

    end = await two.stores.approvals.close(
        await two.state(), two.request.approval_id, ApprovalState.EXPIRED
    )
    section = await two.section()
    assert end is ApprovalState.EXPIRED
    assert (section.state, section.decided_by) == (ApprovalState.EXPIRED, ())
    with pytest.raises(StaleRequest, match="has expired"):
        await two.say(await two.approver("cy"), verdict)
    assert await two.claim() == NOT_APPROVED
    assert await two.told() == 0


CHANGES: dict[str, dict[str, Any]] = {
    "amount": {"orders": "amount"},
    "charge": {"orders": "charge"},
    "currency": {"orders": "currency"},
    "attempt": {"orders": "attempt"},
    "policy": {"policy": (2, "above_limit")},
    "findings": {"evidence": "e2"},
    "people": {"needed": 2},
}


def _changed(desk: Desk, what: str) -> dict[str, Any]:
    orders = {
        "amount": desk.refund(amount=usd(60_001)),
        "charge": desk.refund(charge_id=f"ch_{desk.number}_other"),
        "currency": desk.refund(amount=usd(60_000).model_copy(update={"currency": "EUR"})),
        "attempt": desk.refund(attempt=2),
    }
    return {"orders": (orders[what],)} if what in orders else CHANGES[what]


@pytest.mark.parametrize("what", CHANGES)
@pytest.mark.parametrize("approved_before", [False, True])
async def test_what_changes_after_the_request_voids_it_and_a_new_one_is_made(
    desk: Desk, what: str, approved_before: bool
) -> None:
    if approved_before:
        await desk.say(await desk.approver("ana"))
    asked = desk.ask(**_changed(desk, what))
    assert asked.digest != desk.request.digest
    await desk.put(asked, "approval_request:2")

    new = await desk.stores.approvals.newest_of(desk.case_id, MAIN)
    assert (new.approval_id, new.state, new.approved_by) == (asked.approval_id, "pending", ())
    assert (await desk.row()).state is ApprovalState.VOID
    assert await desk.details("approval_voided") == [desk.request.approval_id]
    with pytest.raises(VoidRequest, match="is void"):
        await desk.say(await desk.approver("bo"))
    assert len(await desk.refusals()) == 1
    assert await desk.claim() == NOT_APPROVED
    assert await desk.details("effect_refused") == ["not_approved"]


async def test_an_approved_request_that_was_voided_must_be_approved_again(desk: Desk) -> None:
    ana = await desk.approver("ana")
    await desk.say(ana)
    await desk.put(desk.ask(evidence="e2"), "approval_request:2")
    await desk.put(desk.request, "approval_request:3")
    assert await desk.claim() == NOT_APPROVED

    await desk.say(ana)

    section, row = await desk.section(), await desk.row()
    assert (section.state, row.state, row.asked) == ("approved", ApprovalState.APPROVED, 2)
    assert (await desk.state()).completed_steps[-1] == f"approval:{row.approval_id}.2:approved"
    assert await desk.told() == 2
    assert (await desk.claim()).state is EffectState.SENDING


async def test_a_request_can_be_withdrawn_as_often_as_it_was_asked(desk: Desk) -> None:
    for n in (2, 3):
        end = await desk.stores.approvals.close(
            await desk.state(), desk.request.approval_id, ApprovalState.VOID
        )
        assert end is ApprovalState.VOID
        assert (await desk.section()).state is ApprovalState.VOID
        await desk.put(desk.request, f"approval_request:{n}")
        assert (await desk.section()).state is ApprovalState.PENDING


async def test_an_approval_is_used_by_one_key_and_another_finds_nothing(desk: Desk) -> None:
    await desk.say(await desk.approver("ana"))
    first = await desk.claim()
    assert first.state is EffectState.SENDING
    used_by = (await desk.row()).consumed_by
    assert len(used_by) == 1

    assert await desk.claim() == first  # a reset, a retry: the same key
    free = "UPDATE effects SET charge_id = 'free-' || key, duplicate_group = 'free-' || key "
    await desk.owner.execute(free + "WHERE case_id = $1", desk.case_id)
    assert await desk.claim(key=f"rf1_copied_{desk.number}") == NOT_APPROVED
    assert (await desk.row()).consumed_by == used_by


async def test_an_approval_of_another_case_branch_or_customer_lets_nothing_out(
    desk: Desk, stores: Stores
) -> None:
    await desk.say(await desk.approver("ana"))
    bound = {
        "approval_id": desk.request.approval_id,
        "approval_digest": desk.request.digest,
        "limit_minor": None,
    }
    other = await opened(stores, f"{desk.case_id}-b", desk.customer_id)
    await stores.cases.open(desk.case_id, "what-if", desk.customer_id, request())
    branch = await stores.cases.load(desk.case_id, "what-if")

    for state in (other, branch):
        _, claim = await stores.ledger.claim(intent(state, desk.refund(), **bound))
        assert claim.outcome == NOT_APPROVED
    assert await desk.claim(approval_digest=desk.ask(evidence="e2").digest) == NOT_APPROVED
    refused = await desk.claim(customer_id="cus_other")
    assert refused == Outcome(state=EffectState.REFUSED, code="other_customer")
    assert (await desk.row()).consumed_by == ()


async def test_without_a_token_not_even_the_role_that_runs_cases_approves(
    two: Desk, stores: Stores
) -> None:
    """Whoever took over a worker can call its functions: none of them approves."""
    forged = (await two.section()).model_copy(
        update={"state": ApprovalState.APPROVED, "decided_by": (two.name("ana"),)}
    )
    await commit(stores.cases, await two.state(), step("approval:forged", forged))
    assert await two.claim() == NOT_APPROVED

    for state in ("approved", "denied", "pending"):
        with pytest.raises(asyncpg.PostgresError, match="nobody decides this way"):
            await stores.pool.fetchrow(
                query("close_approval"), two.request.approval_id, state, 2, "[]", []
            )
    await two.owner.execute(
        "UPDATE approvals SET state = 'approved', decided_by = $2 WHERE approval_id = $1",
        two.request.approval_id,
        await _named(two, "ana"),
    )
    assert await two.claim() == NOT_APPROVED  # a row that was tampered with has no votes


async def _named(case: Desk, short: str) -> str:
    await case.approver(short)
    return case.name(short)


async def test_a_step_that_was_made_from_other_votes_is_not_committed(
    stores: Stores, two: Desk
) -> None:
    """A worker that says "approved" where the votes say otherwise gets nowhere."""
    token = await two.approver("ana")
    section = (await two.section()).model_copy(update={"state": ApprovalState.APPROVED})
    body = section.model_dump_json().encode()
    version = (await two.state()).section_versions["approval"]
    update = {
        "step": f"approval:{two.request.approval_id}:approved",
        "owner": "approval",
        "detail": "{}",
        "sections": [{"name": "approval", "owner": "approval", "expected": version, "body": 1}],
    }

    with pytest.raises(asyncpg.PostgresError, match="made from other votes"):
        await stores.pool.fetchrow(
            query("decide_approval"), two.request.approval_id, token_hash(token), "approved", "",
            2, json.dumps([update]), [body],
        )  # fmt: skip
    assert await two.votes() == []
    assert (await two.section()).state is ApprovalState.PENDING
