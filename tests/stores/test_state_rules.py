"""What the durable record refuses, compresses, prunes and archives, whoever asks."""

import json
import os
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from cases.errors import CaseClosed, DamagedBody, ForeignWrite, InvalidInput
from cases.ids import MAIN
from cases.sections import scratch_of
from cases.sizes import COMPRESS_BYTES, KEPT_MESSAGES, Archived
from cases.state import CaseState, CaseStatus, Message
from stores.postgres import Pool, case_errors, fetch_row
from tests.stores.support import ProbeSection, commit, opened, other, probe, step
from workers.composition import Stores


@pytest.fixture
async def state(stores: Stores, case_id: str) -> CaseState:
    return await opened(stores, case_id)


async def test_a_closed_case_takes_no_further_step_but_answers_for_those_it_has(
    stores: Stores, state: CaseState
) -> None:
    closing = probe(1).model_copy(update={"status": CaseStatus.ANSWERED})
    await commit(stores.cases, state, closing)
    closed = await stores.cases.load(state.case_id, MAIN)

    with pytest.raises(CaseClosed, match=r"closed \(answered\)"):
        await commit(stores.cases, closed, other(1))
    repeat = await commit(stores.cases, state, closing)
    assert (repeat.version, repeat.repeated) == (2, True)
    assert await stores.cases.load(state.case_id, MAIN) == closed
    assert await stores.audit.verify(state.case_id, MAIN) == []


def _forged(name: str, owner: str, claimed: str) -> str:
    section = {"name": name, "owner": claimed, "expected": 0, "body": 1}
    return json.dumps([{"step": "f:1", "owner": owner, "detail": "", "sections": [section]}])


@pytest.mark.parametrize("claimed", ["account", "billing"])
async def test_the_database_knows_whose_a_section_is_before_anyone_has_written_it(
    stores: Stores, state: CaseState, claimed: str
) -> None:
    steps = _forged("billing", "account", claimed)
    with pytest.raises(ForeignWrite, match="account may not write section billing"):
        async with case_errors(state.case_id, MAIN):
            await fetch_row(stores.pool, "commit_steps", state.case_id, MAIN, 2, steps, [b"{}"])

    assert await stores.cases.load(state.case_id, MAIN) == state


async def test_a_section_that_nobody_registered_belongs_to_who_wrote_it_first_in_any_case(
    stores: Stores, state: CaseState, number: str
) -> None:
    async def write(case_id: str, owner: str) -> None:
        steps = _forged(f"new-{number}", owner, owner)
        async with case_errors(case_id, MAIN):
            await fetch_row(stores.pool, "commit_steps", case_id, MAIN, 2, steps, [b"{}"])

    await write(state.case_id, "first")
    second = await opened(stores, f"{state.case_id}-b")
    with pytest.raises(ForeignWrite, match="belongs to first"):
        await write(second.case_id, "second")
    await write(second.case_id, "first")


