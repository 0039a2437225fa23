"""What docs/sizing.md counts is what the tests hold, and what it asks the record can be asked."""

import re

import pytest

from stores.postgres import Pool
from tests.test_packaging import ROOT
from tests.workflows import test_budgets as budgets
from workers.composition import Stores

PAGE = (ROOT / "docs" / "sizing.md").read_text("utf-8")
DISASTER = (ROOT / "docs" / "disaster.md").read_text("utf-8")
QUERIES = re.findall(r"^ *SELECT [^;`]+(?=;)|(?<=`)SELECT [^`]+", PAGE + DISASTER, re.MULTILINE)


def row(what: str) -> str:
    found = re.search(rf"^\| {re.escape(what)} \| ([^|]+) \|", PAGE, flags=re.MULTILINE)
    assert found is not None, what
    return found[1]


def test_the_counts_of_a_case_are_those_that_a_test_holds_it_to() -> None:
    assert row("Temporal history events") == f"at most {budgets.HISTORY_EVENTS}"
    assert row("Temporal history, bytes") == f"at most {budgets.HISTORY_BYTES // 1024} KiB"
    assert row("Postgres transactions") == f"{budgets.POSTGRES_TRANSACTIONS}"
    assert row("Redis round trips") == f"at most {budgets.REDIS_ROUND_TRIPS}"
    assert row("model calls") == f"at most {budgets.MODEL_CALLS}"
    assert row("waiting for a person") == f"at most {budgets.APPROVAL_EVENTS} events more"


@pytest.mark.parametrize("query", QUERIES)
async def test_every_query_of_the_pages_can_be_asked(query: str, stores: Stores) -> None:
    pool: Pool = stores.pool

    await pool.fetch(f"EXPLAIN {query}")
