"""How a case reads for people."""

import pytest

from cases.approvals import ApprovalSection, ApprovalState
from starters.case_view import as_json, print_case
from tests.samples import case, usd


@pytest.mark.parametrize(
    ("names", "note", "line"),
    [
        ((), "", "600.00 USD: approved"),
        (("ann",), "", "600.00 USD: approved by ann"),
        (("ann", "bob"), "seen", "600.00 USD: approved by ann and bob: seen"),
    ],
)
def test_an_approval_names_everyone_who_decided(
    names: tuple[str, ...], note: str, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    approval = ApprovalSection(
        approval_id="apr_1",
        state=ApprovalState.APPROVED,
        amount=usd("600.00"),
        digest="d",
        decided_by=names,
        note=note,
    )
    view = as_json(case(approval))

    print_case(view)

    lines = [text.strip() for text in capsys.readouterr().out.splitlines()]
    assert view["sections"]["approval"]["decided_by"] == list(names)
    assert [text for text in lines if text.startswith("approval ")] == [f"approval  {line}"]
