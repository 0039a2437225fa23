"""The benchmark of the state layer, with a few runs on the session's servers."""

import json
from typing import Any, cast

import pytest

from benchmarks.bare import bare_tables, commit_at_once, commit_one_by_one, open_bare_case
from benchmarks.report import COMMIT, LOAD, MERGE, Row, as_json, as_table
from benchmarks.samples import BIG, SMALL, rewritten, sections_of, stored_size
from benchmarks.state import SIZES, main, measure
from benchmarks.timing import Timings, take_turns
from cases.ids import MAIN
from runtime.servers import Servers
from stores.hot import RedisHotStore
from stores.postgres import Pool
from workers.composition import Stores

ROUNDS, OPS = 2, 3
#: What each operation was run in all: the round of warm-up comes on top.
TURNS = OPS + ROUNDS * OPS
#: Opening a case and writing each of its three sections.
BEFORE = 4


async def test_every_operation_is_carried_out_as_often_as_it_says_and_nothing_bare_remains(
    servers: Servers, stores: Stores, owner: Pool, case_id: str
) -> None:
    rows = await measure(servers, run=case_id, rounds=ROUNDS, ops=OPS)

    kinds = [(MERGE, SMALL), (MERGE, BIG), (COMMIT, SMALL), (COMMIT, BIG), (LOAD, None)]
    assert [(row.operation, row.section, row.state_bytes, row.runs) for row in rows] == [
        (*kind, size, ROUNDS * OPS) for kind in kinds for size in SIZES
    ]
    for section in (SMALL, BIG):
        for size in SIZES:
            committed = f"{case_id}_step_commit_{section}_{size}"
            record = await stores.cases.load(committed, MAIN)
            hot = await RedisHotStore(stores.redis, stores.keys).read(
                f"{case_id}_section_merge_{section}_{size}", MAIN
            )
            assert hot
            assert record.version == hot.version == BEFORE + TURNS
            assert record.section_versions[section] == BEFORE + TURNS
            assert record.sections == hot.sections
    assert await owner.fetchval("SELECT to_regnamespace('bare')") is None
    assert await cast("Any", stores.redis).keys("bare:*") == []


async def test_a_bare_commit_writes_a_row_of_each_kind_at_once_and_one_by_one(
    owner: Pool, stores: Stores
) -> None:
    async with bare_tables(owner), stores.pool.acquire() as connection:
        for case_id, commit in {"once": commit_at_once, "steps": commit_one_by_one}.items():
            await open_bare_case(cast("Any", connection), case_id)
            for version in (1, 2):
                await commit(cast("Any", connection), case_id, version, b"body")
            written = await owner.fetchrow(
                "SELECT version, audit_seq, (SELECT count(*) FROM bare.sections s "
                "WHERE s.case_id = $1 AND body = 'body'), (SELECT count(*) FROM bare.case_audit a "
                "WHERE a.case_id = $1), (SELECT count(*) FROM bare.checkpoints k "
                "WHERE k.case_id = $1) FROM bare.cases WHERE case_id = $1",
                case_id,
            )
            assert written
            assert tuple(written) == (2, 2, 2, 2, 2)


async def test_the_bare_tables_have_the_columns_indexes_and_references_of_the_record(
    owner: Pool,
) -> None:
    shape = """
        SELECT c.relname, attname, format_type(atttypid, atttypmod)
          FROM pg_class c JOIN pg_attribute ON attrelid = c.oid
         WHERE relnamespace = $1::regnamespace AND relname = ANY ($2) AND attnum > 0
        UNION ALL
        SELECT c.relname, indisunique::text, string_agg(attname, ' ' ORDER BY attnum)
          FROM pg_class c JOIN pg_index ON indrelid = c.oid
          JOIN pg_attribute ON attrelid = indexrelid
         WHERE relnamespace = $1::regnamespace AND relname = ANY ($2)
         GROUP BY indexrelid, c.relname, indisunique
        UNION ALL
        SELECT c.relname, 'references', f.relname
          FROM pg_constraint
          JOIN pg_class c ON c.oid = conrelid JOIN pg_class f ON f.oid = confrelid
         WHERE contype = 'f' AND c.relnamespace = $1::regnamespace AND c.relname = ANY ($2)
           AND f.relnamespace = $1::regnamespace
         ORDER BY 1, 2, 3"""
    tables = ["cases", "sections", "case_audit", "checkpoints"]

    async with bare_tables(owner):
        bare = await owner.fetch(shape, "bare", tables)
        record = await owner.fetch(shape, "public", tables)

    assert [tuple(row) for row in bare] == [tuple(row) for row in record]
    assert ("sections", "references", "cases") in [tuple(row) for row in bare]


