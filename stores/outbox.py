"""What is to be told and was not yet: decisions to their cases, requests to the approvers."""

from collections.abc import AsyncIterator, Collection

import asyncpg

from cases.money import Money
from cases.outbox import Occasion, Waiting
from stores.postgres import Pool, fetch_row, fetch_rows


class PostgresOutbox:
    """Rows that were written with the change they tell of, so that no telling is lost.

    Fits `cases.outbox.Outbox`.
    """

    def __init__(self, pool: Pool, *, page: int = 50) -> None:
        self._pool = pool
        self._page = page

    async def waiting(self, occasions: Collection[Occasion]) -> AsyncIterator[Waiting]:
        """What is to be told, oldest first: those that cannot be told do not hide the others.

        A decision gets a moment, as its maker tells it too.
        """
        after = 0
        while rows := await self._page_after(after, occasions):
            for row in rows:
                yield _waiting(row)
            after = rows[-1]["id"]

    async def _page_after(
        self, after: int, occasions: Collection[Occasion]
    ) -> list[asyncpg.Record]:
        return await fetch_rows(self._pool, "list_outbox", list(occasions), after, self._page)

    async def delivered(self, waiting: Waiting) -> None:
        """It was told, or need not be told any more; a repeat is harmless."""
        await fetch_row(self._pool, "mark_delivered", waiting.id)

    async def told(self, approval_id: str) -> None:
        """The decision of that request was told to its case."""
        await fetch_row(self._pool, "mark_told", approval_id)


def _waiting(row: asyncpg.Record) -> Waiting:
    fields = dict(row)
    amount = Money(amount_minor=fields.pop("amount_minor"), currency=fields.pop("currency"))
    return Waiting(amount=amount, **fields)
