"""The customers' data keys in Postgres: made once, shared by all processes, destroyed for good."""

import asyncio
import dataclasses
from pathlib import Path

import pytest

from cases.errors import CaseAlreadyExists, CustomerErased, CustomerKeyMissing, DamagedBody
from cases.state import CaseStatus
from cases.tasks import TaskKind
from runtime.keys import CUSTOMER_KEYS, KeyFile, ensure_keys
from stores import customer_keys
from stores.audit import PostgresAudit
from stores.cases import PostgresCases
from stores.customer_keys import ERASED_TEXT, CustomerKeys
from stores.erasure import CustomerBusy, CustomerUnknown, PostgresErasure
from stores.postgres import Pool
from stores.seals import MARK
from stores.tasks import PostgresTasks
from tests.stores.support import probe, request
from workers.composition import Stores


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return ensure_keys(tmp_path / "customer-keys.json")


@dataclasses.dataclass(frozen=True)
class Process:
    """What one process has in memory."""

    keys: CustomerKeys
    cases: PostgresCases
    audit: PostgresAudit


@pytest.fixture
def one(stores: Stores, key_file: Path) -> Process:
    return process(stores.pool, key_file)


@pytest.fixture
def another(stores: Stores, key_file: Path) -> Process:
    return process(stores.pool, key_file)


def process(pool: Pool, key_file: Path | None) -> Process:
    keys = CustomerKeys(pool, KeyFile(key_file, CUSTOMER_KEYS) if key_file else None)
    return Process(keys, PostgresCases(pool, keys), PostgresAudit(pool, keys))


async def living(pool: Pool, customer: str) -> list[str]:
    rows = await pool.fetch(
        "SELECT key_id FROM customer_keys WHERE customer_id = $1 AND wrapped IS NOT NULL", customer
    )
    return [row["key_id"] for row in rows]


async def opened(at: Process, number: str, *, case: str = "k") -> str:
    case_id = f"case_{number}{case}"
    await at.cases.open(case_id, "main", f"cus_{number}", request())
    return case_id


async def closed(at: Process, number: str, *, case: str = "k") -> str:
    """A case that has ended."""
    case_id = await opened(at, number, case=case)
    ending = probe("what was said").model_copy(update={"status": CaseStatus.ANSWERED})
    await at.cases.commit(case_id, "main", [ending], {})
    return case_id


async def test_what_is_stored_of_a_customer_is_sealed_and_read_as_it_was(
    one: Process, another: Process, stores: Stores, number: str
) -> None:
    case_id = await opened(one, number)
    await one.cases.commit(case_id, "main", [probe("what was said")], {})

    for table in ("messages", "sections"):
        bodies = await stores.pool.fetch(f"SELECT body FROM {table} WHERE case_id = $1", case_id)  # noqa: S608
        assert all(row["body"].startswith(MARK) for row in bodies)
        assert bodies
    for at in (one, another):
        state = await at.cases.load(case_id, "main")
        assert state.messages[0].text == request().text
        assert state.sections["probe"].model_dump()["content"] == "what was said"
    assert len(await living(stores.pool, f"cus_{number}")) == 1


async def test_a_customer_has_one_key_however_many_processes_open_cases_at_once(
    stores: Stores, key_file: Path, number: str
) -> None:
    processes = [process(stores.pool, key_file) for _ in range(6)]

    cases = await asyncio.gather(
        *(opened(at, number, case=f"-{place}") for place, at in enumerate(processes))
    )

    assert len(await living(stores.pool, f"cus_{number}")) == 1
    for at in processes:
        for case_id in cases:
            assert (await at.cases.load(case_id, "main")).messages[0].text == request().text


async def test_opening_the_same_case_again_is_seen_though_it_is_sealed(
    one: Process, another: Process, number: str
) -> None:
    case_id = await opened(one, number)

    again = await another.cases.open(case_id, "main", f"cus_{number}", request())

    assert again.repeated
    with pytest.raises(CaseAlreadyExists):
        await another.cases.open(case_id, "main", f"cus_{number}", request("Other words."))


async def test_without_the_file_of_keys_nothing_that_is_sealed_can_be_read(
    one: Process, stores: Stores, number: str, tmp_path: Path
) -> None:
    case_id = await opened(one, number)
    elsewhere = ensure_keys(tmp_path / "other-keys.json")

    with pytest.raises(CustomerKeyMissing, match="name the file of their keys"):
        await process(stores.pool, None).cases.load(case_id, "main")
    with pytest.raises(CustomerKeyMissing, match="is not in the file of CASEKEEPER_CUSTOMER_KEYS"):
        await process(stores.pool, elsewhere).cases.load(case_id, "main")


