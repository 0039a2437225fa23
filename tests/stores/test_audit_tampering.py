"""Tampering by whoever owns the tables: each way is found, and the case and the row are named."""

import hashlib
import zlib
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from cases.errors import CaseNotFound
from runtime.servers import Servers
from tests.stores.recorded import CASES, ROWS, Recorded, copy_of, filled, sql
from tests.stores.support import own_database

_NAME = "case case_2"
_CHAIN = f"{_NAME}, row {{}}: does not follow the row before it"

#: What the owner could do to a chain that nobody else has seen: change a row, and hash all anew.
_REHASH = """
DO $$ DECLARE r case_audit; previous bytea; BEGIN
    SELECT hash INTO previous FROM case_audit WHERE case_id = 'case_2' AND seq = 3;
    FOR r IN SELECT * FROM case_audit WHERE case_id = 'case_2' AND seq > 3 ORDER BY seq LOOP
        UPDATE case_audit SET prev_hash = previous, hash = chain_hash(previous, case_id, branch,
                seq::text, version::text, (extract(epoch FROM at) * 1000000)::bigint::text, actor,
                event, step, section, old_version::text, encode(body_hash, 'hex'), detail)
            WHERE case_id = 'case_2' AND seq = r.seq RETURNING hash INTO previous;
    END LOOP;
    UPDATE cases SET audit_head = previous,
            audit_seq = (SELECT max(seq) FROM case_audit WHERE case_id = 'case_2')
        WHERE case_id = 'case_2';
END $$
"""
_CUT = "DELETE FROM case_audit WHERE case_id = 'case_2' AND seq > 6"
_CUT_TO_FIT = (
    "UPDATE cases SET audit_seq = 6, audit_head = (SELECT hash FROM case_audit "
    "WHERE case_id = 'case_2' AND seq = 6) WHERE case_id = 'case_2'"
)
_DELETE_CASE = tuple(
    sql("DELETE FROM {} WHERE case_id = 'case_2'", table)
    for table in ("case_audit", "sections", "messages", "checkpoints", "effects", "cases")
)


@pytest.fixture(scope="module")
async def template(servers: Servers) -> AsyncGenerator[str]:
    async with own_database(servers, "tampering") as dsn, filled(dsn):
        yield dsn


@pytest.fixture
async def record(template: str, number: str, tmp_path: Path) -> AsyncGenerator[Recorded]:
    async with copy_of(template, f"tampering_{number}", tmp_path) as copied:
        yield copied


def edit(change: str, seq: int, table: str = "case_audit") -> tuple[str]:
    where = "seq" if table == "case_audit" else "version"
    text = "UPDATE {} SET {} WHERE case_id = 'case_2' AND {} = {}"
    return (sql(text, table, change, where, seq),)


def move(old: int, new: int) -> str:
    return sql("UPDATE case_audit SET seq = {} WHERE case_id = 'case_2' AND seq = {}", new, old)


async def test_an_untouched_record_has_no_findings(record: Recorded) -> None:
    report = await record.verify()

    assert report.findings == []
    assert report.ok
    assert (report.cases, report.rows, report.not_signed) == (len(CASES), len(CASES) * ROWS, 0)
    assert report.signed_until is not None


@pytest.mark.parametrize(
    ("tampering", "findings"),
    [
        (edit("detail = 'x'", 4), [f"{_NAME}, row 4: was changed"]),
        (edit("actor = 'ann'", 2), [f"{_NAME}, row 2: was changed"]),
        (edit("old_version = 1", 3), [f"{_NAME}, row 3: was changed"]),
        (edit("at = at + interval '1 us'", ROWS), [f"{_NAME}, row {ROWS}: was changed"]),
        (edit("step = step || ' '", 1), [f"{_NAME}, row 1: was changed"]),
    ],
)
async def test_an_edited_row_is_found(
    record: Recorded, tampering: tuple[str], findings: list[str]
) -> None:
    await record.tamper(*tampering)

    assert (await record.verify()).findings == findings
    assert (await record.verify("case_2")).findings == findings
    assert (await record.verify("case_1")).findings == []


async def test_an_edited_row_with_a_fitting_hash_is_found(record: Recorded) -> None:
    await record.tamper(*edit("detail = 'x'", 4), *edit("hash = sha256('x')", 4))

    findings = (await record.verify()).findings

    assert findings == [f"{_NAME}, row 4: was changed", _CHAIN.format(5)]


