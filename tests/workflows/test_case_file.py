"""The workflow's own view of a case that it begins in the middle of."""

import pytest

from workflows.case_file import CaseFile


@pytest.mark.parametrize(
    ("steps", "rounds", "texts"),
    [
        ("open", 0, 0),
        ("open message:m1", 0, 0),
        ("open message:m1 understanding:1", 0, 0),
        ("open understanding:1 billing:1 policy:1", 0, 0),
        ("open understanding:1 policy:1 message:m1", 1, 0),
        ("open understanding:1 message:m1 message:signal-1-ab", 1, 1),
        ("open understanding:1 message:m1 understanding:2 billing:2", 1, 0),
        ("open understanding:1 message:signal-1-ab understanding:2 message:signal-2-cd", 2, 2),
    ],
)
def test_a_branch_goes_on_with_the_round_that_it_is_in(steps: str, rounds: int, texts: int) -> None:
    file = CaseFile("case_1", "cus_1", "b1")
    file.state = file.state.model_copy(update={"completed_steps": tuple(steps.split())})

    assert (file.rounds_done(), file.texts_recorded()) == (rounds, texts)
