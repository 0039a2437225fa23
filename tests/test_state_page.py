"""The examples of docs/state.md run, in their order, on the real servers."""

import ast
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from runtime.servers import Servers

_PAGE = Path(__file__).parents[1] / "docs" / "state.md"


async def test_the_examples_run_in_their_order(
    servers: Servers, case_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = _PAGE.read_text("utf-8")
    names: dict[str, Any] = {
        "__name__": "state_page",
        "case_id": case_id,
        "database_url": servers.database_url,
        "redis_url": servers.redis_url,
    }
    blocks = list(re.finditer(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    try:
        for block in blocks:
            line = text.count("\n", 0, block.start(1))
            code = compile(
                "\n" * line + block[1], str(_PAGE), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
            )
            running = eval(code, names)  # noqa: S307  our own page
            if inspect.isawaitable(running):
                await running
    finally:
        if "pool" in names:
            await names["pool"].close()
        if "redis" in names:
            await names["redis"].aclose()

    said = capsys.readouterr().out
    assert len(blocks) >= 10
    assert "billing may not write section parcel: it belongs to shipping." in said
    assert "2 True" in said
    assert "main.3 shipping:2" in said
    assert "parcel.delivered False True" in said
    assert "1300000 1300000" in said