async def test_swapped_rows_are_found(record: Recorded) -> None:
    await record.tamper(move(3, 99), move(4, 3), move(99, 4))

    findings = (await record.verify()).findings

    for row in (3, 4):
        assert f"{_NAME}, row {row}: was changed" in findings
        assert _CHAIN.format(row) in findings


async def test_a_deleted_row_in_the_middle_is_found(record: Recorded) -> None:
    await record.tamper("DELETE FROM case_audit WHERE case_id = 'case_2' AND seq = 3")

    assert (await record.verify()).findings == [f"{_NAME}, row 4: row 3 is missing"]


async def test_a_deleted_tail_is_found(record: Recorded) -> None:
    await record.tamper(_CUT)

    report = await record.verify()
    assert report.not_signed == 0
    signed, effect, end, *rest = report.findings
    assert signed.startswith(f"{_NAME}, row {ROWS}: it was signed at 2")
    assert signed.endswith(" UTC, and is missing")
    assert end == f"{_NAME}, row 6: the trail does not end where the case says"
    assert effect == f"{_NAME}, row 6: the effect it recorded was changed"
    assert rest == [f"{_NAME}: 5 sections, but only 4 on record"]


async def test_a_deleted_tail_is_found_though_the_case_says_it_ends_there(record: Recorded) -> None:
    later = "DELETE FROM {} WHERE case_id = 'case_2' AND version > 5"
    rows = (sql(later, "sections"), sql(later, "checkpoints"))
    settled = "UPDATE effects SET state = 'sending', receipt = NULL WHERE case_id = 'case_2'"
    await record.tamper(_CUT, _CUT_TO_FIT, settled, *rows)

    [finding] = (await record.verify()).findings
    assert finding.startswith(f"{_NAME}, row {ROWS}: it was signed at 2")
    assert await record.audit.verify("case_2", "main") == []  # without heads nothing shows


async def test_a_deleted_case_is_found(record: Recorded) -> None:
    await record.tamper(*_DELETE_CASE)

    for report in (await record.verify(), await record.verify("case_2")):
        [finding] = report.findings
        assert finding.startswith(f"{_NAME}, row {ROWS}: it was signed at 2")
        assert finding.endswith(" UTC, and is gone with its whole case")
    with pytest.raises(CaseNotFound):
        await record.verify("case_4")


async def test_what_is_left_of_a_case_is_found(record: Recorded) -> None:
    await record.tamper(
        "ALTER TABLE messages DROP CONSTRAINT messages_case_id_branch_fkey",
        *(statement for statement in _DELETE_CASE if "messages" not in statement),
    )

    left = f"{_NAME}: it is gone, but 1 of its rows are left in messages"
    assert left in (await record.verify()).findings


@pytest.mark.parametrize("hashed", [True, False])
async def test_an_inserted_row_is_found(record: Recorded, hashed: bool) -> None:
    shift = [move(seq, seq + 1) for seq in range(ROWS, 3, -1)]
    insert = (
        "INSERT INTO case_audit SELECT case_id, branch, 4, version, at, 'ann', 'looked', step, "
        "NULL, NULL, sha256(''), 'it was fine', hash, hash FROM case_audit "
        "WHERE case_id = 'case_2' AND seq = 3"
    )
    await record.tamper(*shift, insert, *([_REHASH] if hashed else []))

    findings = (await record.verify()).findings

    if hashed:
        [finding] = findings
        assert finding.startswith(f"{_NAME}, row {ROWS}: it is not the row that was signed at 2")
    else:
        assert f"{_NAME}, row 4: was changed" in findings


async def test_a_row_that_was_added_beside_the_functions_is_found(record: Recorded) -> None:
    insert = (
        "INSERT INTO case_audit SELECT case_id, branch, seq + 1, version, at, 'ann', 'looked', "
        "step, NULL, NULL, sha256(''), 'it was fine', hash, sha256('x') FROM case_audit "
        "WHERE case_id = 'case_2' AND seq = {}"
    )
    await record.tamper(sql(insert, ROWS))

    assert (await record.verify()).findings == [
        f"{_NAME}, row {ROWS + 1}: was changed",
        f"{_NAME}, row {ROWS + 1}: the trail does not end where the case says",
    ]


