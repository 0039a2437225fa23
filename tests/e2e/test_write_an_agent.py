"""docs/write-an-agent.md, followed to the letter in a copy of the code."""

import difflib
import json
import re
import shutil
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.shell import ROOT, Shell, world_of

PAGE = (ROOT / "docs" / "write-an-agent.md").read_text("utf-8")
WORKER = Path(__file__).with_name("parcel_worker.py")
ROOMS = ("activities", "cases", "gateways", "runtime", "starters", "stores", "workers", "workflows")


def block(language: str, after: str) -> str:
    """The page's first block of that language after those words."""
    _, found, rest = PAGE.partition(after)
    assert found, after
    blocks = re.findall(rf"^```{language}\n(.*?)^```", rest, flags=re.DOTALL | re.MULTILINE)
    return str(blocks[0])


def follow(root: Path) -> list[str]:
    """Do in a copy of the code what the page says; which files that touched."""
    new = "activities/agents/shipping.py"
    (root / new).write_text(block("python", f"in the new file `{new}`"), "utf-8")
    registry = "activities/agents/__init__.py"
    difference = block("diff", f"Then one line in `{registry}`").splitlines()
    before = [line[1:] for line in difference if line[0] == " "]
    after = [line[1:] for line in difference if line[0] in " +"]
    text = (root / registry).read_text("utf-8")
    assert text.count("\n".join(before)) == 1
    assert len(after) == len(before) + 1
    (root / registry).write_text(text.replace("\n".join(before), "\n".join(after)), "utf-8")
    return [new, registry]


def code_of(root: Path) -> dict[str, str]:
    """The code's text by file."""
    return {str(path.relative_to(root)): path.read_text("utf-8") for path in root.rglob("*.py")}


def lines_added(old: str, new: str) -> int:
    """How many lines came; fails where one went."""
    changes = [line[0] for line in difflib.ndiff(old.splitlines(), new.splitlines())]
    assert "-" not in changes
    return changes.count("+")


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Generator[Shell]:
    """Servers without a worker, and a copy of the code beside them."""
    shell = Shell(tmp_path_factory.mktemp("shell"))
    for room in ROOMS:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / room, shell.folder / "code" / room, ignore=ignored)
    with shell.up("--no-worker"):
        (shell.folder / "world.json").write_text(json.dumps(world_of("parcel")))
        shell.look("sandbox", "load", str(shell.folder / "world.json"))
        yield shell


def outcomes(shell: Shell, **texts: str) -> list[Any]:
    """How cases of these texts end with the code of the copy."""
    code = str(shell.folder / "code")
    for case_id, text in texts.items():
        shell.look("start", "--customer", "cus_parcel", "--case-id", case_id, text)
    done = shell.run([sys.executable, WORKER, *texts], 0, {"PYTHONPATH": code}).json()
    assert done["code"] == code
    return list(done["states"])


def test_the_page_adds_an_agent_that_works_on_a_case_by_one_file_and_one_line(
    shell: Shell,
) -> None:
    code = shell.folder / "code"
    shipped = code_of(code)
    [before] = outcomes(shell, before="Where is my parcel?")
    assert "shipping" not in before["sections"]

    file, registry = follow(code)
    written = code_of(code)
    assert set(written) - set(shipped) == {file}
    assert {name for name in shipped if written[name] != shipped[name]} == {registry}
    assert lines_added(shipped[registry], written[registry]) == 1
    alone, both = outcomes(
        shell,
        alone="Where is my parcel?",
        both="I was charged twice, and my parcel has not come.",
    )

    assert alone["sections"]["shipping"] == {"status": "done", "error": None, "parcels": 1}
    assert alone["status"] == "answered"
    assert "shipping:1" in alone["completed_steps"]
    assert both["sections"]["shipping"]["parcels"] == 1
    assert both["sections"]["refund"]["amount"]["amount_minor"] == 4999
    page = shell.casekeeper("show", "alone", PYTHONPATH=str(code))
    assert "shipping" in page.out
