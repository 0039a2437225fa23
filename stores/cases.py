"""The durable record of cases in Postgres: state, steps and messages."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import asyncpg

from cases.errors import CaseAlreadyExists, CaseNotFound, CheckpointNotFound, DamagedBody
from cases.ids import NEWEST, checkpoint_id
from cases.ports import Committed, Dossier
from cases.records import Record
from cases.schema import SCHEMA_VERSION
from cases.sizes import KEPT_MESSAGES, Archived, unpack, unpack_text
from cases.state import CaseState, Message, StepUpdate, opening_step
from stores.postgres import Pool, case_errors, fetch_row, fetch_rows
from stores.steps import encode_steps


class Checkpoint(Record):
    """One line of a case's history. `size` is in bytes of the sections and messages it wrote."""

    checkpoint_id: str
    parent_checkpoint_id: str | None
    branch: str
    step: str
    owner: str
    status: str
    version: int
    size: int
    schema_version: int
    created_at: datetime


class PostgresCases:
    """Fits `cases.ports.CaseStore`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def open(
        self, case_id: str, branch: str, customer_id: str, request: Message, *, opened_by: str = ""
    ) -> Committed:
        """Put the case on record; raises CaseAlreadyExists for another request under the id."""
        encoded = encode_steps([opening_step(request)], {})
        try:
            async with case_errors(case_id, branch):
                row = await fetch_row(
                    self._pool, "open_case", case_id, branch, customer_id, opened_by,
                    SCHEMA_VERSION, encoded.steps, encoded.bodies,
                )  # fmt: skip
        except asyncpg.PostgresError as error:
            if error.sqlstate == "CK410":
                raise CaseAlreadyExists(case_id) from error
            raise
        return committed(row)

    async def load(self, case_id: str, branch: str, *, at: int | None = None) -> CaseState:
        """The state now, or as it was at a version; raises CaseNotFound, CheckpointNotFound."""
        return (await self.load_dossier(case_id, branch, at=at)).state

    async def load_dossier(
        self, case_id: str, branch: str, *, at: int | None = None, limit_days: int = 30
    ) -> Dossier:
        """The state and what the customer was refunded lately, in one round trip."""
        until = NEWEST if at is None else min(at, NEWEST)
        rows = await fetch_rows(
            self._pool, "load_state", case_id, branch, until, limit_days, KEPT_MESSAGES
        )
        if not rows:
            raise CaseNotFound(case_id, branch)
        state = _state(case_id, branch, rows)
        if at is not None and (at < 1 or state.version != at):
            raise CheckpointNotFound(case_id, checkpoint_id(branch, at))
        lately = {row["name"]: row["version"] for row in rows if row["kind"] == "refunded"}
        unpaid = {row["name"]: row["version"] for row in rows if row["kind"] == "unpaid"}
        return Dossier(state=state, refunded_lately=lately, came_to_nothing=unpaid)

    async def commit(
        self, case_id: str, branch: str, updates: Sequence[StepUpdate], expected: Mapping[str, int]
    ) -> Committed:
        """Store the steps' updates with version check, audit and checkpoints."""
        encoded = encode_steps(updates, expected)
        async with case_errors(case_id, branch):
            row = await fetch_row(
                self._pool, "commit_steps", case_id, branch, SCHEMA_VERSION,
                encoded.steps, encoded.bodies,
            )  # fmt: skip
        return committed(row)

    async def read_back(self, case_id: str, archived: Archived) -> str:
        """A long text from the archive; raises DamagedBody where it is not what was put there."""
        row = await fetch_row(self._pool, "read_archive", case_id, archived.digest)
        if row is None:
            raise DamagedBody(f"Case {case_id} has no archived text {archived.digest[:12]}.")
        return unpack_text(
            archived.digest, row["encoding"], row["body"], expected_bytes=row["bytes"]
        )

    async def history(
        self, case_id: str, branch: str, *, limit: int = 1000, before: int | None = None
    ) -> list[Checkpoint]:
        """The newest checkpoints (before a version) of a branch and of what it comes from.

        Oldest first; raises CaseNotFound.
        """
        until = NEWEST if before is None else min(before, NEWEST)
        rows = await fetch_rows(self._pool, "list_checkpoints", case_id, branch, limit, until)
        if not rows:
            raise CaseNotFound(case_id, branch)
        return [_checkpoint(row) for row in rows if row["version"] is not None]


def committed(row: asyncpg.Record | None) -> Committed:
    """The answer of the functions that commit steps."""
    if row is None:
        raise LookupError("the database answered without a version")
    return Committed(version=row["version"], repeated=row["repeated"])


def _checkpoint(row: asyncpg.Record) -> Checkpoint:
    parent = row["parent_version"]
    return Checkpoint(
        checkpoint_id=checkpoint_id(row["branch"], row["version"]),
        parent_checkpoint_id=checkpoint_id(row["parent_branch"], parent) if parent else None,
        **{key: row[key] for key in (
            "branch", "step", "owner", "status", "version", "size", "schema_version",
            "created_at")},
    )  # fmt: skip


def _state(case_id: str, branch: str, rows: Iterable[asyncpg.Record]) -> CaseState:
    by_kind: dict[str, list[asyncpg.Record]] = {}
    for row in rows:
        by_kind.setdefault(row["kind"], []).append(row)
    case = by_kind["case"][0]
    steps = sorted(by_kind.get("step", []), key=lambda row: row["version"])
    sections = by_kind.get("section", [])
    messages = sorted(by_kind.get("message", []), key=lambda row: int(row["extra"]))
    fields: dict[str, Any] = {
        "case_id": case_id,
        "branch": branch,
        "customer_id": case["name"],
        "completed_steps": tuple(row["name"] for row in steps),
        "sections": {row["name"]: json.loads(_section_body(row)) for row in sections},
        "section_versions": {row["name"]: row["version"] for row in sections},
        "messages": tuple(_message(row) for row in messages),
        "messages_pruned": int(messages[0]["extra"]) - 1 if messages else 0,
    }
    if steps:
        last = steps[-1]
        fields |= {
            "version": last["version"],
            "status": last["status"],
            "current_owner": last["owner"],
            "error": last["error"],
            "retries": json.loads(last["extra"]),
        }
    return CaseState.model_validate(fields)


def _section_body(row: asyncpg.Record) -> bytes:
    return unpack(row["status"], row["body"], expected_bytes=int(row["extra"]))


def _message(row: asyncpg.Record) -> Message:
    return Message(message_id=row["name"], text=bytes(row["body"]).decode(), received_at=row["at"])
