"""`casekeeper erase` and `casekeeper keys ... --customers`, on servers of their own."""

import asyncio
from pathlib import Path

import pytest

import starters.codec
from cases.errors import CustomerKeyMissing
from cases.money import Money
from runtime import keys
from runtime.keys import CUSTOMER_KEY_FILE, CUSTOMER_KEYS, KeyFile, read_keys
from stores.cases import PostgresCases
from stores.customer_keys import CustomerKeys, unwrap
from stores.postgres import Pool
from tests.conftest import SmallWorld, WorkerFactory
from tests.starters.conftest import CommandLine
from tests.stores.support import request
from tests.workflows.support import BILLING, finish

WHY = ("--reason", "asked for", "--by", "kim", "--yes")


@pytest.fixture
async def answered(world: SmallWorld, run_worker: WorkerFactory) -> SmallWorld:
    """A customer whose case was paid and answered."""
    await world.twins()
    async with run_worker():
        assert await finish(await world.start(BILLING)) == "answered"
    return world


async def test_an_erased_case_shows_its_history_and_sums_and_nothing_of_the_customer(
    answered: SmallWorld, casekeeper: CommandLine, owner: Pool
) -> None:
    case_id = f"case_{answered.number}"

    done = await casekeeper("erase", answered.customer_id, *WHY)

    assert done.code == 0
    assert f"{answered.customer_id} is erased: what 1 case held is unreadable." in done.out
    for command in ("show", "explain"):
        refused = await casekeeper(command, case_id)
        assert (refused.code, refused.out) == (3, "")
        assert f"What case {case_id} held of its customer was erased." in refused.err
    history = (await casekeeper("history", case_id, "--json")).json()
    assert history["checkpoints"][-1]["status"] == "answered"
    trail = (await casekeeper("audit", case_id, "--json")).json()["rows"]
    assert {row["value"] for row in trail if row["section"]} == {"(erased)"}
    assert (await casekeeper("audit", case_id, "--verify")).code == 0
    paid = await owner.fetchrow(
        "SELECT amount_minor, currency FROM effects WHERE case_id = $1 AND kind = 'refund'", case_id
    )
    assert paid
    assert Money(**dict(paid)) == Money(amount_minor=4999, currency="USD")


async def test_of_who_was_erased_the_tables_own_invariants_are_still_checked(
    answered: SmallWorld, casekeeper: CommandLine
) -> None:
    case_id = f"case_{answered.number}"
    assert (await casekeeper("erase", answered.customer_id, *WHY)).code == 0

    done = await casekeeper("invariants", "--case", case_id, "--json")

    assert (done.code, done.json()["lines"], done.json()["case_ids"]) == (0, 1, [])


async def test_a_backtest_passes_over_who_was_erased(
    answered: SmallWorld, casekeeper: CommandLine
) -> None:
    policy = str(Path(__file__).parents[2] / "cases" / "refund_policy.toml")
    await casekeeper("erase", answered.customer_id, *WHY)

    report = (await casekeeper("backtest", "--policy", policy, "--json")).json()

    [skipped] = [one for one in report["skipped"] if one["reason"] == "erased"]
    assert f"case_{answered.number}" in skipped["case_ids"]


async def test_who_has_an_open_case_is_not_erased_and_the_case_is_named(
    world: SmallWorld, casekeeper: CommandLine
) -> None:
    await world.start(BILLING)

    done = await casekeeper("erase", world.customer_id, *WHY)

    assert done.code == 4
    assert f"- case case_{world.number}" in done.err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("no_such_customer", *WHY), 3, "Nothing is on record of a customer no_such_customer."),
        (("sam@example.com", *WHY), 2, "CUSTOMER: 'sam@example.com' is not an id"),
        (("cus_1", "--reason", " ", "--by", "kim", "--yes"), 2, "--reason"),
        (("cus_1", "--reason", "asked", "--by", "a b", "--yes"), 2, "--by"),
        (("cus_1", "--reason", "asked", "--by", "kim"), 2, "say --yes"),
    ],
    ids=["unknown", "no id", "no reason", "no name", "nobody to ask"],
)
async def test_what_cannot_be_erased_is_refused_with_a_sentence(
    casekeeper: CommandLine, arguments: tuple[str, ...], code: int, words: str
) -> None:
    done = await casekeeper("erase", *arguments)

    assert done.code == code
    assert words in done.err


async def test_after_a_rotation_all_is_wrapped_anew_and_an_old_backup_opens_nothing(
    answered: SmallWorld,
    casekeeper: CommandLine,
    owner: Pool,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(starters.codec, "SETTLED_S", 0)  # nobody else is there
    backup = await owner.fetch("SELECT * FROM customer_keys WHERE wrapped IS NOT NULL")
    file = home / CUSTOMER_KEY_FILE

    rotated = (await casekeeper("keys", "rotate", "--customers", "--json")).json()
    forgotten = (await casekeeper("keys", "forget", "--json")).json()

    [newest] = [key["id"] for key in rotated["keys"] if key["encrypts"]]
    assert list(read_keys(file, CUSTOMER_KEYS).keys) == [newest]
    assert forgotten["wrapped_anew"] == len(backup)
    shown = await casekeeper("show", f"case_{answered.number}", "--json")
    assert shown.json()["status"] == "answered"
    for row in backup:
        with pytest.raises(CustomerKeyMissing):
            unwrap(row, KeyFile(file, CUSTOMER_KEYS))


async def test_what_a_process_still_wraps_with_an_old_key_is_not_lost_as_that_is_forgotten(
    casekeeper: CommandLine,
    owner: Pool,
    home: Path,
    number: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(starters.codec, "SETTLED_S", 5)
    monkeypatch.setattr(keys, "LOOK_AGAIN_S", 60)
    file, case_id = home / CUSTOMER_KEY_FILE, f"case_{number}"
    behind = CustomerKeys(owner, KeyFile(file, CUSTOMER_KEYS))
    assert (await casekeeper("keys", "rotate", "--customers")).code == 0

    forgetting = asyncio.create_task(casekeeper("keys", "forget"))
    await asyncio.sleep(2)
    await PostgresCases(owner, behind).open(case_id, "main", f"cus_{number}", request())
    assert (await forgetting).code == 0

    now = CustomerKeys(owner, KeyFile(file, CUSTOMER_KEYS))
    state = await PostgresCases(owner, now).load(case_id, "main")
    assert state.messages[0].text == request().text


async def test_a_key_that_is_only_prepared_is_not_forgotten(
    casekeeper: CommandLine, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starters.codec, "SETTLED_S", 0)
    await casekeeper("keys", "rotate", "--customers")
    await casekeeper("keys", "rotate", "--customers", "--prepare")
    ring = read_keys(home / CUSTOMER_KEY_FILE, CUSTOMER_KEYS)

    assert (await casekeeper("keys", "forget")).code == 0

    left = read_keys(home / CUSTOMER_KEY_FILE, CUSTOMER_KEYS)
    assert left.newest == ring.newest
    assert list(left.keys) == list(ring.keys)[-2:]


async def test_a_new_key_for_customers_leaves_that_of_payloads_alone(
    casekeeper: CommandLine,
) -> None:
    payloads = (await casekeeper("keys", "list", "--json")).json()

    customers = (await casekeeper("keys", "rotate", "--customers", "--json")).json()

    assert (await casekeeper("keys", "list", "--json")).json() == payloads
    assert (await casekeeper("keys", "list", "--customers", "--json")).json() == customers
    assert customers["file"] != payloads["file"]
