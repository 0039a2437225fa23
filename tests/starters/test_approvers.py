"""Who may approve: added with a limit per currency, listed without tokens, revoked for good."""

import stat
from pathlib import Path

import pytest

from starters.session import Session
from stores.approvers import token_hash
from tests.conftest import SmallWorld, WorkerFactory
from tests.starters.conftest import CommandLine
from tests.starters.test_approve import use_stack
from tests.starters.test_every_command import assert_refused, assert_refused_as_json
from tests.workflows.support import audit_of, parked


@pytest.fixture
def name(number: str) -> str:
    return f"kim-{number}"


async def test_an_approver_is_added_with_limits_and_their_token_is_kept_private(
    casekeeper: CommandLine, session: Session, name: str, home: Path
) -> None:
    limits = ("--limit", "USD=500.00", "--limit", "JPY=75000", "--limit", "bhd=190.000")
    done = (await casekeeper("approvers", "add", name, *limits, "--json")).json()

    path = home / "approvers" / f"{name}.token"
    assert done["limits"] == [
        {"amount_minor": 50_000, "currency": "USD"},
        {"amount_minor": 75_000, "currency": "JPY"},
        {"amount_minor": 190_000, "currency": "BHD"},
    ]
    assert done["token_file"] == str(path)
    assert path.read_text() == done["token"] + "\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert await session.stores.approvers.name_of(done["token"]) == name
    path.unlink()


async def test_people_are_told_the_token_once_and_where_it_lies(
    casekeeper: CommandLine, name: str, home: Path
) -> None:
    path = home / "approvers" / f"{name}.token"
    shown = (await casekeeper("approvers", "add", name, "--limit", "USD=1.00")).out

    token = path.read_text().strip()
    assert f"Token: {token}\n" in shown
    assert f"It is saved in {path}.\n" in shown
    assert f"{name} may approve up to 1.00 USD" in shown
    for line in (("list",), ("list", "--json")):
        listed = await casekeeper("approvers", *line)
        assert name in "".join(listed.out.split())
        assert token not in listed.out
        assert token_hash(token).hex() not in listed.out
    path.unlink()


async def test_the_list_says_up_to_what_since_when_and_who_is_revoked(
    casekeeper: CommandLine, name: str, number: str, home: Path
) -> None:
    more = ("--limit", "USD=500.00", "--limit", "JPY=75000", "--customer", f"cus_{number}")
    await casekeeper("approvers", "add", name, *more)
    await casekeeper("approvers", "revoke", name)
    listed = (await casekeeper("approvers", "list", "--json")).json()["approvers"]
    [one] = [row for row in listed if row["name"] == name]

    assert one["limits"] == [
        {"amount_minor": 75_000, "currency": "JPY"},
        {"amount_minor": 50_000, "currency": "USD"},
    ]
    assert one["customer_id"] == f"cus_{number}"
    assert one["since"] < one["revoked_at"]
    assert set(one) == {"name", "limits", "customer_id", "since", "revoked_at"}
    shown = await casekeeper("approvers", "list")
    assert max(map(len, shown.out.splitlines())) <= 80
    assert {"name", "since", "revoked"} <= set(shown.out.split())
    (home / "approvers" / f"{name}.token").unlink()


async def test_who_is_revoked_may_not_decide_and_revoking_again_changes_nothing(
    casekeeper: CommandLine, session: Session, name: str
) -> None:
    token = await session.stores.approvers.add(name, {"USD": 1})
    first = (await casekeeper("approvers", "revoke", name, "--json")).json()
    again = (await casekeeper("approvers", "revoke", name, "--json")).json()

    assert first["changed"]
    assert again == {**first, "changed": False}
    assert await session.stores.approvers.name_of(token or "") is None
    shown = await casekeeper("approvers", "revoke", name)
    words = f"{name} may not approve since {first['revoked_at'][:10]} already: nothing has changed."
    assert shown.out.split() == words.split()


@pytest.mark.parametrize("revoked", [False, True])
async def test_a_name_belongs_to_one_person_for_ever(
    casekeeper: CommandLine, session: Session, name: str, revoked: bool
) -> None:
    token = await session.stores.approvers.add(name, {"USD": 1})
    if revoked:
        await casekeeper("approvers", "revoke", name)

    for taken in (name, name.upper()):
        line = ("approvers", "add", taken, "--limit", "USD=9.00")
        words = f"The name {taken} is or was an approver's"
        assert_refused(await casekeeper(*line), 4, words)
        assert_refused_as_json(await casekeeper(*line, "--json"), 4, words)
    found = [one for one in await session.stores.approvers.all() if one.name == name]
    assert [one.limits[0].amount_minor for one in found] == [1]
    assert (await session.stores.approvers.name_of(token or "") is None) == revoked


