"""Fill the sandbox from a file, and show what the outside world has."""

import json
from decimal import Decimal
from importlib.resources import files
from typing import Annotated, Any

import asyncpg
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StrictInt,
    StringConstraints,
    ValidationError,
)

from cases.billing import ENDED_UNPAID, ChargeStatus
from cases.errors import InvalidInput
from cases.ids import check_identifier
from cases.money import MAX_MINOR, Currency
from gateways.sandbox.connection import Pool
from gateways.sandbox.script import Word, script_of

#: Postgres cannot hold NUL.
Words = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]
Minor = Annotated[StrictInt, Field(gt=0, le=MAX_MINOR)]


class _Given(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class GivenRefund(_Given):
    amount_minor: Minor
    currency: Currency
    created_at: AwareDatetime
    status: Words = "succeeded"


class GivenCharge(_Given):
    id: str
    customer_id: str
    amount_minor: Minor
    currency: Currency
    merchant: Words
    description: Words = ""
    created_at: AwareDatetime
    status: ChargeStatus = ChargeStatus.CAPTURED
    #: What the calls for a refund of it come to, in turn; left out, the id may say it.
    script: tuple[Word, ...] | None = None
    refunds: tuple[GivenRefund, ...] = ()


class GivenCustomer(_Given):
    id: str
    email: Words
    name: Words = ""
    locked: bool = False


class World(_Given):
    """What `casekeeper sandbox load` reads."""

    customers: tuple[GivenCustomer, ...] = ()
    charges: tuple[GivenCharge, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "World":
        """Read the JSON document; raises InvalidInput that names the field."""
        try:
            data = json.loads(text, parse_float=Decimal)
        except RecursionError as error:
            raise InvalidInput("file", "is nested too deeply") from error
        except ValueError as error:
            raise InvalidInput("file", f"is not JSON: {error}") from error
        try:
            world = cls.model_validate(data)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "file"
            raise InvalidInput(where, first["msg"]) from error
        world.check()
        return world

    def check(self) -> None:
        """Raise InvalidInput for ids that are none or stand twice, and for refunds too large."""
        _check_ids("customers", [customer.id for customer in self.customers])
        _check_ids("charges", [charge.id for charge in self.charges])
        for place, charge in enumerate(self.charges):
            paid_back = sum(r.amount_minor for r in charge.refunds if r.status not in ENDED_UNPAID)
            if paid_back > charge.amount_minor:
                raise InvalidInput(f"charges.{place}.refunds", "are more than the charge")
            if any(refund.currency != charge.currency for refund in charge.refunds):
                raise InvalidInput(f"charges.{place}.refunds", "are in another currency")


def _check_ids(name: str, ids: list[str]) -> None:
    seen: set[str] = set()
    for place, one in enumerate(ids):
        check_identifier(one, f"{name}.{place}.id")
        if one in seen:
            raise InvalidInput(f"{name}.{place}.id", f"{one} stands in the file twice")
        seen.add(one)


async def prepare(pool: Pool) -> None:
    """Make the sandbox's schema, or bring an older one up to date."""
    await pool.execute(files("gateways.sandbox").joinpath("schema.sql").read_text("utf-8"))


async def prepare_if_missing(pool: Pool) -> None:
    """The same for a role that may only use a schema that is there and of today."""
    if not await pool.fetchval("SELECT to_regclass('sandbox.account_changes') IS NOT NULL"):
        await prepare(pool)


async def open_to(pool: Pool, role: str) -> None:
    """Let another role play with the sandbox, as the owner of its tables."""
    quoted = await pool.fetchval("SELECT quote_ident($1)", role)
    await pool.execute(
        f"GRANT USAGE ON SCHEMA sandbox TO {quoted};"
        f"GRANT ALL ON ALL TABLES IN SCHEMA sandbox TO {quoted};"
        f"GRANT ALL ON ALL SEQUENCES IN SCHEMA sandbox TO {quoted}"
    )


async def load(pool: Pool, world: World) -> None:
    """Add the customers and charges, all or none; a known id is replaced by what is given.

    Raises InvalidInput for a charge of a customer that neither the file nor the sandbox has.
    """
    async with pool.acquire() as connection, connection.transaction():
        await connection.executemany(
            "INSERT INTO sandbox.customers VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO UPDATE "
            "SET email = EXCLUDED.email, name = EXCLUDED.name, locked = EXCLUDED.locked",
            [(c.id, c.email, c.name, c.locked) for c in world.customers],
        )
        try:
            await connection.executemany(_ADD_CHARGE, [_charge_row(c) for c in world.charges])
        except asyncpg.ForeignKeyViolationError as error:
            raise InvalidInput(
                "charges.customer_id", "names a customer that is not there"
            ) from error
        await connection.executemany(
            _ADD_REFUND, [row for c in world.charges for row in _refund_rows(c)]
        )


_ADD_CHARGE = """
INSERT INTO sandbox.charges VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO UPDATE
SET customer_id = EXCLUDED.customer_id, amount_minor = EXCLUDED.amount_minor,
    currency = EXCLUDED.currency, merchant = EXCLUDED.merchant,
    description = EXCLUDED.description, created_at = EXCLUDED.created_at,
    status = EXCLUDED.status, script = EXCLUDED.script"""

_ADD_REFUND = """
INSERT INTO sandbox.refunds (id, charge_id, amount_minor, currency, created_at, status)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO UPDATE
SET amount_minor = EXCLUDED.amount_minor, currency = EXCLUDED.currency,
    created_at = EXCLUDED.created_at, status = EXCLUDED.status"""


def _charge_row(charge: GivenCharge) -> tuple[Any, ...]:
    return (
        charge.id, charge.customer_id, charge.amount_minor, charge.currency, charge.merchant,
        charge.description, charge.created_at, charge.status.value,
        script_of(charge.id, charge.script),
    )  # fmt: skip


def _refund_rows(charge: GivenCharge) -> list[tuple[Any, ...]]:
    return [
        (
            f"re_given_{charge.id}_{place}",
            charge.id,
            r.amount_minor,
            r.currency,
            r.created_at,
            r.status,
        )
        for place, r in enumerate(charge.refunds)
    ]


async def show(pool: Pool) -> dict[str, list[dict[str, Any]]]:
    """What the outside world has: charges, refunds as they stand by now, and all that was mailed.

    A reset mail whose link was taken back says since when, as `revoked_at`.
    """
    charges = await pool.fetch("SELECT * FROM sandbox.charges ORDER BY created_at, id")
    refunds = await pool.fetch("SELECT * FROM sandbox.current_refunds ORDER BY created_at, id")
    mails = await pool.fetch("SELECT * FROM sandbox.mails ORDER BY created_at, id")
    return {
        "charges": [_plain(row) for row in charges],
        "refunds": [_plain(row) for row in refunds],
        "mails": [_plain(row) for row in mails if row["kind"] == "reset"],
        "answers": [_plain(row) for row in mails if row["kind"] == "answer"],
        "notices": [_plain(row) for row in mails if row["kind"] == "notice"],
    }


def _plain(row: asyncpg.Record) -> dict[str, Any]:
    return {
        key: value.isoformat() if hasattr(value, "isoformat") else value
        for key, value in row.items()
        if key != "parameters_hash"
    }
