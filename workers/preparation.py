"""Makes servers ready for cases: schema, search attributes, and someone who may approve."""

from cases.records import Record
from cases.sections import section_owners
from gateways.sandbox import world
from runtime.servers import Servers
from runtime.temporal import connect, register_search_attributes
from stores.approvers import PostgresApprovers
from stores.migrations import current_role, migrate, register_owners
from workers.composition import open_postgres
from workers.schedules import ensure_schedules
from workflows.case_file import SEARCH_ATTRIBUTES

#: The first approver's name and limits, in minor units by currency (ten times the refund policy's).
FIRST_APPROVER = "lead"
FIRST_LIMITS = {
    "USD": 500_000,
    "EUR": 500_000,
    "GBP": 400_000,
    "CAD": 650_000,
    "AUD": 750_000,
    "CHF": 450_000,
    "JPY": 750_000,
    "BHD": 1_900_000,
}


class Prepared(Record):
    """What was done now; the token of a new approver is shown only here."""

    migrations: list[int]
    search_attributes: list[str]
    approver: str | None = None
    token: str | None = None


async def prepare(servers: Servers, *, schedules: bool = True) -> Prepared:
    """Bring Postgres, Temporal and the sandbox up to this code. Safe to repeat.

    Raises ServerUnreachable or SchemaMismatch.
    """
    async with open_postgres(servers.database_url, size=1) as pool:
        role = await current_role(pool)
    applied = await migrate(servers.owner_database_url, app_role=role)
    client = await connect(servers)
    await register_search_attributes(client, SEARCH_ATTRIBUTES)
    await _prepare_sandbox(servers, role)
    async with open_postgres(servers.owner_database_url, size=1) as owner:
        await register_owners(owner, section_owners())
        approvers = PostgresApprovers(owner)
        token = None if await approvers.any() else await approvers.add(FIRST_APPROVER, FIRST_LIMITS)
    if schedules:
        await ensure_schedules(client)
    return Prepared(
        migrations=applied,
        search_attributes=sorted(SEARCH_ATTRIBUTES),
        approver=FIRST_APPROVER if token else None,
        token=token,
    )


async def _prepare_sandbox(servers: Servers, role: str) -> None:
    """Make the sandbox's schema; in Casekeeper's own database only its owner can."""
    if servers.sandbox_database_url != servers.database_url:
        async with open_postgres(servers.sandbox_database_url, size=1) as sandbox:
            await world.prepare(sandbox)
    else:
        async with open_postgres(servers.owner_database_url, size=1) as owner:
            await world.prepare(owner)
            await world.open_to(owner, role)
