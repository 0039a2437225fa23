"""Temporal's data is gone for good: docs/disaster.md takes every open case up again."""

import json
import re

from tests.e2e.shell import ROOT, Shell, eventually, world_of
from workers.composition import open_postgres

TEXT = "I was charged twice."


def query_of_the_page() -> str:
    page = (ROOT / "docs" / "disaster.md").read_text("utf-8")
    found = re.search(r"^ *SELECT json_build_object.+?;", page, flags=re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[0]


async def test_every_open_case_goes_on_where_it_stood_and_pays_once(shell: Shell) -> None:
    names = ("waits", "decided", "ended")
    with shell.up():
        world = world_of("waits", "decided", amount_minor=120_000)
        small = world_of("ended")
        merged = {key: world[key] + small[key] for key in world}
        (shell.folder / "world.json").write_text(json.dumps(merged))
        shell.casekeeper("sandbox", "load", "world.json")
        for name in names:
            shell.casekeeper("start", "--customer", f"cus_{name}", "--case-id", name, TEXT)
        shell.until("ended", "answered")
        shell.until("waits", "awaiting_approval")
        shell.until("decided", "awaiting_approval")
        shell.casekeeper("say", "waits", "Is there any news?")
        eventually(lambda: "policy:2" in shell.look("show", "waits")["completed_steps"])
    for file in (shell.home / "temporal").glob("temporal.db*"):
        file.unlink()

    with shell.up():
        # It is on record, and nobody is there to be told.
        shell.casekeeper("approve", "decided", code=3)
        address = shell.look("doctor")["database_url"]
        async with open_postgres(address, size=1) as pool:
            lines = [row[0] for row in await pool.fetch(query_of_the_page())]
        (shell.folder / "open.jsonl").write_text("\n".join(lines) + "\n")
        assert {json.loads(line)["case_id"] for line in lines} == {"waits", "decided"}
        for _ in range(2):
            shell.casekeeper("start", "--file", "open.jsonl", "--use-existing")
        shell.until("decided", "answered")
        shell.casekeeper("approve", "waits")
        shell.until("waits", "answered")

        outside = shell.look("sandbox", "show")
        paid = sorted(refund["charge_id"] for refund in outside["refunds"])
        assert paid == ["ch_decided_2", "ch_ended_2", "ch_waits_2"]
        assert sorted(mail["case_id"] for mail in outside["answers"]) == sorted(names)
        assert not shell.answer("reconcile", "--days", "1")["needs_person"]
        assert shell.answer("audit", "--verify")["ok"] is True
