"""`start`: one case or many, each once."""

import asyncio
from collections.abc import Callable

from temporalio.client import Client

from starters.session import Session
from starters.start import NewCase, start_case
from tests.conftest import SmallWorld, WorkerFactory
from tests.starters.conftest import CommandLine
from tests.starters.test_every_command import assert_refused, assert_refused_as_json

TEXT = "I was charged twice."


async def runs(client: Client, case_id: str) -> list[str]:
    """The run ids that Temporal has of a case; its visibility lags a little."""
    found: list[str] = []
    for _ in range(50):
        found = [run.run_id async for run in client.list_workflows(f"WorkflowId = '{case_id}'")]
        if found:
            break
        await asyncio.sleep(0.1)
    return found


async def test_a_case_started_twice_is_one_case(
    casekeeper: CommandLine, case_id: str, client: Client
) -> None:
    line = ("start", "--customer", "cus_1", "--case-id", case_id)
    first = (await casekeeper(*line, TEXT, "--json")).json()
    assert first["case_id"] == first["workflow_id"] == case_id
    assert first["existing"] is False
    assert first["run_id"] in first["web_url"]

    exists = f"Case {case_id} exists already."
    assert_refused(await casekeeper(*line, TEXT), 4, exists)
    assert_refused_as_json(await casekeeper(*line, TEXT, "--json"), 4, exists)
    assert_refused(await casekeeper(*line, "Other words."), 4, exists)

    for text in (TEXT, "Other words."):
        again = await casekeeper(*line, text, "--use-existing", "--json")
        assert again.code == 0
        assert again.json() == {**first, "existing": True}
    assert "is open already" in (await casekeeper(*line, TEXT, "--use-existing")).out
    other = ("start", "--customer", "cus_2", "--case-id", case_id, "--use-existing", TEXT)
    assert_refused(await casekeeper(*other), 4, exists)

    assert await runs(client, case_id) == [first["run_id"]]
    [message] = (await casekeeper("show", case_id, "--json")).json()["messages"]
    assert message["text"] == TEXT


async def test_a_case_started_at_once_from_many_sides_is_one_case(
    session: Session, case_id: str, client: Client
) -> None:
    case = NewCase(case_id=case_id, customer_id="cus_1", text=TEXT)
    starts = [start_case(session, case) for _ in range(12)]
    results = await asyncio.gather(*starts, return_exceptions=True)
    refused = [str(result) for result in results if isinstance(result, Exception)]
    assert refused == [f"Case {case_id} exists already."] * 11
    assert len(await runs(client, case_id)) == 1
    assert len((await session.stores.cases.load(case_id, "main")).messages) == 1


async def test_a_start_that_was_cut_off_can_be_repeated(
    casekeeper: CommandLine, case_id: str, session: Session, world: SmallWorld
) -> None:
    ref, request = NewCase.check(world.customer_id, TEXT, case_id).opening()
    await session.stores.record.open(ref, request)
    assert_refused(await casekeeper("say", case_id, "Hello?"), 3, "its start was cut off")
    begun = await casekeeper("start", "--customer", world.customer_id, "--case-id", case_id, TEXT)
    assert begun.code == 0


async def test_a_case_can_be_followed_to_its_end(
    casekeeper: CommandLine, world: SmallWorld, run_worker: WorkerFactory, case_id: str
) -> None:
    await world.twins(4999)
    line = ("start", "--customer", world.customer_id, "--case-id", case_id, TEXT, "--wait")
    async with run_worker():
        done = await casekeeper(*line, "--json")
    assert done.json()["status"] == "answered"
    assert_refused(await casekeeper(*line[:-1], "--use-existing"), 4, "exists already")


async def test_who_waits_is_told_that_a_person_must_decide(
    casekeeper: CommandLine, world: SmallWorld, run_worker: WorkerFactory, case_id: str
) -> None:
    await world.twins(120_000)
    async with run_worker():
        waiting = asyncio.create_task(
            casekeeper("start", "--customer", world.customer_id, "--case-id", case_id, TEXT,
                       "--wait", "--json")
        )  # fmt: skip
        await asyncio.sleep(3)
        handle = world.session.handle(case_id)
        await handle.cancel()
        done = await waiting
    assert done.json()["status"] == "cancelled"
    assert f"{case_id} waits for a person: `casekeeper approve {case_id}`" in done.err


async def test_a_file_opens_its_cases_each_once(
    casekeeper: CommandLine, jsonl: Callable[..., str], run_worker: WorkerFactory, number: str
) -> None:
    ids = [f"file_{number}_{place}" for place in range(12)]
    path = jsonl(*({"case_id": i, "customer_id": "cus_none", "text": TEXT} for i in ids), "")
    async with run_worker():
        done = await casekeeper("start", "--file", path, "--wait", "--json")
        again = await casekeeper("start", "--file", path)
        taken = await casekeeper("start", "--file", path, "--wait", "--use-existing")
    assert done.json() == {
        "started": sorted(ids),
        "existing": [],
        "statuses": dict.fromkeys(ids, "manual_review"),
    }
    assert_refused(again, 4, f"12 of 12 cases (the first: {min(ids)}) existed already; 0 were")
    assert taken.out == (
        "0 cases were opened, 12 existed already.\nAll have ended: 12 manual review.\n"
    )


async def opened_by(session: Session, case_id: str) -> str:
    who = "SELECT opened_by FROM cases WHERE case_id = $1"
    return str(await session.stores.pool.fetchval(who, case_id))


async def test_who_asks_for_the_customer_is_on_record(
    casekeeper: CommandLine, case_id: str, session: Session
) -> None:
    line = ("start", "--customer", "cus_1", "--case-id", case_id, TEXT)
    assert (await casekeeper(*line, "--by", "ana")).code == 0
    assert await opened_by(session, case_id) == "ana"
    assert (await casekeeper(*line, "--by", "bo", "--use-existing")).code == 0
    assert await opened_by(session, case_id) == "ana"
    for wrong in ("a b", ""):  # a variable of the shell that is not set must not go unnoticed
        refused = await casekeeper(*line, "--by", wrong)
        assert_refused(refused, 2, f"opened_by: {wrong!r} is not an id")


async def test_a_files_lines_may_each_say_who_asks_for_the_customer(
    casekeeper: CommandLine, case_id: str, session: Session, jsonl: Callable[..., str]
) -> None:
    case = {"customer_id": "cus_1", "text": TEXT}
    own = {**case, "case_id": f"{case_id}-1", "opened_by": "bo"}
    others = [{**case, "case_id": f"{case_id}-2"}, {**case, "case_id": f"{case_id}-3"}]
    file = jsonl(own, others[0], {**others[1], "opened_by": None})
    assert (await casekeeper("start", "--file", file, "--by", "ana")).code == 0
    assert [await opened_by(session, f"{case_id}-{n}") for n in (1, 2, 3)] == ["bo", "ana", "ana"]
    for wrong in (0, 7, "", "a b", ["ana"], []):
        bad = jsonl({**own, "opened_by": wrong})
        assert_refused(await casekeeper("start", "--file", bad), 2, "line 1, opened_by: ")
