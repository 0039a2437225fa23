"""Nothing is said of a record in which everything holds."""

from tests.invariants.broken import Copy
from tests.invariants.lives import LIVES


async def test_a_record_of_many_kinds_of_cases_breaks_no_invariant(copy: Copy) -> None:
    report = await copy.report()

    assert report.findings == ()
    assert report.ok
    assert report.case_ids == []
    assert report.lines == len(LIVES) + 2
