"""The audit trail: one row per thing that happened, append-only, and tampering is found."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from cases.effects import EffectState, Outcome
from cases.errors import CaseNotFound
from cases.ids import MAIN
from cases.state import Message
from stores.postgres import Pool
from tests.stores.support import (
    HARD_VALUES,
    ProbeSection,
    commit,
    events,
    intent,
    opened,
    order,
    other,
    probe,
    refund_step,
    step,
)
from workers.composition import Stores

SUCCEEDED = Outcome(state=EffectState.SUCCEEDED, receipt="re_1")


@asynccontextmanager
async def _unprotected(pool: Pool, table: str) -> AsyncGenerator[None]:
    """What only a superuser or the table's owner can do."""
    await pool.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    try:
        yield
    finally:
        await pool.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


async def _some_steps(stores: Stores, case_id: str) -> None:
    state = await opened(stores, case_id)
    for n in range(1, 5):
        update = probe(n, name=f"probe:{n}").model_copy(update={"reason": f"because {n}"})
        done = await commit(stores.cases, state, update)
        state = state.after(update, done.version)


async def test_everything_that_happens_leaves_exactly_one_row(
    stores: Stores, case_id: str, number: str
) -> None:
    state = await opened(stores, case_id)
    more = Message(message_id="m2", text="more", received_at=state.messages[0].received_at)
    await commit(stores.cases, state, probe(1), other(1))
    await commit(stores.cases, state, probe(1), other(1))  # a repeat
    await commit(stores.cases, state, step("message:m2", owner="intake", messages=(more,)))
    await commit(stores.cases, state, step("nothing", owner="intake"))
    refund = intent(state, order(number))
    await stores.ledger.claim(refund)
    await stores.ledger.claim(refund)  # a repeat
    update = refund_step(order(number), SUCCEEDED)
    await stores.ledger.settle(refund, SUCCEEDED, update, {"refund": 0})
    await stores.ledger.settle(refund, SUCCEEDED, update, {"refund": 0})  # a repeat
    await stores.audit.note(case_id, MAIN, "ann", "looked", "why not")

    trail = await stores.audit.trail(case_id, MAIN)

    assert [(row.event, row.section or row.step) for row in trail] == [
        ("message_received", "open"),
        ("section_written", "probe"),
        ("section_written", "other_probe"),
        ("message_received", "message:m2"),
        ("step_done", "nothing"),
        ("effect_claimed", refund.key),
        ("effect_settled", refund.key),
        ("section_written", "refund"),
        ("looked", ""),
    ]
    assert [row.seq for row in trail] == list(range(1, 10))
    assert await stores.audit.verify(case_id, MAIN) == []


async def test_a_row_says_who_wrote_what_over_which_version_and_why(
    stores: Stores, case_id: str
) -> None:
    state = await opened(stores, case_id)
    first = probe({"a": 1}).model_copy(
        update={"reason": "found it", "provenance": {"model": "m1", "prompt_hash": "abc"}}
    )
    done = await commit(stores.cases, state, first)
    state = state.after(first, done.version)
    await commit(stores.cases, state, probe({"a": 2}, name="probe:2"))

    one, two = (await stores.audit.trail(case_id, MAIN))[1:]

    assert (one.actor, one.step, one.section, one.version) == ("prober", "probe:1", "probe", 2)
    assert one.detail == '{"model":"m1","prompt_hash":"abc","reason":"found it"}'
    assert (one.old_version, two.old_version) == (None, 2)
    assert [row.value["content"] for row in (one, two)] == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize("table", ["case_audit", "sections"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {} SET version = 1",
        "DELETE FROM {}",
        "TRUNCATE {}",
        "TRUNCATE cases CASCADE",
        "DELETE FROM {} WHERE false",
    ],
)
async def test_rows_can_only_be_added(
    stores: Stores, case_id: str, table: str, statement: str
) -> None:
    await _some_steps(stores, case_id)

    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
        await stores.pool.execute(statement.format(table))
    assert await stores.audit.verify(case_id, MAIN) == []


