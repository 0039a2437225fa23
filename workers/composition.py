"""Constructs the application: stores, gateways, agents and activities, from the settings."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib.resources import files
from typing import Any, Protocol, TypeVar, runtime_checkable

from redis.asyncio import Redis
from temporalio.client import Client

from activities.agent_steps import AgentActivities
from activities.agents.base import Tools
from activities.approvals import ApprovalActivities
from activities.cases import CaseActivities
from activities.effects import EffectActivities
from activities.ledger import LedgeredEffects
from activities.model_chain import PaidModels
from activities.outbox import OutboxActivities
from activities.promotion import PromotionActivities
from activities.reconcile import ReconcileActivities
from activities.reconciling.comparing import Comparing
from activities.reconciling.open_effects import OpenEffects, Outside
from activities.reconciling.takeover import Takeover
from activities.record import CaseRecord
from activities.refunds import RefundActivities
from cases.comparison import IN_FLIGHT
from cases.errors import InvalidInput
from cases.model_ports import LanguageModel
from cases.policy import RefundPolicy
from cases.ports import Accounts, Mail, Payments
from cases.sections import check_upgrades
from gateways.offline.model import OfflineModel
from gateways.sandbox.accounts import SandboxAccounts
from gateways.sandbox.mail import SandboxMail
from gateways.sandbox.payments import SandboxPayments
from runtime.keys import CUSTOMER_KEYS, KeyFile
from runtime.runs import TemporalRuns
from runtime.servers import Servers, ServerUnreachable
from runtime.settings import Settings
from stores.approvals import PostgresApprovals
from stores.approvers import PostgresApprovers
from stores.audit import PostgresAudit
from stores.branches import PostgresBranches
from stores.cases import PostgresCases
from stores.customer_keys import CustomerKeys
from stores.effects import PostgresLedger
from stores.hot import CASE_TTL_S, RedisHotStore
from stores.limits import RedisRateLimits
from stores.migrations import check_schema
from stores.model_calls import PostgresModelCalls
from stores.outbox import PostgresOutbox
from stores.postgres import POSTGRES_FAILED, Pool, open_pool
from stores.promotion import PostgresPromotions
from stores.reconciliation import PostgresEntries
from stores.redis import connect_redis
from stores.tasks import PostgresTasks
from workers.models import paid_models

T = TypeVar("T")

#: How long a server may take to answer the first time, in seconds.
CONNECT_DEADLINE_S = 5.0


@runtime_checkable
class _Connected(Protocol):
    async def aclose(self) -> None: ...


@dataclass(frozen=True)
class Gateways:
    """The outside world as it is configured."""

    model: LanguageModel
    payments: Payments
    accounts: Accounts
    mail: Mail
    #: Asked before `model`, which always answers.
    paid: PaidModels | None = None

    async def aclose(self) -> None:
        """Close the connections that they keep; those to Postgres are the stores'."""
        for one in (self.payments, *(self.paid.models if self.paid else ())):
            if isinstance(one, _Connected):
                await one.aclose()


@dataclass(frozen=True)
class Stores:
    """Everything that keeps something."""

    pool: Pool
    sandbox: Pool
    redis: Redis
    cases: PostgresCases
    record: CaseRecord
    ledger: PostgresLedger
    approvals: PostgresApprovals
    approvers: PostgresApprovers
    audit: PostgresAudit
    tasks: PostgresTasks
    branches: PostgresBranches
    promotions: PostgresPromotions
    outbox: PostgresOutbox
    #: What the customers' data is sealed with.
    keys: CustomerKeys


@asynccontextmanager
async def open_stores(servers: Servers, *, connections: int = 5) -> AsyncGenerator[Stores]:
    """Connect to Postgres (checking its schema) and, lazily, to Redis.

    Raises ServerUnreachable, SchemaMismatch or SchemaGap.
    """
    async with open_postgres(servers.database_url, size=connections) as pool:
        await check_schema(pool)
        check_upgrades()
        sandbox_dsn = servers.sandbox_database_url
        async with open_postgres(sandbox_dsn, size=connections, name="sandbox") as sandbox:
            redis = connect_redis(servers.redis_url)
            try:
                yield stores_on(pool, sandbox, redis, customer_keys(pool, servers))
            finally:
                await redis.aclose()


@asynccontextmanager
async def open_postgres(
    dsn: str, *, size: int = 5, name: str = "casekeeper"
) -> AsyncGenerator[Pool]:
    """A pool of connections; raises ServerUnreachable when the server does not answer."""
    pool = await reach("Postgres", lambda: open_pool(dsn, size=size, application=name))
    try:
        yield pool
    finally:
        await pool.close()


async def reach(server: str, call: Callable[[], Awaitable[T]]) -> T:
    """Call a server for the first time; raises ServerUnreachable within CONNECT_DEADLINE_S."""
    try:
        async with asyncio.timeout(CONNECT_DEADLINE_S):
            return await call()
    except (OSError, TimeoutError, ValueError, *POSTGRES_FAILED) as error:
        problem = str(error) or "it does not answer"
        raise ServerUnreachable(server, problem) from error


