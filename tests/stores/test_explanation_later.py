"""Explanations of branches, and of what was known at an earlier moment."""

from collections.abc import AsyncGenerator
from datetime import timedelta

import pytest
from temporalio.client import Client

from cases.approvals import Verdict
from cases.effects import EffectState, Outcome
from cases.explanation import NotYetOnRecord, explain
from cases.ids import MAIN
from starters.session import Session
from stores.explanation import PostgresExplanation, moment_of
from tests.activities.promotions import carried_out, task_of
from tests.activities.test_promotion import Scene
from tests.branches.lines import branch_off
from tests.conftest import SmallWorld
from tests.stores.explained import Walk, told
from tests.stores.lives import cancelled, waiting
from tests.workflows.doors import Doors
from tests.workflows.plays import Play, worker_with_doors
from tests.workflows.scenes import approved, refunded
from tests.workflows.support import decided, finish
from workers.composition import Gateways, Stores, shipped_policy


@pytest.fixture(scope="module")
async def doors(session: Session, gateways: Gateways) -> AsyncGenerator[Doors]:
    async with worker_with_doors(session, gateways) as guarded:
        yield guarded


@pytest.mark.parametrize(
    ("edits", "mode"),
    [
        ([], "adopted"),
        (["policy.amount=40.00"], "conflict"),
        (["policy.decision=no_action"], None),
    ],
)
async def test_a_branch_is_explained_with_what_it_comes_from_and_what_was_really_done(
    edits: list[str], mode: str | None, session: Session, doors: Doors
) -> None:
    world = Play(session, doors).world
    await refunded(world)
    then = (await world.state()).section_versions["policy"]
    branch, handle = await branch_off(world, then, edits)
    await finish(handle)

    explanation = await told(session.stores, f"case_{world.number}", branch)
    await Walk(session.stores, explanation).all()
    refunds = [effect for effect in explanation.effects if effect.kind == "refund"]
    assert [effect.mode for effect in refunds] == ([mode] if mode else [])
    places = [decision.checkpoint_id for decision in explanation.decisions]
    assert f"main.{then}" in places
    assert f"{branch}.{then + 2}" in places
    assert explanation.parent_checkpoint_id == f"main.{then}"
    assert (explanation.forked_by, explanation.branch) == ("kim", branch)
    if mode == "conflict":
        assert refunds[0].differs["amount"].model_dump() == {
            "wanted": "40.00 USD",
            "done": "49.99 USD",
        }
        assert refunds[0].ordered_by == f"{branch}.{then + 1}"
        [edited] = [
            one for one in explanation.decisions if one.checkpoint_id == refunds[0].ordered_by
        ]
        assert edited.who == "kim"


async def test_a_branch_of_a_finished_case_inherits_what_was_done_and_by_whose_order(
    session: Session, doors: Doors
) -> None:
    world = Play(session, doors).world
    await refunded(world)
    last = (await world.state()).version
    branch, _ = await branch_off(world, last, [])
    main = await told(session.stores, f"case_{world.number}")
    explanation = await told(session.stores, f"case_{world.number}", branch)
    await Walk(session.stores, explanation).effects()
    assert explanation.gaps == ()
    ordered = {effect.key: effect.ordered_by for effect in main.effects}
    inherited = {effect.key: effect.ordered_by for effect in explanation.effects}
    assert inherited.items() <= ordered.items()
    assert {effect.kind for effect in explanation.effects} >= {"refund", "reset_mail"}


async def test_as_of_a_moment_it_says_what_it_said_then(session: Session, doors: Doors) -> None:
    play, stores = Play(session, doors), session.stores
    await waiting(play)
    live = await told(stores, play.case_id)
    facts = await PostgresExplanation(stores.pool, stores.keys).facts(play.case_id, MAIN)
    await decided(play.world, Verdict.APPROVED)
    await finish(play.handle)
    [refund] = [e for e in await stores.ledger.of_case(play.case_id, MAIN) if e.amount]
    paid = await told(stores, play.case_id)
    newest = (await PostgresExplanation(stores.pool, stores.keys).facts(play.case_id, MAIN)).newest
    failed = Outcome(state=EffectState.FAILED, receipt=refund.receipt, code="card closed")
    assert await stores.ledger.resolve(refund.key, failed, "reconciler")

    later = await PostgresExplanation(stores.pool, stores.keys).facts(play.case_id, MAIN)
    for before, moment in ((live, facts.newest), (paid, newest)):
        again = explain(later, shipped_policy(), moment)
        assert again.model_copy(update={"as_of": None}) == before
    with pytest.raises(NotYetOnRecord):
        explain(later, shipped_policy(), facts.case.opened_at - timedelta(seconds=1))


