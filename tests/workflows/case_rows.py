"""The rows that a case leaves in Postgres, in a form in which two cases can be compared."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from cases.ids import answer_key, refund_key, reset_key
from workers.composition import Stores

Row = dict[str, Any]

_TABLES = ("cases", "sections", "checkpoints", "messages", "case_audit", "effects", "approvals")
#: Digests over ids and times. `AuditTrail.verify` recomputes those of the audit.
_DIGESTS = ("audit_head", "body_hash", "hash", "prev_hash", "parameters_hash")
#: The ids in the name of a step.
_IDS = re.compile(r"(?<=:)(ch_[^:]+|apr_[^:]+)")
#: Steps that run at the same time: either may be committed first.
_SIDE_BY_SIDE = (("billing:1", "account:1"), ("reset_mail", "refund:*:1"))
#: What an agent was given may be newer than it needed.
_SAW = re.compile(r'"saw":"[0-9]+"')


def kind_of(step: str) -> str:
    """The step's name without ids: the same in every run of a scene."""
    return _IDS.sub("*", step)


@dataclass(frozen=True)
class CaseRows:
    """All rows of a case, each version in them replaced by the step that made it."""

    steps: Sequence[str]
    tables: Mapping[str, Sequence[Row]]


async def rows_of(stores: Stores, number: str) -> CaseRows:
    """The rows of case_NUMBER, its customer's and its charges' ids replaced."""
    found: dict[str, list[Row]] = {}
    for table in _TABLES:
        query = f"SELECT * FROM {table} WHERE case_id = $1"  # noqa: S608  one of the above
        found[table] = await stores.keys.opened(await stores.pool.fetch(query, f"case_{number}"))
    made = {row["version"]: kind_of(row["step"]) for row in found["checkpoints"]}
    steps = [made[version] for version in sorted(made)]
    assert sorted(made) == list(range(1, len(steps) + 1))
    for row in found["checkpoints"]:
        assert row.pop("parent_version") == (row["version"] - 1 or None)
    names = _names(number, found["approvals"])
    _check_order(found["case_audit"], steps, names)
    # Where the refund was settled first, there is nothing left to be undone of the mail beside it.
    found["case_audit"] = [r for r in found["case_audit"] if r["step"] != "revoke_reset"]
    for row in found["cases"]:
        del row["audit_seq"]
    return CaseRows(
        steps=_in_one_order(steps),
        tables={
            table: sorted((_comparable(row, names, made) for row in rows), key=_place(table))
            for table, rows in found.items()
        },
    )


def _names(number: str, approvals: Sequence[Row]) -> dict[str, str]:
    """What each id of this case is called; an id that should be another one keeps its name."""
    keys = {
        "refund_key": refund_key("sandbox", f"ch_{number}_1", 1),
        "reset_key": reset_key(f"cus_{number}", f"case_{number}"),
        "answer_key": answer_key(f"case_{number}"),
    }
    names = {key: name for name, key in keys.items()}
    names |= {key[4:28]: f"of_{name}" for name, key in keys.items()}  # as receipts have it
    names |= {row["digest"]: "digest" for row in approvals}
    names |= {row["approval_id"]: "apr_1" for row in approvals}
    return {**names, number: "1"}


def _check_order(audit: list[Row], steps: Sequence[str], names: Mapping[str, str]) -> None:
    """The trail is whole, and each effect is claimed and settled right before its step."""
    audit.sort(key=lambda row: int(row["seq"]))
    assert [row.pop("seq") for row in audit] == list(range(1, len(audit) + 1))
    settles = {"refund_key": "refund:*:1", "reset_key": "reset_mail", "answer_key": "answer"}
    for row in audit:
        if row["actor"] == "ledger":
            own = steps.index(settles[names[row["step"]]]) + 1
            at_its_claim = row.pop("version")
            assert own - 2 <= at_its_claim < own  # at most one step runs beside it


def _in_one_order(steps: Sequence[str]) -> list[str]:
    ordered = list(steps)
    for first, second in _SIDE_BY_SIDE:
        for at, pair in enumerate(pairwise(steps)):
            if pair == (second, first):
                ordered[at : at + 2] = [first, second]
    return ordered


def _place(table: str) -> Any:
    # Audit rows of one step stay as they follow each other.
    return _step_of if table == "case_audit" else json.dumps


def _step_of(row: Row) -> str:
    return str(row["step"])


def _comparable(row: Row, names: Mapping[str, str], made: Mapping[int, str]) -> Row:
    plain: Row = {}
    for column, value in sorted(row.items()):
        if column in {"version", "old_version"}:
            plain[column] = made.get(value)
        elif isinstance(value, datetime) or (column in _DIGESTS and value is not None):
            plain[column] = "something"
        elif column == "detail" and isinstance(value, str):
            plain[column] = _renamed(_SAW.sub('"saw":"some"', value), names)
        else:
            plain[column] = _renamed(value, names)
    return plain


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, bytes):
        value = value.decode()
    if isinstance(value, list):
        return [_renamed(item, names) for item in value]  # pyright: ignore[reportUnknownVariableType]
    if not isinstance(value, str):
        return value
    for name, instead in names.items():
        value = value.replace(name, instead)
    return json.loads(value) if value.startswith(("{", "[")) else value
