"""`casekeeper audit`: a trail in pages, the verdict on the whole record, and signing it."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from runtime.servers import Servers
from tests.starters.conftest import CommandLine
from tests.starters.test_every_command import assert_refused, assert_refused_as_json
from tests.stores.recorded import CASES, ROWS, Recorded, copy_of, filled
from tests.stores.support import own_database


@pytest.fixture(scope="module")
async def template(servers: Servers) -> AsyncGenerator[str]:
    async with own_database(servers, "audit_command") as dsn, filled(dsn):
        yield dsn


@pytest.fixture
async def record(
    template: str, number: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[Recorded]:
    async with copy_of(template, f"audit_command_{number}", tmp_path) as copied:
        monkeypatch.setenv("DATABASE_URL", copied.dsn)
        monkeypatch.setenv("CASEKEEPER_AUDIT_HEADS", str(copied.files.heads))
        monkeypatch.setenv("CASEKEEPER_AUDIT_KEY", str(copied.files.signing_key))
        yield copied


@pytest.mark.usefixtures("record")
async def test_the_trail_comes_in_pages_newest_first(casekeeper: CommandLine) -> None:
    page = (await casekeeper("audit", "case_1", "--limit", "4", "--json")).json()
    assert page.keys() == {"case_id", "branch", "rows", "next_before"}
    assert [row["seq"] for row in page["rows"]] == [9, 8, 7, 6]
    assert page["next_before"] == 6

    last = await casekeeper("audit", "case_1", "--limit", "5", "--before", "6", "--json")
    assert [row["seq"] for row in last.json()["rows"]] == [5, 4, 3, 2, 1]
    assert last.json()["next_before"] is None
    newest = last.json()["rows"][0]
    assert (newest["value"]["content"], newest["old_value"]["content"]) == ({"n": 4}, {"n": 3})

    shown = await casekeeper("audit", "case_1", "--limit", "4")
    places = [shown.out.index(f"\n{seq} ") for seq in (9, 8, 7, 6)]
    assert places == sorted(places)
    assert "Older rows: `casekeeper audit case_1 --before 6`." in shown.out


async def test_verifying_everything_says_how_much_and_how_far_it_is_signed(
    casekeeper: CommandLine, record: Recorded
) -> None:
    await record.write("case_2", 8)
    report = (await casekeeper("audit", "--verify", "--json")).json()
    assert report.pop("signed_until").startswith("20")
    assert report == {
        "ok": True,
        "findings": [],
        "cases": len(CASES),
        "rows": len(CASES) * ROWS + 1,
        "checked_rows": len(CASES) * ROWS + 1,
        "not_signed": 1,
    }
    shown = await casekeeper("audit", "--verify")
    assert (shown.code, shown.err) == (0, "")
    assert "3 cases with 28 rows: every chain holds.\n" in shown.out
    assert shown.out.endswith(", but 1 row newer than that: not signed yet.\n")
    await casekeeper("audit", "--export")
    assert (await casekeeper("audit", "--verify")).out.endswith(" UTC: every row is.\n")


async def test_findings_are_one_line_each_and_exit_1(
    casekeeper: CommandLine, record: Recorded
) -> None:
    await record.tamper(
        "UPDATE case_audit SET detail = 'x' WHERE case_id = 'case_2' AND seq = 3",
        "UPDATE case_audit SET actor = 'x' WHERE case_id = 'case_3' AND seq = 4",
    )
    findings = ["case case_2, row 3: was changed", "case case_3, row 4: was changed"]
    done = await casekeeper("audit", "--verify")
    assert (done.code, done.err.splitlines()) == (1, findings)
    assert "holds" not in done.out
    found = await casekeeper("audit", "--verify", "--json")
    assert (found.code, found.json()["ok"], found.json()["findings"]) == (1, False, findings)
    assert (await casekeeper("audit", "case_1", "--verify")).code == 0
    one = await casekeeper("audit", "case_2", "--verify", "--json")
    assert (one.code, one.json()["findings"], len(one.json()["rows"])) == (1, findings[:1], ROWS)


async def test_a_case_that_was_deleted_is_a_finding_and_not_unknown(
    casekeeper: CommandLine, record: Recorded
) -> None:
    tables = ("case_audit", "sections", "messages", "checkpoints", "effects", "cases")
    delete = "DELETE FROM {} WHERE case_id = 'case_2'"
    await record.tamper(*(delete.format(table) for table in tables))
    done = await casekeeper("audit", "case_2", "--verify", "--json")
    assert (done.code, done.json()["rows"], done.json()["next_before"]) == (1, [], None)
    [finding] = done.json()["findings"]
    assert finding.startswith("case case_2, row 9: it was signed at ")
    assert finding.endswith(", and is gone with its whole case")
    assert_refused(await casekeeper("audit", "case_2"), 3, "There is no case case_2.")
    assert_refused(await casekeeper("audit", "case_4", "--verify"), 3, "There is no case case_4.")


async def test_the_heads_can_be_verified_with_a_key_that_was_kept_elsewhere(
    casekeeper: CommandLine, record: Recorded, tmp_path: Path
) -> None:
    kept = tmp_path / "kept.pem"
    record.files.public_key.rename(kept)
    beside = await casekeeper("audit", "--verify", "--json")
    assert beside.code == 1
    assert "there is no " in beside.json()["findings"][0]
    done = await casekeeper("audit", "--verify", "--public-key", str(kept), "--json")
    assert (done.code, done.json()["not_signed"]) == (0, 0)
    kept.write_text("no key")
    refused = await casekeeper("audit", "--verify", "--public-key", str(kept), "--json")
    assert_refused_as_json(refused, 1, "kept.pem cannot be read.")
    missing = str(tmp_path / "none.pem")
    assert_refused(await casekeeper("audit", "--verify", "--public-key", missing), 2, "none.pem")


async def test_export_signs_by_hand_and_says_how_many(
    casekeeper: CommandLine, record: Recorded
) -> None:
    await record.write("case_2", 8)
    # As if it had been missed long ago: by hand, all cases are looked at.
    await record.tamper("UPDATE case_audit SET at = at - interval '1 hour'")
    done = await casekeeper("audit", "--export", "--json")
    assert done.json() == {"heads": 1, "file": str(record.files.heads)}
    shown = await casekeeper("audit", "--export")
    assert shown.out == f"0 new heads signed in {record.files.heads}.\n"
    assert (await casekeeper("audit", "--verify", "--json")).json()["not_signed"] == 0
    record.files.heads.unlink()
    refused = await casekeeper("audit", "--export", "--json")
    assert_refused_as_json(refused, 1, "is missing or empty, though it was signed before")


@pytest.mark.usefixtures("record")
async def test_without_any_head_it_says_so(
    casekeeper: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASEKEEPER_AUDIT_HEADS", str(tmp_path / "none" / "heads.jsonl"))
    monkeypatch.setenv("CASEKEEPER_AUDIT_KEY", str(tmp_path / "none" / "key.pem"))
    report = (await casekeeper("audit", "--verify", "--json")).json()
    assert (report["ok"], report["signed_until"]) == (True, None)
    assert report["not_signed"] == report["rows"] == len(CASES) * ROWS
    assert "No head is signed yet" in (await casekeeper("audit", "--verify")).out
    assert not (tmp_path / "none").exists()


async def test_what_does_not_go_together_is_bad_usage(casekeeper: CommandLine) -> None:
    assert_refused(await casekeeper("audit"), 2, "CASE: say which one, or --verify for all")
    alone = "--export: it signs the heads of all cases, and goes alone"
    assert_refused(await casekeeper("audit", "case_1", "--export"), 2, alone)
    assert_refused_as_json(await casekeeper("audit", "--verify", "--export", "--json"), 2, alone)
    for line in (("--limit", "0"), ("--before", "0")):
        assert_refused(await casekeeper("audit", "case_1", *line), 2, line[0])
