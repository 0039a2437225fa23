"""Branches of cases in Postgres."""

import json
from datetime import UTC, datetime
from typing import Any

import asyncpg

from cases.branches import Branch, BranchEffect, BranchExists, Fork
from cases.errors import CaseNotFound, CheckpointNotFound
from cases.ids import checkpoint_id
from cases.money import Money
from cases.schema import SCHEMA_VERSION
from cases.text import shorten
from stores.customer_keys import CustomerKeys, readable
from stores.postgres import Pool, case_errors, fetch_row, fetch_rows
from stores.steps import encode_edits


class PostgresBranches:
    """Begins branches, and tells of them."""

    def __init__(self, pool: Pool, keys: CustomerKeys | None = None) -> None:
        self._pool, self._keys = pool, keys or CustomerKeys(pool)

    async def fork(self, fork: Fork) -> int:
        """Put a branch on record; the version of its first step, which holds the edits.

        Raises CaseNotFound, CheckpointNotFound, BranchExists, InvalidInput.
        """
        at = checkpoint_id(fork.parent_branch, fork.parent_version)
        seal = await self._keys.of_case(fork.case_id)
        encoded = encode_edits(fork.sections, fork.request, datetime.now(UTC), seal)
        edited = ", ".join([*fork.sections, *(["request"] if fork.request else [])])
        detail = shorten(f"{fork.branch} from {at}{': ' if edited else ''}{edited}", 400)
        try:
            async with case_errors(fork.case_id, fork.parent_branch):
                row = await fetch_row(
                    self._pool, "fork_case", fork.case_id, fork.parent_branch, fork.parent_version,
                    fork.branch, fork.by, detail, SCHEMA_VERSION, encoded.sections,
                    encoded.request, encoded.bodies,
                )  # fmt: skip
        except asyncpg.PostgresError as error:
            if error.sqlstate == "CK405":
                raise CheckpointNotFound(fork.case_id, at) from error
            if error.sqlstate == "CK410":
                raise BranchExists(fork.case_id, fork.branch) from error
            raise
        return int(row["version"]) if row else 0

    async def tree(self, case_id: str) -> list[Branch]:
        """All lines of a case, the main line first; raises CaseNotFound."""
        rows = await fetch_rows(self._pool, "list_branches", case_id)
        if not rows:
            raise CaseNotFound(case_id)
        return [Branch(**dict(row)) for row in rows]

    async def effects(self, case_id: str, branch: str) -> list[BranchEffect]:
        """What a branch wants done outside, in the order in which it asked."""
        rows = await fetch_rows(self._pool, "list_branch_effects", case_id, branch)
        return [_effect(row, case_id) for row in await self._keys.opened(rows)]


def _effect(fields: dict[str, Any], case_id: str) -> BranchEffect:
    minor, currency = fields.pop("amount_minor"), fields.pop("currency")
    amount = None if minor is None else Money(amount_minor=minor, currency=currency)
    intent = json.loads(readable(fields.pop("intent"), case_id))
    return BranchEffect(amount=amount, intent=intent, **fields)
