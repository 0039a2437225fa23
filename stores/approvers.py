"""Who may approve. Tokens are stored as hashes only."""

import hashlib
import json
import secrets
from collections.abc import Mapping
from datetime import datetime

from cases.money import Money
from cases.records import Record
from stores.postgres import Pool, fetch_row, fetch_rows


def token_hash(token: str) -> bytes:
    """What the database keeps of a token; tokens are random, so a plain hash serves."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()


class Approver(Record):
    """Someone who may decide, or once could."""

    name: str
    limits: tuple[Money, ...]
    #: Which customer they are themselves: nobody decides about their own money.
    customer_id: str | None
    since: datetime
    revoked_at: datetime | None


class Revoked(Record):
    """Since when someone may not decide, and whether that is new."""

    at: datetime
    changed: bool


class PostgresApprovers:
    """The people who may decide, each with a limit per currency."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def any(self) -> bool:
        """Whether anyone can approve at all."""
        row = await fetch_row(self._pool, "count_approvers")
        return row is not None and row["count"] > 0

    async def name_of(self, token: str) -> str | None:
        """Whose token it is; None for an unknown or revoked one."""
        row = await fetch_row(self._pool, "find_approver", token_hash(token))
        return row["name"] if row else None

    async def all(self) -> list[Approver]:
        """Everyone who may decide or once could, by name."""
        return [
            Approver(
                name=row["name"],
                limits=_limits(json.loads(row["limits"])),
                customer_id=row["customer_id"],
                since=row["created_at"],
                revoked_at=row["revoked_at"],
            )
            for row in await fetch_rows(self._pool, "list_approvers")
        ]

    async def add(
        self, name: str, limits: Mapping[str, int], *, customer_id: str | None = None
    ) -> str | None:
        """A new approver's token, shown only now; None if the name is or was somebody's."""
        token = f"ckt_{secrets.token_urlsafe(24)}"
        row = await fetch_row(
            self._pool, "add_approver", name, token_hash(token), json.dumps(dict(limits)),
            customer_id,
        )  # fmt: skip
        return token if row else None

    async def revoke(self, name: str) -> Revoked | None:
        """Let someone decide no more; None if nobody has that name."""
        row = await fetch_row(self._pool, "revoke_approver", name)
        return Revoked(at=row["revoked_at"], changed=row["changed"]) if row else None


def _limits(minor: Mapping[str, int]) -> tuple[Money, ...]:
    return tuple(
        Money(amount_minor=minor[currency], currency=currency) for currency in sorted(minor)
    )
