"""What an explanation of a case is made of, read from Postgres in four round trips."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import asyncpg

from cases.effects import EffectIntent
from cases.errors import CaseNotFound, CheckpointNotFound, CustomerErased, DamagedBody
from cases.ids import NEWEST, checkpoint_id
from cases.money import Money
from cases.sizes import unpack
from cases.trail import (
    CaseFacts,
    CaseRow,
    CompensationRow,
    LedgerRow,
    Line,
    RequestRow,
    TaskRow,
    TrailRow,
)
from stores.customer_keys import ERASED, CustomerKeys
from stores.postgres import Pool, fetch_rows


class PostgresExplanation:
    """Reads a case with everything that it refers to."""

    def __init__(self, pool: Pool, keys: CustomerKeys | None = None) -> None:
        self._pool, self._keys = pool, keys or CustomerKeys(pool)

    async def facts(self, case_id: str, branch: str) -> CaseFacts:
        """All that is on record of a branch; raises CaseNotFound."""
        # The trail first: it says as of when the others are told.
        trail = await fetch_rows(self._pool, "explain_trail", case_id, branch, NEWEST)
        effects = await fetch_rows(self._pool, "explain_effects", case_id, branch, NEWEST)
        requests = await fetch_rows(self._pool, "explain_requests", case_id)
        about = _by_kind(await fetch_rows(self._pool, "explain_case", case_id, branch, NEWEST))
        if not about["case"]:
            raise CaseNotFound(case_id, branch)
        tasks = await self._keys.opened(about["task"])
        return CaseFacts(
            case=CaseRow(case_id=case_id, branch=branch, **about["case"][0]),
            lines=tuple(
                sorted((Line(**one) for one in about["line"]), key=lambda line: -line.until)
            ),
            trail=tuple(_trail_row(row) for row in await self._readable(case_id, trail)),
            effects=tuple(_ledger_row(row) for row in await self._keys.opened(effects)),
            requests=tuple([await self._request(row) for row in requests]),
            tasks=tuple(sorted((TaskRow(**one) for one in tasks), key=lambda task: task.opened_at)),
            compensations=tuple(
                sorted(
                    (CompensationRow(**one) for one in about["compensation"]),
                    key=lambda row: row.registered_at,
                )
            ),
            archived=frozenset(one["digest"] for one in about["archived"]),
        )

    async def _readable(
        self, case_id: str, trail: Sequence[asyncpg.Record]
    ) -> list[dict[str, Any]]:
        """The trail in clear; raises CustomerErased: what is left of it explains nothing."""
        rows = await self._keys.opened(trail)
        if any(row["body"] == ERASED for row in rows):
            raise CustomerErased(case_id)
        return rows

    async def _request(self, row: asyncpg.Record) -> RequestRow:
        fields = dict(row)
        orders, votes = json.loads(fields.pop("orders")), json.loads(fields.pop("votes"))
        fields |= {"orders": orders, "votes": await self._keys.opened(votes)}
        return RequestRow(amount=_required(fields), **fields)


def moment_of(facts: CaseFacts, version: int) -> datetime:
    """When a checkpoint of the branch was made; raises CheckpointNotFound."""
    branch = facts.case.branch
    for row in facts.trail:
        if (row.branch, row.version) == (branch, version) and row.checkpoint_at:
            return row.checkpoint_at
    raise CheckpointNotFound(facts.case.case_id, checkpoint_id(branch, version))


def _by_kind(rows: list[asyncpg.Record]) -> Mapping[str, list[dict[str, Any]]]:
    kinds: dict[str, list[dict[str, Any]]] = {
        kind: [] for kind in ("case", "line", "task", "compensation", "archived")
    }
    for row in rows:
        kinds[row["kind"]].append(json.loads(row["fact"]))
    return kinds


def _trail_row(row: Mapping[str, Any]) -> TrailRow:
    fields = dict(row)
    body, encoding, size = (fields.pop(name) for name in ("body", "encoding", "bytes"))
    value, readable = _value(body, encoding, size)
    fields |= {"hash": bytes(row["hash"]).hex(), "intact": bool(row["intact"]) and readable}
    return TrailRow(value=value, **fields)


def _value(body: bytes | None, encoding: str, size: int | None) -> tuple[Any, bool]:
    """The value, and whether it could be read: an explanation is told also where it cannot."""
    if body is None:
        return None, True
    try:
        return json.loads(unpack(encoding, body, expected_bytes=size)), True
    except (DamagedBody, ValueError):
        return None, False


def _ledger_row(row: Mapping[str, Any]) -> LedgerRow:
    fields = dict(row)
    return LedgerRow(amount=_amount(fields), intent=_intent(fields.pop("intent")), **fields)


def _intent(body: bytes) -> EffectIntent | None:
    try:
        return EffectIntent.model_validate_json(body)
    except ValueError:
        return None


def _amount(fields: dict[str, Any]) -> Money | None:
    """Takes the sum out of the columns."""
    minor, currency = fields.pop("amount_minor"), fields.pop("currency")
    return None if minor is None else Money(amount_minor=minor, currency=currency)


def _required(fields: dict[str, Any]) -> Money:
    return Money(amount_minor=fields.pop("amount_minor"), currency=fields.pop("currency"))
