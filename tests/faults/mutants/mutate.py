"""Puts a mutant into a copy of the tree, and runs tests there."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from tests.faults.mutants.mutants import Mutant

_ROOT = Path(__file__).parents[3]
#: What no test needs, and what belongs to this tree alone.
_LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "docs", "deploy", "*.egg-info")
#: A failed assertion, and not an error on the way to it: the mutant is wrong in what it does.
_FAILED = re.compile(r"^FAILED (\S+) - (?:assert|AssertionError)", re.MULTILINE)
_TIMEOUT_S = 180


def copy_tree(to: Path) -> Path:
    """A copy of this tree, without its history and its environment."""
    return shutil.copytree(_ROOT, to, ignore=_LEFT_OUT)


def mutate(tree: Path, mutant: Mutant) -> None:
    """Put the mutant in; raises ValueError where an edit does not apply exactly once."""
    for edit in mutant.edits:
        file = tree / edit.file
        text = file.read_text("utf-8")
        if text.count(edit.old) != 1:
            raise ValueError(f"{mutant}: {edit.file} has {text.count(edit.old)} of {edit.old!r}")
        file.write_text(text.replace(edit.old, edit.new), "utf-8")


def restore(tree: Path, mutant: Mutant) -> None:
    """Take the mutant out again."""
    for edit in mutant.edits:
        shutil.copy(_ROOT / edit.file, tree / edit.file)


def run_tests(tree: Path, tests: Iterable[str]) -> subprocess.CompletedProcess[str]:
    """Run tests with the code of that tree."""
    options = ("-q", "--tb=short", "-rf", "--color=no", "-p", "no:cacheprovider")
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, *tests],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree), "COLUMNS": "500"},
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )


def failed_by_assertion(output: str) -> set[str]:
    """The tests that found something else than they must."""
    return set(_FAILED.findall(output))
