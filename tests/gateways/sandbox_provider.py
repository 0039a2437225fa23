"""The sandbox as the contract suite sees it: rows are put and read past the adapter."""

import itertools
import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta

import asyncpg

from cases.billing import ChargeStatus
from cases.effects import EffectState, ProviderRefund
from cases.money import Money
from gateways.sandbox import clock
from gateways.sandbox.connection import Pool
from gateways.sandbox.payments import SandboxPayments
from gateways.sandbox.script import Word
from gateways.sandbox.world import GivenCharge, GivenCustomer, World, load
from workers.composition import Stores

DEADLINE_S = 1.0

_NUMBERS = itertools.count(1)
_STATES = {"succeeded": EffectState.SUCCEEDED, "failed": EffectState.FAILED}


class SandboxProvider:
    """Fits `tests.gateways.provider.Provider`."""

    name = "sandbox"
    lacks: frozenset[str] = frozenset()

    def __init__(self, pool: Pool, closed: Pool, stranger: Pool) -> None:
        self._pool = pool
        self._closed = closed
        self._stranger = stranger
        self._charges: list[str] = []
        self.payments = SandboxPayments(pool, deadline_s=DEADLINE_S)

    async def customer(self) -> str:
        name = f"cus_of_{os.getpid()}_{next(_NUMBERS)}"
        given = GivenCustomer(id=name, email=f"{name}@example.com", name="Sam Example")
        await load(self._pool, World(customers=(given,)))
        return name

    async def charge(
        self,
        customer: str,
        *,
        minor: int = 4999,
        currency: str = "USD",
        status: ChargeStatus = ChargeStatus.CAPTURED,
        description: str = "",
        merchant: str = "Shop",
        script: Sequence[str] = (),
    ) -> str:
        given = GivenCharge(
            id=f"ch_of_{os.getpid()}_{next(_NUMBERS)}",
            customer_id=customer,
            amount_minor=minor,
            currency=currency,
            merchant=merchant,
            description=description,
            created_at=datetime.now(UTC),
            status=status,
            script=tuple(map(Word, script)),
        )
        await load(self._pool, World(charges=(given,)))
        self._charges.append(given.id)
        return given.id

    async def refunded_elsewhere(self, charge: str, minor: int) -> None:
        await self._pool.execute(
            "INSERT INTO sandbox.refunds (id, charge_id, amount_minor, currency, status) "
            "SELECT 're_elsewhere_' || gen_random_uuid(), id, $2, currency, 'succeeded' "
            "FROM sandbox.charges WHERE id = $1",
            charge,
            minor,
        )

    async def advance(self, by: timedelta) -> None:
        await clock.advance(self._pool, by)

    async def refunds_of(self, charge: str) -> list[ProviderRefund]:
        rows = await self._pool.fetch(
            "SELECT * FROM sandbox.current_refunds WHERE charge_id = $1 ORDER BY created_at", charge
        )
        return [
            ProviderRefund(
                receipt=row["id"],
                charge_id=row["charge_id"],
                amount=Money(amount_minor=row["amount_minor"], currency=row["currency"]),
                state=_STATES.get(row["status"], EffectState.PENDING),
                created_at=row["created_at"],
                key=row["idempotency_key"],
            )
            for row in rows
        ]

    async def told_of(self, charge: str) -> list[str]:
        rows = await self._pool.fetch(
            "SELECT r.idempotency_key, r.parameters_hash, k.response::text FROM sandbox.refunds r "
            "LEFT JOIN sandbox.idempotency_keys k ON k.key = r.idempotency_key "
            "WHERE r.charge_id = $1",
            charge,
        )
        return [value for row in rows for value in row.values() if value is not None]

    async def leave(self) -> None:
        """Take refunds of days to come away, and put the clock right, for whoever comes next."""
        await self._pool.execute(
            "DELETE FROM sandbox.refunds WHERE charge_id = ANY($1)", self._charges
        )
        await self._pool.execute("UPDATE sandbox.clock SET ahead = '0'")

    def unreachable(self) -> SandboxPayments:
        return SandboxPayments(self._closed, deadline_s=DEADLINE_S)

    def unauthorised(self) -> SandboxPayments:
        return SandboxPayments(self._stranger, deadline_s=DEADLINE_S)


@asynccontextmanager
async def open_sandbox(stores: Stores) -> AsyncGenerator[SandboxProvider]:
    """The session's sandbox, with customers and charges of this test alone."""
    port = int(await stores.sandbox.fetchval("SHOW port"))
    async with lazy_pool(1) as closed, lazy_pool(port) as stranger:
        provider = SandboxProvider(stores.sandbox, closed, stranger)
        try:
            yield provider
        finally:
            await provider.leave()


def lazy_pool(port: int) -> AbstractAsyncContextManager[Pool]:
    """Connects when it is used, under a name that the server does not let in."""
    return asyncpg.create_pool(
        host="127.0.0.1", port=port, user="stranger", password="none", database="x", min_size=0
    )
