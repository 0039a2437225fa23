"""A record of a test's own, which its owner breaks."""

from dataclasses import dataclass
from typing import Any

from cases.ids import MAIN
from cases.invariants import InvariantReport
from gateways.sandbox.payments import SandboxPayments
from runtime.servers import Servers
from runtime.settings import Settings
from stores.hot import RedisHotStore
from stores.invariants import Scope
from stores.postgres import Pool
from tests.invariants.lives import LIVES, case_of
from workers.composition import Stores
from workers.invariants import Check

Found = set[tuple[str, str | None]]


@dataclass(frozen=True)
class Copy:
    """One copy of the database of all lives."""

    servers: Servers
    stores: Stores
    owner: Pool
    settings: Settings

    async def report(self, *case_ids: str, settled: bool = True) -> InvariantReport:
        """What the check finds, of these cases or of all."""
        scope = Scope(case_ids=case_ids or None)
        payments = SandboxPayments(self.stores.sandbox)
        return await Check(self.stores, self.settings, payments, scope, settled=settled).run()

    async def broken(self, *case_ids: str, settled: bool = True) -> Found:
        """The invariants that do not hold, each with the case that breaks it."""
        report = await self.report(*case_ids, settled=settled)
        return {(one.invariant.value, one.case_id) for one in report.findings}

    async def do(self, statement: str, *values: Any) -> None:
        """What only the tables' owner can do: no trigger and no rule stops it."""
        async with self.owner.acquire() as connection, connection.transaction():
            await connection.execute("SET LOCAL session_replication_role = replica")
            await connection.execute(statement, *values)

    async def forget_hot_copies(self) -> None:
        """They say what the record said before it was broken."""
        hot = RedisHotStore(self.stores.redis)
        for life in LIVES:
            await hot.drop(case_of(life), MAIN)