async def test_as_of_a_checkpoint_it_holds_the_decisions_up_to_it(
    session: Session, doors: Doors
) -> None:
    play, stores = Play(session, doors), session.stores
    await cancelled(play)
    facts = await PostgresExplanation(stores.pool, stores.keys).facts(play.case_id, MAIN)
    whole = explain(facts, shipped_policy())
    last = await stores.cases.load(play.case_id, MAIN)
    for version in range(1, last.version + 1):
        then = explain(facts, shipped_policy(), moment_of(facts, version))
        state = await stores.cases.load(play.case_id, MAIN, at=version)
        assert then.decisions == tuple(d for d in whole.decisions if d.version <= version)
        assert (then.status, then.checkpoint_id) == (state.status, state.checkpoint_id)
        assert {effect.key for effect in then.effects} <= {effect.key for effect in whole.effects}
        assert then.gaps == ()
    assert [undo.state for undo in whole.compensations] == ["done", "done"]


async def test_a_branch_of_a_branch_inherits_what_that_only_wanted(
    session: Session, doors: Doors
) -> None:
    world = Play(session, doors).world
    await refunded(world)
    case_id = f"case_{world.number}"
    policy = (await world.state()).section_versions["policy"]
    first, handle = await branch_off(world, policy, ["policy.amount=40.00"])
    await finish(handle)
    last = await session.stores.cases.load(case_id, first)
    second, _ = await branch_off(world, last.version, [], parent=first)

    wanted = await told(session.stores, case_id, first)
    explanation = await told(session.stores, case_id, second)
    await Walk(session.stores, explanation).all()
    [before], [refund] = (
        [effect for effect in one.effects if effect.kind == "refund"]
        for one in (wanted, explanation)
    )
    assert (refund.mode, refund.state) == ("conflict", "simulated")
    assert refund.ordered_by == before.ordered_by == f"{first}.{policy + 1}"
    assert {event.audit.branch for event in before.history} == {MAIN, first}
    assert {event.audit.branch for event in refund.history} == {MAIN, first, second}


async def test_a_branch_names_the_approval_that_really_let_its_refund_out(
    session: Session, doors: Doors
) -> None:
    world = Play(session, doors).world
    await approved(world)
    version = (await world.state()).completed_steps.index("approval_request:1") + 1
    branch, handle = await branch_off(world, version, [])
    await finish(handle)
    main = await told(session.stores, f"case_{world.number}")
    explanation = await told(session.stores, f"case_{world.number}", branch)
    await Walk(session.stores, explanation).all()
    [request], [same] = main.approvals, explanation.approvals
    [refund] = [effect for effect in explanation.effects if effect.kind == "refund"]
    assert (refund.mode, refund.approval_id, refund.limit) == ("adopted", request.approval_id, None)
    assert (same.state, same.decided_by, same.votes) == ("approved", ("lead",), request.votes)


async def test_other_words_of_the_customer_on_a_branch_are_no_second_message(
    session: Session, doors: Doors
) -> None:
    world = Play(session, doors).world
    await refunded(world)
    words = "request.text=I was charged twice for one order, please help."
    branch, handle = await branch_off(world, 1, [words])
    await finish(handle)
    explanation = await told(session.stores, f"case_{world.number}", branch)
    await Walk(session.stores, explanation).all()
    assert {one.saw.messages for one in explanation.decisions if one.saw} == {1}


async def test_what_a_promotion_paid_names_its_branch_its_approval_and_its_step(
    world: SmallWorld, gateways: Gateways, client: Client, stores: Stores
) -> None:
    scene = Scene(world, gateways, client)
    lines = await scene.begin({1: 4000}, {1: 4999})
    await carried_out(scene.activities(), await task_of(lines))
    explanation = await told(stores, lines.case_id)
    walk = Walk(stores, explanation)
    await walk.audit()
    [request] = explanation.approvals
    await walk.approval(request)
    [correction] = [one for one in explanation.effects if one.kind == "correction"]
    assert (correction.promotes, request.promotes) == (lines.branch, lines.branch)
    assert correction.approval_id == request.approval_id
    assert correction.approval_digest == request.digest
    assert set(request.consumed_by) == {correction.key, f"promotion:{lines.branch}"}
    await walk.checkpoint(correction.ordered_by)
    await walk.checkpoint(correction.recorded_in, f"promotion:{lines.branch}")
    assert correction.state == "succeeded"
    [original] = [one for one in explanation.effects if one.kind == "refund"]
    # The scene pays without any policy, and just that is what is missing.
    assert explanation.gaps == (f"refund {original.key}: nothing on record ordered it",)

    branch = await told(stores, lines.case_id, lines.branch)
    assert "promoted" in {event.event for event in branch.events}
    await Walk(stores, branch).audit()