@pytest.mark.parametrize(
    ("table", "tampering", "finding"),
    [
        ("case_audit", "UPDATE case_audit SET detail = '{}' WHERE case_id = $1 AND seq = 3", 3),
        ("case_audit", "UPDATE case_audit SET actor = 'ann' WHERE case_id = $1 AND seq = 2", 2),
        ("case_audit", "UPDATE case_audit SET old_version = 1 WHERE case_id = $1 AND seq = 4", 4),
        (
            "case_audit",
            "UPDATE case_audit SET at = at + interval '1 us' WHERE case_id = $1 AND seq = 2",
            2,
        ),
        (
            "sections",
            "UPDATE sections SET body = body || $$ $$ WHERE case_id = $1 AND version = 4",
            4,
        ),
        ("sections", "DELETE FROM sections WHERE case_id = $1 AND version = 3", 3),
        ("messages", "UPDATE messages SET body = 'I paid once.' WHERE case_id = $1", 1),
        ("messages", "DELETE FROM messages WHERE case_id = $1", 1),
        ("case_audit", "DELETE FROM case_audit WHERE case_id = $1 AND seq = 3", 4),
    ],
)
async def test_a_change_is_found_and_its_row_is_named(
    stores: Stores, case_id: str, table: str, tampering: str, finding: int
) -> None:
    await _some_steps(stores, case_id)
    async with _unprotected(stores.pool, table):
        assert await stores.pool.execute(tampering, case_id) in ("UPDATE 1", "DELETE 1")

    findings = await stores.audit.verify(case_id, MAIN)

    assert len(findings) == 1
    assert findings[0].startswith(f"case {case_id}, row {finding}: ")


async def test_swapped_rows_are_found(stores: Stores, case_id: str) -> None:
    await _some_steps(stores, case_id)
    async with _unprotected(stores.pool, "case_audit"):
        for old, new in ((3, 99), (4, 3), (99, 4)):
            swap = "UPDATE case_audit SET seq = $3 WHERE case_id = $1 AND seq = $2"
            await stores.pool.execute(swap, case_id, old, new)

    findings = await stores.audit.verify(case_id, MAIN)

    for row in (3, 4):
        assert f"case {case_id}, row {row}: was changed" in findings
        assert f"case {case_id}, row {row}: does not follow the row before it" in findings


async def test_a_row_with_a_recomputed_hash_still_breaks_the_chain(
    stores: Stores, case_id: str
) -> None:
    await _some_steps(stores, case_id)
    async with _unprotected(stores.pool, "case_audit"):
        await stores.pool.execute(
            "UPDATE case_audit SET detail = 'x', hash = chain_hash(prev_hash, case_id, branch, "
            "seq::text, version::text, (extract(epoch FROM at) * 1000000)::bigint::text, actor, "
            "event, step, section, old_version::text, encode(body_hash, 'hex'), 'x') "
            "WHERE case_id = $1 AND seq = 3",
            case_id,
        )

    said = f"case {case_id}, row 4: does not follow the row before it"
    assert await stores.audit.verify(case_id, MAIN) == [said]


@pytest.mark.parametrize("kept", [4, 1, 0])
async def test_a_cut_tail_is_found(stores: Stores, case_id: str, kept: int) -> None:
    await _some_steps(stores, case_id)
    async with _unprotected(stores.pool, "case_audit"):
        cut = "DELETE FROM case_audit WHERE case_id = $1 AND seq > $2"
        await stores.pool.execute(cut, case_id, kept)

    findings = await stores.audit.verify(case_id, MAIN)

    assert f"case {case_id}: the trail does not end where the case says" in findings


async def test_a_value_put_in_beside_the_trail_is_found(stores: Stores, case_id: str) -> None:
    await _some_steps(stores, case_id)
    insert = "INSERT INTO sections VALUES ($1, 'main', 'other_probe', 2, 'other_prober', '{}')"
    await stores.pool.execute(insert, case_id)

    findings = await stores.audit.verify(case_id, MAIN)

    assert findings == [f"case {case_id}: 5 sections, but only 4 on record"]


async def test_the_trail_of_an_unknown_case_is_not_found(stores: Stores) -> None:
    for call in (stores.audit.trail("case_no", MAIN), stores.audit.verify("case_no", MAIN)):
        with pytest.raises(CaseNotFound):
            await call


async def test_python_and_the_database_agree_on_every_hash(stores: Stores, case_id: str) -> None:
    state = await opened(stores, case_id)
    for n, value in enumerate(HARD_VALUES.values()):
        words = f"{value} \U0010ffff \u0085 \u2028"
        update = step(
            f"probe:{n} {words.replace(chr(0), '')}",
            ProbeSection(content=value),
            reason=words,
            provenance={"rule 🧾": words},
        )
        done = await commit(stores.cases, state, update)
        state = state.after(update, done.version)
        await stores.audit.note(case_id, MAIN, "Zoë 🦊", "décidé", words)

    assert await stores.audit.verify(case_id, MAIN) == []
    assert len(await events(stores, case_id)) == 1 + 2 * len(HARD_VALUES)


async def test_a_case_that_is_written_to_while_it_is_verified_is_no_finding(
    stores: Stores, case_id: str
) -> None:
    state = await opened(stores, case_id)
    for n in range(30):
        expected = state.expected("probe")
        update = probe(n, name=f"probe:{n}")
        commits = stores.cases.commit(case_id, MAIN, [update], expected)
        verifies = stores.audit.verify(case_id, MAIN)
        done, *findings = await asyncio.gather(
            commits, verifies, stores.audit.verify(case_id, MAIN)
        )
        assert findings == [[], []]
        state = state.after(update, done.version)