async def test_what_was_stored_in_clear_is_still_read_and_goes_on_sealed(
    one: Process, stores: Stores, number: str
) -> None:
    case_id = await opened(process(stores.pool, None), number)

    await one.cases.commit(case_id, "main", [probe("sealed from now on")], {})

    state = await one.cases.load(case_id, "main")
    assert state.messages[0].text == request().text
    in_clear = await PostgresErasure(stores.pool).left_in_clear(f"cus_{number}")
    assert in_clear == {"messages": 1}


async def test_a_changed_body_is_damaged_and_not_shown_as_a_text(
    one: Process, another: Process, owner: Pool, number: str
) -> None:
    case_id = await opened(one, number)
    async with owner.acquire() as connection, connection.transaction():
        await connection.execute("ALTER TABLE messages DISABLE TRIGGER USER")
        await connection.execute(
            "UPDATE messages SET body = set_byte(body, 40, get_byte(body, 40) # 1) "
            "WHERE case_id = $1",
            case_id,
        )
        await connection.execute("ALTER TABLE messages ENABLE TRIGGER USER")

    with pytest.raises(DamagedBody, match="changed since"):
        await another.cases.load(case_id, "main")
    assert any(
        "value it recorded was changed" in f for f in await one.audit.verify(case_id, "main")
    )


async def test_erasing_destroys_the_key_leaves_the_audit_whole_and_says_so_in_each_case(
    one: Process, another: Process, stores: Stores, owner: Pool, number: str
) -> None:
    cases = [await closed(one, number, case=case) for case in "ab"]
    customer = f"cus_{number}"

    assert await PostgresErasure(owner).erase(customer, "kim", "asked for") == 1

    assert await living(stores.pool, customer) == []
    for case_id in cases:
        with pytest.raises(CustomerErased, match=case_id):
            await another.cases.load(case_id, "main")
        assert await another.audit.verify(case_id, "main") == []
        trail = await another.audit.trail(case_id, "main")
        newest, *older = trail
        assert (newest.event, newest.actor, newest.detail) == (
            "customer_erased",
            "kim",
            "asked for",
        )
        assert [row.value for row in older if row.section] == [ERASED_TEXT]
    assert await PostgresErasure(owner).erase(customer, "kim", "again") == 0
    for case_id in cases:
        trail = await another.audit.trail(case_id, "main")
        assert [row.event for row in trail].count("customer_erased") == 1


async def test_a_customer_who_comes_back_gets_a_new_key_that_opens_nothing_old(
    one: Process, owner: Pool, number: str
) -> None:
    old = await closed(one, number)
    [before] = await living(owner, f"cus_{number}")
    await PostgresErasure(owner).erase(f"cus_{number}", "kim", "asked for")

    new = await opened(one, number, case="new")  # this process still remembers the old key

    [after] = await living(owner, f"cus_{number}")
    assert before != after
    assert (await one.cases.load(new, "main")).messages[0].text == request().text
    with pytest.raises(CustomerErased):
        await process(owner, one_file(one)).cases.load(old, "main")


def one_file(at: Process) -> Path:
    """The file of keys that a process reads."""
    wrapping = at.keys._wrapping  # pyright: ignore[reportPrivateUsage]
    assert isinstance(wrapping, KeyFile)
    return wrapping.path


async def test_a_process_forgets_a_destroyed_key_within_a_minute(
    one: Process, owner: Pool, number: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(customer_keys, "REMEMBERED_S", 0.2)
    case_id = await closed(one, number)
    await PostgresErasure(owner).erase(f"cus_{number}", "kim", "asked for")

    await asyncio.sleep(0.25)

    with pytest.raises(CustomerErased):
        await one.cases.load(case_id, "main")


async def test_a_customer_with_an_open_case_is_not_erased(
    one: Process, owner: Pool, number: str
) -> None:
    await closed(one, number, case="a")
    case_id = await opened(one, number, case="b")

    with pytest.raises(CustomerBusy, match=f"- case {case_id}$"):
        await PostgresErasure(owner).erase(f"cus_{number}", "kim", "asked for")

    assert len(await living(owner, f"cus_{number}")) == 1
    with pytest.raises(CustomerUnknown, match="no_such"):
        await PostgresErasure(owner).erase("no_such", "kim", "asked for")


async def test_a_customer_with_a_task_for_a_person_is_not_erased(
    one: Process, owner: Pool, number: str
) -> None:
    case_id = await closed(one, number)
    tasks = PostgresTasks(owner, one.keys)
    task = await tasks.open(TaskKind.RUN_ENDED, case_id, "look", case=(case_id, "main"))

    with pytest.raises(CustomerBusy, match=f"- task {task}"):
        await PostgresErasure(owner).erase(f"cus_{number}", "kim", "asked for")
    # Its detail is sealed with a key that only this test has: nobody else could list it.
    await owner.execute("UPDATE tasks SET closed_at = now() WHERE task_id = $1", task)
