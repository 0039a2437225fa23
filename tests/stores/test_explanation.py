"""Explanations of cases of all kinds: every reference leads somewhere, and nothing is left out."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from cases.billing import RefundOrder
from cases.effects import EffectState, Outcome
from cases.explanation import explain
from cases.ids import MAIN
from cases.policy import Decision, PolicySection
from cases.sections import scratch_of
from cases.state import Message, StepUpdate, message_step
from cases.understanding import UnderstandingSection
from runtime.servers import Servers
from starters.session import Session
from stores.explanation import PostgresExplanation
from stores.postgres import Pool
from tests.approvals.support import Desk
from tests.stores.explained import Walk, told
from tests.stores.lives import KINDS
from tests.stores.recorded import copy_of, filled
from tests.stores.support import (
    commit,
    intent,
    opened,
    order,
    own_database,
    probe,
    refund_step,
    step,
)
from tests.workflows.doors import Doors
from tests.workflows.plays import Play, worker_with_doors
from workers.composition import Gateways, Stores, customer_keys, shipped_policy


@pytest.fixture(scope="module")
async def doors(session: Session, gateways: Gateways) -> AsyncGenerator[Doors]:
    async with worker_with_doors(session, gateways) as guarded:
        yield guarded


def _policy(one: RefundOrder, saw: str) -> StepUpdate:
    """The policy's decision to pay an order."""
    section = PolicySection(
        decision=Decision.REFUND,
        rule="proven_duplicate",
        reason="because",
        policy_version=shipped_policy().version,
        amount=one.amount,
        orders=(one,),
    )
    return step("policy:1", section, provenance={"saw": saw})


@pytest.mark.parametrize("kind", KINDS)
async def test_every_reference_leads_to_its_row_and_no_row_is_left_out(
    kind: str, session: Session, doors: Doors
) -> None:
    play = Play(session, doors)
    await KINDS[kind](play)
    explanation = await told(session.stores, play.case_id)
    assert explanation.effects
    await Walk(session.stores, explanation).all()


async def test_what_two_people_approved_names_both_and_what_they_let_out(
    stores: Stores, owner: Pool, case_id: str, number: str
) -> None:
    desk = await Desk(stores, owner, case_id, number).opened()
    await desk.say(await desk.approver("ann"))
    waits = await told(stores, case_id)
    await desk.say(await desk.approver("bob"))
    await stores.cases.commit(case_id, MAIN, [_policy(desk.refund(), saw="4")], {})
    await desk.claim()
    explanation = await told(stores, case_id)
    await Walk(stores, explanation).all()
    [request], [effect] = explanation.approvals, explanation.effects
    names = (desk.name("ann"), desk.name("bob"))
    assert (waits.approvals[0].state, waits.approvals[0].decided_by) == ("pending", names[:1])
    assert (request.state, request.decided_by, request.needed) == ("approved", names, 2)
    assert tuple(vote.who for vote in request.votes) == names
    assert request.consumed_by == (effect.key,)
    assert (effect.state, effect.receipt, effect.settled_at) == ("sending", None, None)


async def test_a_case_with_many_messages_and_long_notes_is_explained_to_its_first_step(
    stores: Stores, case_id: str, number: str
) -> None:
    state = await opened(stores, case_id)
    for place in range(2, 64):
        more = Message(message_id=f"m{place}", text=f"word {place}", received_at=datetime.now(UTC))
        await stores.cases.commit(case_id, MAIN, [message_step(more)], {})
    notes = scratch_of("understanding")(text="thinking " * 700)
    read = step(
        "understanding:1", UnderstandingSection(messages_read=63), notes, provenance={"saw": "63"}
    )
    await stores.cases.commit(case_id, MAIN, [read], {})
    await stores.cases.commit(case_id, MAIN, [_policy(order(number), saw="64")], {})
    refund = intent(state, order(number))
    await stores.ledger.claim(refund)
    outcome = Outcome(state=EffectState.REJECTED, code="disputed")
    await stores.ledger.settle(refund, outcome, refund_step(order(number), outcome), {})

    explanation = await told(stores, case_id)
    await Walk(stores, explanation).all()
    understood, ordered, _ = explanation.decisions
    assert understood.saw
    assert ordered.saw
    assert (understood.saw.messages, understood.saw.messages_pruned) == (63, 13)
    assert ordered.saw.sections == {"understanding": 64}  # the notes are the other agent's
    [kept] = [one for one in understood.wrote if one.archived]
    assert (kept.section, kept.value) == ("understanding.scratch", None)
    assert explanation.effects[0].ordered_by == "main.65"


async def test_it_takes_four_round_trips_however_long_the_case_is(
    servers: Servers, stores: Stores, case_id: str
) -> None:
    state = await opened(stores, case_id)
    for number in range(1, 40):
        done = await commit(stores.cases, state, probe(number, name=f"prober:{number}"))
        state = state.after(probe(number, name=f"prober:{number}"), done.version)
    asked: list[str] = []

    def note(query: Any) -> None:
        asked.append(query.query)

    async def count(connection: Any) -> None:
        connection.add_query_logger(note)

    async with asyncpg.create_pool(servers.database_url, init=count, min_size=1) as pool:
        keys = customer_keys(pool, servers)
        facts = await PostgresExplanation(pool, keys).facts(case_id, MAIN)
    assert len(explain(facts, shipped_policy()).decisions) == 39
    ours = [query for query in asked if "pg_advisory_unlock_all" not in query]
    # And one for the keys, of a process that has not seen the case before.
    assert len(ours) == 4 + 1


async def test_a_section_that_was_changed_in_its_table_is_a_gap_and_the_rest_is_told(
    servers: Servers, tmp_path: Path
) -> None:
    async with (
        own_database(servers, "explained") as dsn,
        filled(dsn),
        copy_of(dsn, "explained_copy", tmp_path) as copied,
    ):
        await copied.tamper(
            "UPDATE sections SET body = set_byte(body, 45, 55) "
            "WHERE case_id = 'case_1' AND version = 3",
            "UPDATE sections SET encoding = 'zlib' WHERE case_id = 'case_1' AND version = 4",
            "DELETE FROM checkpoints WHERE case_id = 'case_1' AND version = 5",
        )
        facts = await PostgresExplanation(copied.pool).facts("case_1", MAIN)
        explanation = explain(facts, shipped_policy())
        assert explanation.gaps[:3] == (
            "main.3: the value of probe was changed or is gone",
            "main.4: the value of probe was changed or is gone",
            "main.5: the checkpoint of probe:4 is gone",
        )
        assert len(explanation.decisions) == 5