@pytest.mark.parametrize("size", SIZES)
def test_a_sample_has_exactly_the_size_that_it_is_named_for(size: int) -> None:
    sections = sections_of(size)

    assert sum(map(stored_size, sections.values())) == size
    assert stored_size(sections[SMALL]) == stored_size(sections_of(SIZES[0])[SMALL])
    assert size * 0.4 < stored_size(sections[BIG]) < size * 0.6
    for section in sections.values():
        assert stored_size(rewritten(section, 7)) == stored_size(section)
        assert rewritten(section, 7) != rewritten(section, 8)


async def test_operations_take_turns_and_each_goes_first_as_often() -> None:
    order: list[tuple[str, int]] = []

    def operation(name: str, seconds: float) -> Any:
        async def run(number: int) -> float:
            order.append((name, number))
            return seconds

        return run

    timings = await take_turns(
        {"a": operation("a", 0.3), "b": operation("b", 0.1)}, rounds=1, ops=2
    )

    assert order == [(name, turn) for turn, names in enumerate(["ab", "ba", "ab", "ba"], 1)
                     for name in names]  # fmt: skip
    assert timings == {"a": Timings(((0.3, 0.3),)), "b": Timings(((0.1, 0.1),))}
    assert timings["a"].ratio_to(timings["b"]) == pytest.approx(3)


def test_figures_are_of_the_round_in_the_middle() -> None:
    ours = Timings(((0.004, 0.004, 0.100), (0.002, 0.002, 0.002), (0.9, 0.9, 0.9)))
    bare = Timings(((0.001,), (0.001,), (0.3,)))

    assert ours.runs == 9
    assert ours.p50_ms == pytest.approx(4)
    assert ours.per_s == pytest.approx(3 / 0.108)
    assert ours.ratio_to(bare) == pytest.approx(3)


def _row(operation: str, moved: int, state: int, to_bare: float, to_smallest: float) -> Row:
    section = None if operation == LOAD else "any"
    return Row(operation, section, moved, state, 9, 1.5, 600, 1.0, to_bare, to_smallest)


ROWS = [
    _row(MERGE, 100, 1_000, 9.0, 9.0),
    _row(COMMIT, 100, 1_000, 1.4, 1.0),
    _row(COMMIT, 100, 500_000, 1.3, 1.1),
    _row(COMMIT, 250_000, 500_000, 1.6, 8.0),
]


def test_the_table_is_markdown_and_ends_with_what_was_reached_of_the_goals() -> None:
    lines = as_table(ROWS).splitlines()

    assert [line.count("|") for line in lines[:6]] == [9] * 6
    assert lines[5].startswith("| step commit, 250 KB | 500 KB | 1.50 | 600 | 1.00 | 1.60 | 8.00 |")
    assert lines[-2] == "Step commit: at most 1.60 bare ones; the goal is 1.5."
    assert lines[-1] == "The same section in the largest state: 1.10 times; the goal is 2.0."


def test_the_json_document_holds_every_figure() -> None:
    document = json.loads(as_json(ROWS))

    assert [row["to_bare"] for row in document["rows"]] == [9.0, 1.4, 1.3, 1.6]
    assert len(document["goals"]) == 2


@pytest.mark.parametrize("arguments", [("--ops", "0"), ("--rounds", "-1"), ("--ops", "many")])
def test_a_count_below_1_is_refused_before_any_server_starts(
    arguments: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)

    assert stopped.value.code == 2
    assert "not a number from 1 on" in capsys.readouterr().err
