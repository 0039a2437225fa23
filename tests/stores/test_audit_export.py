"""Exporting heads and verifying, while cases are being written."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from runtime.servers import Servers
from tests.stores.recorded import CASES, ROWS, Recorded, copy_of, filled, open_case
from tests.stores.support import own_database


@pytest.fixture(scope="module")
async def template(servers: Servers) -> AsyncGenerator[str]:
    async with own_database(servers, "export") as dsn, filled(dsn):
        yield dsn


@pytest.fixture
async def record(template: str, number: str, tmp_path: Path) -> AsyncGenerator[Recorded]:
    async with copy_of(template, f"export_{number}", tmp_path) as copied:
        yield copied


def lines(record: Recorded) -> int:
    return len(record.files.heads.read_bytes().splitlines())


async def test_only_cases_that_changed_are_signed_again(record: Recorded) -> None:
    assert (await record.sign(), await record.sign(everything=True), lines(record)) == (0, 0, 1)

    await record.write("case_2", 8)

    assert (await record.verify()).not_signed == 1
    assert await record.sign() == 1
    assert '["case_2","main",10,' in record.files.heads.read_text().splitlines()[1]
    assert (await record.sign(), lines(record)) == (0, 2)
    assert (await record.verify()).not_signed == 0


_LONG_AGO = "UPDATE case_audit SET at = at - interval '1 hour' WHERE case_id = 'case_2'"
_A_LITTLE_AGO = (
    "UPDATE case_audit SET at = at - interval '9 s' WHERE case_id = 'case_2' AND seq = 10"
)


async def test_a_row_that_became_visible_a_little_late_is_signed(record: Recorded) -> None:
    await record.tamper(_LONG_AGO)
    await record.write("case_1", 8)
    await record.sign()
    await record.write("case_2", 8)
    await record.tamper(_A_LITTLE_AGO)

    assert await record.sign() == 1


async def test_a_row_that_became_visible_too_late_is_signed_by_hand(record: Recorded) -> None:
    await record.write("case_2", 8)
    await record.tamper(_LONG_AGO)

    assert await record.sign() == 0
    assert (await record.verify()).not_signed == 1
    assert await record.sign(everything=True) == 1
    assert (await record.verify()).not_signed == 0


async def test_signing_by_hand_looks_at_the_whole_file(
    record: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    await record.write("case_2", 8)
    await record.sign()
    monkeypatch.setattr("stores.heads._TAIL_BYTES", 350)  # the last line, not the one before

    assert await record.sign(everything=True) == 0


async def test_a_second_exporter_on_the_host_signs_what_the_first_did_not(record: Recorded) -> None:
    await asyncio.gather(*(record.write(case_id, 8) for case_id in CASES))

    written = await asyncio.gather(*(record.sign() for _ in range(4)))

    assert sum(written) >= len(CASES)
    report = await record.verify()
    assert (report.findings, report.not_signed) == ([], 0)


async def test_verifying_beside_writers_and_exporters_finds_nothing(record: Recorded) -> None:
    done = asyncio.Event()
    exporting = asyncio.create_task(_export_until(done, record))
    verifying = asyncio.create_task(_verify_until(done, record))

    await asyncio.gather(
        *(_write(record, case_id, range(10, 40)) for case_id in CASES), _add(record, range(10, 20))
    )
    done.set()

    assert await verifying == []
    assert await exporting > len(CASES)
    report = await record.verify()
    assert (report.findings, report.not_signed) == ([], 0)
    assert (report.cases, report.rows) == (len(CASES) + 10, len(CASES) * (ROWS + 30) + 10 * ROWS)


async def _write(record: Recorded, case_id: str, numbers: range) -> None:
    for number in numbers:
        await record.write(case_id, number)


async def _add(record: Recorded, numbers: range) -> None:
    for number in numbers:
        await open_case(record.pool, f"case_{number}", str(number))


async def _export_until(done: asyncio.Event, record: Recorded) -> int:
    written = 0
    while not done.is_set():
        written += await record.sign()
    return written + await record.sign()


async def _verify_until(done: asyncio.Event, record: Recorded) -> list[str]:
    findings: list[str] = []
    while not done.is_set():
        for only in (None, "case_1"):
            findings += (await record.verify(only)).findings
    return findings


async def test_verifying_reads_in_batches(
    record: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stores.audit._CASES_AT_ONCE", 2)
    monkeypatch.setattr("stores.audit._HEADS_AT_ONCE", 1)
    monkeypatch.setattr("stores.verification._HEADS_AT_ONCE", 1)
    await open_case(record.pool, "case_9", "9")
    assert await record.sign(everything=True) == 1
    await record.tamper("UPDATE case_audit SET actor = 'x' WHERE seq = 2")

    report = await record.verify()

    names = sorted([*CASES, "case_9"])
    assert report.findings == [f"case {name}, row 2: was changed" for name in names]
    assert (report.cases, report.rows) == (4, 4 * ROWS)
