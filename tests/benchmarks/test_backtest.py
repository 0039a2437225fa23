"""The benchmark of the backtest, with a few cases on the session's servers."""

import json
import os
import subprocess
import sys
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path

import pytest

from benchmarks.backtest import TRANSACTIONS_OF_A_RUN, Costs, cpu_s, main, measure
from runtime.servers import Servers
from runtime.settings import Settings
from tests.workflows.test_budgets import POSTGRES_TRANSACTIONS

COSTS = Costs(cases=1000, statements=20, seconds=0.5, cpu_ms=0.2, cases_run=100, run_cpu_ms=160.0)


async def test_it_runs_cases_and_judges_those_that_it_put_on_record(
    servers: Servers, tmp_path: Path
) -> None:
    costs = await measure(servers, Settings(home=tmp_path), Namespace(cases=12, run=2, rounds=2))

    assert costs.cases >= 10  # beside those of other tests, without the undecided
    assert costs.statements >= 3
    assert costs.statements_per_case < 1
    assert costs.run_cpu_ms > 0


def test_the_fractions_are_of_what_a_case_is_allowed_to_cost() -> None:
    assert TRANSACTIONS_OF_A_RUN == POSTGRES_TRANSACTIONS

    lines = COSTS.as_table().splitlines()

    assert [line.count("|") for line in lines[:4]] == [5] * 4
    assert lines[2] == "| Postgres transactions | 0.020 | 14 | 1/700 |"
    assert lines[3] == "| CPU ms, all processes | 0.20 | 160.0 | 1/800 |"
    assert json.loads(json.dumps(asdict(COSTS)))["cpu_ms"] == 0.2


def test_the_cpu_time_of_children_counts_also_after_their_end() -> None:
    before = cpu_s()
    burn = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass"

    subprocess.run([sys.executable, "-c", burn], env=dict(os.environ), check=True)

    assert cpu_s() - before > 0.2


@pytest.mark.parametrize("arguments", [("--cases", "0"), ("--run", "-1"), ("--rounds", "many")])
def test_a_count_below_1_is_refused_before_any_server_starts(
    arguments: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)

    assert stopped.value.code == 2
    assert "not a number from 1 on" in capsys.readouterr().err