async def test_nobody_is_revoked_who_was_never_added(casekeeper: CommandLine) -> None:
    refused = await casekeeper("approvers", "revoke", "no_such_name")
    assert_refused(refused, 3, "There is no approver no_such_name.")
    assert_refused(await casekeeper("approvers", "revoke", "a b"), 2, "NAME: 'a b' is not an id")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (("kim",), "Missing option '--limit'"),
        (("kim", "--limit", "500"), "--limit: '500' is not like USD=500.00"),
        (("kim", "--limit", "USD=5=9"), "'5=9' is not a plain decimal number"),
        (("kim", "--limit", "USD=5e2"), "'5e2' is not a plain decimal number"),
        (("kim", "--limit", "USD=1,000"), "'1,000' is not a plain decimal number"),
        (("kim", "--limit", "USD=five"), "'five' is not a plain decimal number"),
        (("kim", "--limit", "USD=1.001"), "'1.001' has too many digits for USD"),
        (("kim", "--limit", "JPY=75000.5"), "'75000.5' has too many digits for JPY"),
        (("kim", "--limit", "DOLLARS=5"), "'DOLLARS' is not a three-letter code"),
        (("kim", "--limit", "USD=0"), "--limit: 'USD=0' is not above zero"),
        (("kim", "--limit", "USD=-5"), "--limit: 'USD=-5' is not above zero"),
        (("kim", "--limit", "USD=5", "--limit", "usd=6"), "--limit: USD is given twice"),
        (("kim@x", "--limit", "USD=5"), "NAME: 'kim@x' is not an id"),
        (("k\udc80", "--limit", "USD=5"), "NAME: "),
        (("Ledger", "--limit", "USD=5"), "NAME: 'Ledger' is what the audit calls a part of"),
        (("billing", "--limit", "USD=5"), "NAME: 'billing' is what the audit calls a part of"),
        (("kim", "--limit", "USD=5", "--customer", "a b"), "--customer: 'a b' is not an id"),
    ],
)
async def test_what_cannot_be_used_is_named_and_nobody_is_added(
    line: tuple[str, ...], words: str, casekeeper: CommandLine, session: Session
) -> None:
    before = await session.stores.approvers.all()
    assert_refused(await casekeeper("approvers", "add", *line), 2, words)
    assert_refused_as_json(await casekeeper("approvers", "add", *line, "--json"), 2, words)
    assert await session.stores.approvers.all() == before


async def test_only_the_tables_owner_adds_and_revokes(
    casekeeper: CommandLine, session: Session, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_stack(monkeypatch, session)
    words = "This role of Postgres may not change who approves: set OWNER_DATABASE_URL"
    add = ("approvers", "add", name, "--limit", "USD=1.00")
    assert_refused(await casekeeper(*add), 1, words)
    assert_refused(await casekeeper("approvers", "revoke", "lead"), 1, words)
    assert (await casekeeper("approvers", "list")).code == 0
    assert await session.stores.approvers.any()

    monkeypatch.setenv("OWNER_DATABASE_URL", session.servers.owner_database_url)
    done = await casekeeper(*add, "--json")
    assert done.json()["token_file"] is None
    assert await session.stores.approvers.name_of(done.json()["token"]) == name


async def test_a_database_of_another_schema_is_left_alone(
    casekeeper: CommandLine, session: Session, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_stack(monkeypatch, session)
    address, _, _ = session.servers.owner_database_url.rpartition("/")
    monkeypatch.setenv("OWNER_DATABASE_URL", f"{address}/postgres")
    add = ("approvers", "add", name, "--limit", "USD=1.00")
    assert_refused(await casekeeper(*add), 1, "schema version 0", "run `casekeeper migrate`")


async def test_what_was_approved_by_who_is_revoked_before_the_refund_goes_to_a_person(
    casekeeper: CommandLine,
    world: SmallWorld,
    run_worker: WorkerFactory,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await world.twins(120_000)
    async with run_worker():
        handle = await world.start("You billed me twice.")
        await parked(handle)
    token = await world.session.stores.approvers.add(name, {"USD": 120_000})
    monkeypatch.setenv("CASEKEEPER_APPROVER_TOKEN", token or "")
    assert (await casekeeper("approve", handle.id)).code == 0
    shown = (await casekeeper("approvers", "revoke", name)).out
    assert "what only they have approved is not paid" in " ".join(shown.split())
    async with run_worker():
        assert (await handle.result()).status == "manual_review"

    assert await world.refunds() == []
    assert "not_approved" in await audit_of(world, "effect_refused")