def customer_keys(pool: Pool, servers: Servers) -> CustomerKeys:
    """What the customers' data is sealed with; raises NoKeyFile, InvalidInput."""
    path = servers.customer_keys
    return CustomerKeys(pool, KeyFile(path, CUSTOMER_KEYS) if path else None)


def stores_on(pool: Pool, sandbox: Pool, redis: Redis, keys: CustomerKeys) -> Stores:
    """All stores over connections that are open."""
    cases = PostgresCases(pool, keys)
    return Stores(
        pool=pool,
        sandbox=sandbox,
        redis=redis,
        cases=cases,
        record=CaseRecord(cases, RedisHotStore(redis, keys, ttl_s=CASE_TTL_S)),
        ledger=PostgresLedger(pool, keys),
        approvals=PostgresApprovals(pool, keys),
        approvers=PostgresApprovers(pool),
        audit=PostgresAudit(pool, keys),
        tasks=PostgresTasks(pool, keys),
        branches=PostgresBranches(pool, keys),
        promotions=PostgresPromotions(pool, keys),
        outbox=PostgresOutbox(pool),
        keys=keys,
    )


def sandbox_gateways(stores: Stores, settings: Settings) -> Gateways:
    """The sandbox for accounts and mail; the configured payments and models."""
    return Gateways(
        model=OfflineModel(),
        payments=_payments(stores, settings),
        accounts=SandboxAccounts(stores.sandbox),
        mail=SandboxMail(stores.sandbox),
        paid=paid_models(settings, PostgresModelCalls(stores.pool), RedisRateLimits(stores.redis)),
    )


def _payments(stores: Stores, settings: Settings) -> Payments:
    if settings.payments == "sandbox":
        return SandboxPayments(stores.sandbox)
    if settings.payments != "stripe":
        problem = f"{settings.payments!r} is not known: use 'sandbox' or 'stripe'"
        raise InvalidInput("CASEKEEPER_PAYMENTS", problem)
    try:
        from gateways.stripe.configured import stripe_payments  # noqa: PLC0415  an extra
    except ImportError as error:
        raise InvalidInput("CASEKEEPER_PAYMENTS", str(error)) from error
    return stripe_payments(
        settings.stripe_api_key.get_secret_value(), settings.stripe_account, settings.stripe_url
    )


def shipped_policy() -> RefundPolicy:
    """The refund policy that ships with Casekeeper."""
    text = files("cases").joinpath("refund_policy.toml").read_text("utf-8")
    return RefundPolicy.from_toml(text)


def all_activities(stores: Stores, gateways: Gateways) -> list[Callable[..., Any]]:
    """What a worker registers."""
    policy = shipped_policy()
    tools = Tools(
        model=gateways.model,
        payments=gateways.payments,
        accounts=gateways.accounts,
        policy=policy,
        own_refunds=stores.ledger.own_refunds,
    )
    effects = LedgeredEffects(stores.record, stores.ledger)
    return [
        *AgentActivities(stores.record, tools, paid=gateways.paid).all(),
        *CaseActivities(stores.record, stores.audit).all(),
        *ApprovalActivities(stores.record, stores.approvals, stores.audit, stores.tasks).all(),
        *RefundActivities(effects, gateways.payments, stores.tasks, policy).all(),
        *EffectActivities(effects, gateways.accounts, gateways.mail, stores.tasks).all(),
        *promotion(stores, gateways).all(),
        *reconciliation(stores, gateways).all(),
        *OutboxActivities(stores.outbox, TemporalRuns(), effects, gateways.mail).all(),
    ]


def promotion(
    stores: Stores, gateways: Gateways, client: Client | None = None
) -> PromotionActivities:
    """The activities that make a branch the main line."""
    return PromotionActivities(
        stores.record,
        stores.promotions,
        stores.approvals,
        LedgeredEffects(stores.record, stores.ledger),
        stores.tasks,
        payments=gateways.payments,
        accounts=gateways.accounts,
        mail=gateways.mail,
        runs=TemporalRuns(client),
    )


def reconciliation(
    stores: Stores, gateways: Gateways, *, in_flight: timedelta = IN_FLIGHT
) -> ReconcileActivities:
    """The activities that compare the ledger with the outside."""
    entries, runs = PostgresEntries(stores.pool, stores.keys), TemporalRuns()
    outside = Outside(gateways.payments, gateways.accounts, gateways.mail)
    open_effects = OpenEffects(
        entries, stores.ledger, outside, runs, stores.tasks, in_flight=in_flight
    )
    takeover = Takeover(
        stores.record,
        LedgeredEffects(stores.record, stores.ledger),
        open_effects,
        entries,
        stores.tasks,
        approvals=stores.approvals,
        accounts=gateways.accounts,
        runs=runs,
    )

    def comparing() -> Comparing:
        return Comparing(
            gateways.payments, entries, open_effects, stores.tasks, in_flight=in_flight
        )

    return ReconcileActivities(open_effects, takeover, comparing)
