"""A sandbox of the last version is brought up to this one where it stands."""

from collections.abc import AsyncGenerator
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from cases.effects import EffectIntent, EffectState, Outcome
from gateways.sandbox.payments import SandboxPayments
from gateways.sandbox.world import prepare, show
from stores.postgres import Pool
from tests.gateways.test_sandbox_payments import refund_of
from tests.samples import usd

BEFORE = Path(__file__).with_name("sandbox_before_scripts.sql").read_text("utf-8")
NOW = files("gateways.sandbox").joinpath("schema.sql").read_text("utf-8")

FILLED = """
INSERT INTO sandbox.customers VALUES ('cus_old', 'old@example.com', 'Old', true);
INSERT INTO sandbox.charges
VALUES ('ch_old', 'cus_old', 4999, 'USD', 'Shop', 'Plan', now(), 'captured');
INSERT INTO sandbox.mails VALUES ('ml_1', 'reset', 'cus_old', 'case_1', 'Hi', now(), 'rs1_1');
"""
REFUNDED = """
INSERT INTO sandbox.refunds
VALUES ($1, 'ch_old', 1000, 'USD', 'succeeded', now() - $2::interval, $3, $4)"""


class _One:
    """A pool that is one connection in a transaction that is rolled back."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.fetch = connection.fetch
        self.fetchval = connection.fetchval
        self.execute = connection.execute

    def acquire(self) -> "_One":
        return self

    async def __aenter__(self) -> Any:
        return self._connection

    async def __aexit__(self, *_: object) -> None: ...


@pytest.fixture
async def old(owner: Pool) -> AsyncGenerator[Any]:
    """The sandbox as the last version made it, seen by this test alone."""
    async with owner.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("DROP SCHEMA sandbox CASCADE")
        await connection.execute(BEFORE)
        await connection.execute(FILLED)
        yield _One(connection)
        await transaction.rollback()


async def refund_before(old: Any, intent: EffectIntent, hours: int) -> None:
    """A refund as the last version wrote it, so many hours ago."""
    age = timedelta(hours=hours)
    await old.execute(REFUNDED, "re_old", age, intent.key, intent.parameters_digest)


async def test_what_was_there_is_there_and_can_be_used(old: Any) -> None:
    await prepare(old)

    shown = await show(old)
    assert [row["id"] for row in shown["charges"]] == ["ch_old"]
    assert [row["revoked_at"] for row in shown["mails"]] == [None]
    paid = await SandboxPayments(old).refund(refund_of("ch_old", usd("10.00")))
    assert paid.state is EffectState.SUCCEEDED


async def test_a_key_of_the_last_version_still_pays_once(old: Any) -> None:
    intent = refund_of("ch_old", usd("10.00"))
    await refund_before(old, intent, hours=2)
    await prepare(old)

    again = await SandboxPayments(old).refund(intent)

    assert again == Outcome(state=EffectState.SUCCEEDED, receipt="re_old")
    assert len((await show(old))["refunds"]) == 1
    other = await SandboxPayments(old).refund(refund_of("ch_old", usd("11.00")))
    assert other.code == "idempotency_error"


async def test_a_key_of_the_last_version_is_found_at_its_refund_when_it_is_forgotten(
    old: Any,
) -> None:
    intent = refund_of("ch_old", usd("10.00"))
    await refund_before(old, intent, hours=25)
    await prepare(old)

    found = await SandboxPayments(old).look_up(intent)

    assert found == Outcome(state=EffectState.SUCCEEDED, receipt="re_old")
    assert (await SandboxPayments(old).refund(intent)).receipt != "re_old"


async def test_preparing_again_changes_nothing(old: Any) -> None:
    await refund_before(old, refund_of("ch_old", usd("10.00")), hours=2)
    await prepare(old)
    await old.execute("UPDATE sandbox.clock SET ahead = '3 hours'")
    before = await show(old), await old.fetch("SELECT * FROM sandbox.idempotency_keys")

    await prepare(old)

    assert (await show(old), await old.fetch("SELECT * FROM sandbox.idempotency_keys")) == before
    assert await old.fetchval("SELECT ahead = '3 hours' FROM sandbox.clock")


async def test_a_sandbox_brought_up_has_the_same_columns_as_a_new_one(old: Any) -> None:
    await prepare(old)
    brought_up = await columns(old)
    await old.execute("DROP SCHEMA sandbox CASCADE")
    await old.execute(NOW)

    assert await columns(old) == brought_up


async def columns(old: Any) -> list[tuple[Any, ...]]:
    rows = await old.fetch(
        "SELECT table_name, column_name, data_type, is_nullable, column_default "
        "FROM information_schema.columns WHERE table_schema = 'sandbox' ORDER BY 1, 2"
    )
    return [tuple(row) for row in rows]
