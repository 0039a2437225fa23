"""The audit trail: one row per thing that happened, and rows are only added."""

import asyncio

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

    trail = (await stores.audit.trail(case_id, MAIN))[::-1]

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


async def test_a_note_with_a_key_is_on_record_once(stores: Stores, case_id: str) -> None:
    await opened(stores, case_id)

    for key in ("run/1", "run/1", "run/2", "", ""):
        await stores.audit.note(case_id, MAIN, "ann", "looked", "why not", once=key)

    trail = await stores.audit.trail(case_id, MAIN)
    assert [row.step for row in trail if row.event == "looked"] == ["", "", "run/2", "run/1"]
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

    two, one, _ = await stores.audit.trail(case_id, MAIN)

    assert (one.actor, one.step, one.section, one.version) == ("prober", "probe:1", "probe", 2)
    assert one.detail == '{"model":"m1","prompt_hash":"abc","reason":"found it"}'
    assert (one.old_version, two.old_version) == (None, 2)
    assert [row.value["content"] for row in (one, two)] == [{"a": 1}, {"a": 2}]
    assert (one.old_value, two.old_value) == (None, one.value)


async def test_the_value_before_is_the_whole_one_whatever_was_written_in_between(
    stores: Stores, case_id: str
) -> None:
    state = await opened(stores, case_id)
    long = "x" * 600_000  # stored compressed
    for n, update in enumerate((probe(long), other(1), probe([], "probe:2"), other(2, "other:2"))):
        done = await commit(stores.cases, state, update)
        assert done.version == n + 2
        state = state.after(update, done.version)

    newest = await stores.audit.trail(case_id, MAIN)

    found = [(row.old_version, row.old_value and row.old_value["content"]) for row in newest]
    assert found == [(3, 1), (2, long), (None, None), (None, None), (None, None)]


async def test_the_trail_is_read_in_pages_from_the_newest_row_on(
    stores: Stores, case_id: str
) -> None:
    await _some_steps(stores, case_id)
    seqs: list[int] = []
    before: int | None = None
    for _ in range(3):
        page = await stores.audit.trail(case_id, MAIN, limit=2, before=before)
        seqs += [row.seq for row in page]
        before = page[-1].seq

    assert seqs == [5, 4, 3, 2, 1]
    assert await stores.audit.trail(case_id, MAIN, before=1) == []
    assert len(await stores.audit.trail(case_id, MAIN, before=2**70)) == 5


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
    stores: Stores, owner: Pool, case_id: str, table: str, statement: str
) -> None:
    await _some_steps(stores, case_id)

    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
        await owner.execute(statement.format(table))
    assert await stores.audit.verify(case_id, MAIN) == []


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
