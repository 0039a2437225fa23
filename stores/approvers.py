"""Who may approve. Tokens are stored as hashes only."""

import hashlib
import json
import secrets
from collections.abc import Mapping

from stores.postgres import Pool, fetch_row


def token_hash(token: str) -> bytes:
    """What the database keeps of a token; tokens are random, so a plain hash serves."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()


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

    async def add(self, name: str, limits: Mapping[str, int]) -> str | None:
        """A new approver's token, shown only now; None if the name is taken."""
        token = f"ckt_{secrets.token_urlsafe(24)}"
        row = await fetch_row(
            self._pool, "add_approver", name, token_hash(token), json.dumps(dict(limits))
        )
        return token if row else None