@pytest.mark.parametrize("size", [COMPRESS_BYTES - 50, COMPRESS_BYTES, 3_000_000])
async def test_a_large_body_is_stored_compressed_and_comes_back_as_it_was(
    stores: Stores, state: CaseState, size: int
) -> None:
    section = ProbeSection(content=(os.urandom(50).hex() * (size // 100 + 1))[: size - 40])
    bytes_before = len(section.model_dump_json().encode())
    await commit(stores.cases, state, step("probe:1", section))

    row: Any = await stores.pool.fetchrow(
        "SELECT encoding, bytes, octet_length(body) AS stored FROM sections WHERE case_id = $1",
        state.case_id,
    )
    assert row["bytes"] == bytes_before
    compressed = bytes_before >= COMPRESS_BYTES
    assert row["encoding"] == ("zlib" if compressed else "plain")
    assert (row["stored"] < bytes_before / 10) == compressed
    assert (await stores.cases.load(state.case_id, MAIN)).sections["probe"] == section
    [checkpoint] = (await stores.cases.history(state.case_id, MAIN))[1:]
    assert checkpoint.size == row["stored"]
    assert await stores.audit.verify(state.case_id, MAIN) == []


async def test_the_state_carries_the_last_messages_and_counts_the_others_at_every_version(
    stores: Stores, state: CaseState
) -> None:
    expected = [state]
    for n in range(2, KEPT_MESSAGES + 12):
        message = Message(message_id=f"m{n}", text=f"{n}", received_at=datetime.now(UTC))
        update = step(f"message:m{n}", owner="intake", messages=(message,))
        done = await commit(stores.cases, expected[-1], update)
        expected.append(expected[-1].after(update, done.version))

    now = await stores.cases.load(state.case_id, MAIN)
    assert (len(now.messages), now.messages_pruned) == (KEPT_MESSAGES, 11)
    assert now.request is None
    assert now.messages[-1].text == str(KEPT_MESSAGES + 11)
    for version in (1, 2, KEPT_MESSAGES - 1, KEPT_MESSAGES, KEPT_MESSAGES + 1, KEPT_MESSAGES + 11):
        loaded = await stores.cases.load(state.case_id, MAIN, at=version)
        assert loaded == expected[version - 1]
    kept = await stores.pool.fetchval(
        "SELECT count(*) FROM messages WHERE case_id = $1", state.case_id
    )
    assert kept == KEPT_MESSAGES + 11
    request = expected[0].messages[0]
    again = await stores.cases.open(state.case_id, MAIN, state.customer_id, request)
    assert again.repeated


async def _archived(stores: Stores, state: CaseState, text: str) -> Archived:
    await commit(stores.cases, state, step("notes:1", scratch_of("prober")(text=text)))
    notes = (await stores.cases.load(state.case_id, MAIN)).get(scratch_of("prober"))
    assert notes
    assert isinstance(notes.text, Archived)
    return notes.text


@pytest.mark.parametrize("text", ["é" * 2001, "שלום " * 200_000, "a\n\t\"'\\" * 600_000])
async def test_a_long_text_comes_back_from_the_archive_as_it_was(
    stores: Stores, state: CaseState, text: str
) -> None:
    archived = await _archived(stores, state, text)

    assert archived.bytes == len(text.encode())
    assert await stores.cases.read_back(state.case_id, archived) == text
    past = await stores.cases.load(state.case_id, MAIN, at=1)
    assert past.sections == {}


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE archive SET body = 'other' WHERE case_id = $1",
        "UPDATE archive SET encoding = 'zlib' WHERE case_id = $1",
        "UPDATE archive SET bytes = 1 WHERE case_id = $1",
        "UPDATE archive SET body = sha256(body), bytes = 32, encoding = 'plain' WHERE case_id = $1",
        "DELETE FROM archive WHERE case_id = $1",
    ],
)
async def test_a_damaged_text_of_the_archive_is_never_taken_for_the_text(
    stores: Stores, owner: Pool, state: CaseState, damage: str
) -> None:
    archived = await _archived(stores, state, "é" * 3000)
    async with owner.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute(damage, state.case_id)

    with pytest.raises(DamagedBody):
        await stores.cases.read_back(state.case_id, archived)


async def test_what_cannot_be_stored_leaves_nothing_in_the_archive(
    stores: Stores, state: CaseState
) -> None:
    notes = step("notes:1", scratch_of("prober")(text="x" * 3000))
    await commit(stores.cases, state, notes)
    late = step("notes:2", scratch_of("prober")(text="y" * 3000))
    with pytest.raises(Exception, match="reload and retry"):
        await commit(stores.cases, state, late)

    count = "SELECT count(*) FROM archive WHERE case_id = $1"
    assert await stores.pool.fetchval(count, state.case_id) == 1
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await stores.pool.execute("DELETE FROM archive")


async def test_a_message_that_another_step_has_put_on_record_is_refused_by_its_field(
    stores: Stores, state: CaseState
) -> None:
    again = step("message:again", owner="intake", messages=(state.messages[0],))
    with pytest.raises(InvalidInput, match="message_id: another step has put it on record"):
        await commit(stores.cases, state, again)

    assert await stores.cases.load(state.case_id, MAIN) == state