async def test_a_chain_that_was_hashed_anew_is_found(record: Recorded) -> None:
    for number in (7, 8):
        await record.write("case_2", number)
        assert await record.sign() == 1
    await record.tamper(*edit("detail = 'I approved'", ROWS + 1), _REHASH)

    assert await record.audit.verify("case_2", "main") == []  # without heads nothing shows
    [finding] = (await record.verify()).findings
    assert finding.startswith(f"{_NAME}, row {ROWS + 1}: it is not the row that was signed at 2")
    assert finding.endswith(f" UTC: something after row {ROWS} was changed")
    # Later heads are signed over the forged chain; the earlier one still tells.
    await record.write("case_2", 9)
    assert await record.sign() == 1
    assert (await record.verify()).findings == [finding]


@pytest.mark.parametrize(
    ("tampering", "finding"),
    [
        (edit("body = body || ' '", 4, "sections"), "row 4: the value it recorded was changed"),
        (edit("body = 'I paid once.'", 1, "messages"), "row 1: the value it recorded was changed"),
        (
            ("DELETE FROM sections WHERE case_id = 'case_2' AND version = 3",),
            "row 3: the value it recorded was changed",
        ),
        (
            ("DELETE FROM messages WHERE case_id = 'case_2'",),
            "row 1: the value it recorded was changed",
        ),
        (
            ("INSERT INTO sections VALUES ('case_2', 'main', 'other_probe', 2, 'x', '{}')",),
            "6 sections, but only 5 on record",
        ),
    ],
)
async def test_a_changed_value_is_found(
    record: Recorded, tampering: tuple[str], finding: str
) -> None:
    await record.tamper(*tampering)

    [found] = (await record.verify()).findings
    assert found in (f"{_NAME}, {finding}", f"{_NAME}: {finding}")


@pytest.mark.parametrize(
    "change",
    [
        "parameters_hash = encode(sha256('x'), 'hex')",
        "amount_minor = amount_minor - 1",
        "amount_minor = NULL, currency = NULL, charge_id = NULL, kind = 'answer'",
        "currency = 'EUR'",
        "charge_id = 'ch_other'",
        "customer_id = 'cus_other'",
        "intent = 'x'",
        "case_id = 'case_1'",
        "state = 'rejected'",
        "receipt = 're_2'",
        "code = 'x'",
    ],
)
async def test_a_changed_effect_is_found(record: Recorded, change: str) -> None:
    await record.tamper(sql("UPDATE effects SET {} WHERE case_id = 'case_2'", change))

    findings = (await record.verify()).findings

    assert f"{_NAME}, row 6: the effect it recorded was changed" in findings


@pytest.mark.parametrize("change", ["body = 'x'", "encoding = 'x'", "bytes = 1", "digest = 'x'"])
async def test_a_changed_text_in_the_archive_is_found(record: Recorded, change: str) -> None:
    text = b"long" * 50_000
    insert = "INSERT INTO archive VALUES ($1, $2, $3, $4, $5)"
    kept = (("case_1", "plain", text), ("case_2", "zlib", zlib.compress(text)))
    for case_id, encoding, body in kept:
        digest = hashlib.sha256(text).hexdigest()
        await record.pool.execute(insert, case_id, digest, encoding, len(text), body)
    assert (await record.verify()).findings == []

    await record.tamper(sql("UPDATE archive SET {} WHERE case_id = 'case_2'", change))

    for report in (await record.verify(), await record.verify("case_2")):
        [finding] = report.findings
        assert finding.startswith(f"{_NAME}: the archived text ")
    assert (await record.verify("case_1")).findings == []


async def test_an_effect_that_was_never_claimed_is_found(record: Recorded) -> None:
    await record.tamper(
        "INSERT INTO effects (key, kind, case_id, branch, customer_id, parameters_hash, intent) "
        "VALUES ('an1_x', 'answer', 'case_2', 'main', 'cus_2', '', '')"
    )

    assert (await record.verify()).findings == [f"{_NAME}: 2 effects, but only 1 on record"]


async def test_a_damaged_value_does_not_hide_the_trail(record: Recorded) -> None:
    await record.tamper(
        *edit("body = '{'", 4, "sections"), *edit("encoding = 'zlib'", 3, "sections")
    )

    rows = {row.seq: row for row in await record.audit.trail("case_2", "main")}

    assert (rows[4].value, rows[4].old_value, rows[5].old_value) == ("(damaged)",) * 3
