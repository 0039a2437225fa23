"""Each of the nine mutants is noticed, by the test that names what it breaks."""

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.faults.mutants.mutants import MUTANTS, Edit, Mutant
from tests.faults.mutants.mutate import (
    copy_tree,
    failed_by_assertion,
    mutate,
    restore,
    run_tests,
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree for all mutants, one after another."""
    return copy_tree(tmp_path_factory.mktemp("mutants") / "tree")


@pytest.fixture
def mutated(tree: Path, mutant: Mutant) -> Generator[Path]:
    mutate(tree, mutant)
    yield tree
    restore(tree, mutant)


def test_without_a_mutant_every_killer_passes(tree: Path) -> None:
    ran = run_tests(tree, [mutant.killer for mutant in MUTANTS])

    assert ran.returncode == 0, ran.stdout
    assert f"{len(MUTANTS)} passed" in ran.stdout


@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_a_mutant_is_killed_by_the_test_that_says_why(mutant: Mutant, mutated: Path) -> None:
    ran = run_tests(mutated, [mutant.killer])

    assert failed_by_assertion(ran.stdout) == {mutant.killer}, f"{mutant.why}\n{ran.stdout}"


def test_there_are_nine_mutants_with_a_name_of_their_own() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == 9


def test_a_mutant_whose_place_in_the_code_is_gone_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("one one", "utf-8")
    for old in ("one", "two"):
        lost = Mutant("lost", "", "", (Edit("a.py", old, "three"),))
        with pytest.raises(ValueError, match=r"a\.py has"):
            mutate(tmp_path, lost)
