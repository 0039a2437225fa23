"""Erasing a customer, and wrapping all data keys anew: what only the tables' owner may do."""

from typing import Any

import asyncpg

from cases.errors import Conflict, NotFound
from stores.customer_keys import WrappingKeys, unwrap, wrap
from stores.postgres import Pool, details, fetch_row, fetch_rows

_AT_ONCE = 500


class CustomerUnknown(NotFound):
    def __init__(self, customer_id: str) -> None:
        super().__init__(f"Nothing is on record of a customer {customer_id}.")


class CustomerBusy(Conflict):
    """Something of the customer's has not ended: erased, nobody could go on with it."""

    def __init__(self, customer_id: str, what: list[str]) -> None:
        found = "".join(f"\n- {one}" for one in what)
        super().__init__(f"Customer {customer_id} has what must end before:{found}")


class PostgresErasure:
    """Destroys data keys."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def erase(self, customer_id: str, by: str, reason: str) -> int:
        """Destroy the customer's keys, with audit rows; how many there were.

        Raises CustomerUnknown, CustomerBusy.
        """
        try:
            row = await fetch_row(self._pool, "erase_customer", customer_id, by, reason)
        except asyncpg.PostgresError as error:
            if error.sqlstate == "CK404":
                raise CustomerUnknown(customer_id) from error
            if error.sqlstate == "CK430":
                raise CustomerBusy(customer_id, details(error)["open"]) from error
            raise
        return int(row["keys"]) if row else 0

    async def lines(self, customer_id: str) -> list[tuple[str, str]]:
        """The customer's cases and their branches."""
        rows = await fetch_rows(self._pool, "lines_of_customer", customer_id)
        return [(row["case_id"], row["branch"]) for row in rows]

    async def left_in_clear(self, customer_id: str) -> dict[str, int]:
        """How many rows of theirs were never sealed, by table: no key erases them."""
        rows = await fetch_rows(self._pool, "left_in_clear", customer_id)
        return {row["name"]: row["rows"] for row in rows}

    async def rewrap(self, wrapping: WrappingKeys) -> int:
        """Wrap with the newest key whatever another one wraps; how many data keys that were.

        Raises CustomerKeyMissing.
        """
        newest, _ = wrapping.newest()
        done, after = 0, ""
        while rows := await fetch_rows(self._pool, "list_customer_keys", newest, after, _AT_ONCE):
            for row in rows:
                done += await self._rewrap(row, wrapping)
            after = rows[-1]["key_id"]
        return done

    async def _rewrap(self, row: Any, wrapping: WrappingKeys) -> bool:
        key = unwrap(row, wrapping)
        changed = await fetch_row(
            self._pool, "rewrap_key", key.key_id, row["wrapped_by"], *wrap(key, wrapping)
        )
        return changed is not None and bool(changed["changed"])
