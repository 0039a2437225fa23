"""The durable record of cases in Postgres: state, steps and messages."""

import base64
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
from stores.customer_keys import CustomerKeys, readable
from stores.postgres import Pool, case_errors, details, fetch_row, fetch_rows
from stores.steps import encode_steps

Row = Mapping[str, Any]
#: How often a case is opened anew as its customer has another key than was thought.
_KEYS_TRIED = 3


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

    def __init__(self, pool: Pool, keys: CustomerKeys | None = None) -> None:
        self._pool, self._keys = pool, keys or CustomerKeys(pool)

    async def open(
        self, case_id: str, branch: str, customer_id: str, request: Message, *, opened_by: str = ""
    ) -> Committed:
        """Put the case on record; raises CaseAlreadyExists for another request under the id."""
        for _ in range(_KEYS_TRIED):
            seal, offer = self._keys.for_new_case(customer_id)
            encoded = encode_steps([opening_step(request)], {}, seal)
            try:
                async with case_errors(case_id, branch):
                    row = await fetch_row(
                        self._pool, "open_case", case_id, branch, customer_id, opened_by,
                        SCHEMA_VERSION, encoded.steps, encoded.bodies, *(offer or (None,) * 3),
                    )  # fmt: skip
            except asyncpg.PostgresError as error:
                if error.sqlstate == "CK410":
                    raise CaseAlreadyExists(case_id) from error
                if error.sqlstate != "CK423":
                    raise
                self._keys.correct(customer_id, _living(details(error)))
            else:
                self._keys.opened_with(case_id, seal)
                return committed(row)
        raise LookupError("the customer's key changes all the time")

    async def load(self, case_id: str, branch: str, *, at: int | None = None) -> CaseState:
        """The state now, or as it was at a version; raises CaseNotFound, CheckpointNotFound."""
        return (await self.load_dossier(case_id, branch, at=at)).state

    async def load_dossier(
        self, case_id: str, branch: str, *, at: int | None = None, limit_days: int = 30
    ) -> Dossier:
        """The state and what the customer was refunded lately, in one round trip."""
        until = NEWEST if at is None else min(at, NEWEST)
        rows = await self._keys.opened(
            await fetch_rows(
                self._pool, "load_state", case_id, branch, until, limit_days, KEPT_MESSAGES
            )
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
        encoded = encode_steps(updates, expected, await self._keys.of_case(case_id))
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
        [clear] = await self._keys.opened([row])
        body = readable(clear["body"], case_id)
        return unpack_text(archived.digest, row["encoding"], body, expected_bytes=row["bytes"])

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


def _living(key: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The key that a customer has, as CK423 tells it."""
    if key["key_id"] is None:
        return None
    return {**key, "wrapped": base64.b64decode(key["wrapped"])}


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


def _state(case_id: str, branch: str, rows: Iterable[Row]) -> CaseState:
    by_kind: dict[str, list[Row]] = {}
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
        "sections": {row["name"]: json.loads(_section_body(row, case_id)) for row in sections},
        "section_versions": {row["name"]: row["version"] for row in sections},
        "messages": tuple(_message(row, case_id) for row in messages),
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


def _section_body(row: Row, case_id: str) -> bytes:
    body = readable(row["body"], case_id)
    return unpack(row["status"], body, expected_bytes=int(row["extra"]))


def _message(row: Row, case_id: str) -> Message:
    body = readable(row["body"], case_id)
    return Message(message_id=row["name"], text=body.decode(), received_at=row["at"])
