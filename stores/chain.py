"""The chain of one case's audit rows, recomputed: pure functions over the rows of read_chains."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from cases.effects import EffectIntent
from cases.ids import MAIN
from cases.money import Money
from stores.customer_keys import ERASED

#: A row of read_chains, in clear.
Row = Mapping[str, Any]


def name_of(case_id: str, branch: str) -> str:
    """How a finding names a case."""
    return f"case {case_id}" if branch == MAIN else f"case {case_id}, branch {branch}"


def check_chain(chain: Sequence[Row]) -> list[str]:
    """What is wrong with one case, one sentence a finding; empty if everything fits."""
    case = chain[0]
    name = name_of(case["case_id"], case["branch"])
    rows = [row for row in chain if row["seq"] is not None]
    settled = {row["step"]: row["detail"] for row in rows if row["event"] == "effect_settled"}
    findings: list[str] = []
    previous = b""
    for expected_seq, row in enumerate(rows, start=1):
        where = f"{name}, row {row['seq']}"
        if row["seq"] != expected_seq:
            return [*findings, f"{where}: row {expected_seq} is missing"]
        findings += [f"{where}: {problem}" for problem in _problems(row, previous, settled)]
        previous = row["hash"]
    if (len(rows), previous) != (case["audit_seq"], case["audit_head"]):
        findings.append(f"{name}, row {len(rows)}: the trail does not end where the case says")
    return findings + [f"{name}: {problem}" for problem in _unrecorded(case, rows)]


def _problems(row: Row, previous: bytes, settled: Mapping[str, str]) -> list[str]:
    checks = {
        "does not follow the row before it": row["prev_hash"] == previous,
        "was changed": row["hash"] == _hash(row),
        "the value it recorded was changed": _has_its_value(row),
        "the effect it recorded was changed": _has_its_effect(row, settled),
    }
    return [problem for problem, holds in checks.items() if not holds]


def _unrecorded(case: Row, rows: Sequence[Row]) -> list[str]:
    """What stands in a table without an audit row of its own."""
    problems: list[str] = []
    for kind, events in _RECORDED_BY.items():
        recorded = sum(row["event"] in events for row in rows)
        if case[kind] > recorded:
            problems.append(f"{case[kind]} {kind.replace('_', ' ')}, but only {recorded} on record")
    return problems


_RECORDED_BY = {
    "sections": ("section_written",),
    "messages": ("message_received",),
    "effects": ("effect_claimed",),
    "branch_effects": ("effect_adopted", "effect_conflict", "effect_simulated"),
}


def _has_its_value(row: Row) -> bool:
    if row["event"] == "section_written":
        return bool(row["stored_hash"] == row["body_hash"])
    return row["event"] != "message_received" or bool(row["message_found"])


def _has_its_effect(row: Row, settled: Mapping[str, str]) -> bool:
    effect: dict[str, Any] = json.loads(row["effect"] or "{}")
    if row["event"] in _RECORDED_BY["branch_effects"]:
        return _has_its_answer(row, effect)
    if row["event"] != "effect_claimed":
        return True
    claimed = bytes(row["body_hash"]).hex()
    return (
        effect.get("parameters_hash") == claimed
        and _claimed_so(row, effect, claimed)
        and _outcome(effect) == settled.get(row["step"], "sending")
    )


def _has_its_answer(row: Row, effect: Mapping[str, Any]) -> bool:
    """How a branch's effect was answered never changes."""
    claimed = bytes(row["body_hash"]).hex()
    return (
        effect.get("parameters_hash") == claimed
        and f"effect_{effect['mode']}" == row["event"]
        and _claimed_so(row, effect, claimed)
        and f"{effect['kind']} {_outcome(effect)}" == row["detail"]
    )


def _claimed_so(row: Row, effect: Mapping[str, Any], claimed: str) -> bool:
    """Of what was erased only its hash is left."""
    return row["intent"] == ERASED or _parameters_digest(row, effect) == claimed


def _parameters_digest(row: Row, effect: Mapping[str, Any]) -> str | None:
    """What the ledger's row says now, hashed as at the claim; None where it cannot be read."""
    minor, currency = effect["amount_minor"], effect["currency"]
    try:
        intent = EffectIntent.model_validate_json(row["intent"])
        amount = None if minor is None else Money(amount_minor=minor, currency=currency)
    except ValueError:
        return None
    columns = {name: effect[name] for name in ("kind", "customer_id", "charge_id")}
    return intent.model_copy(update={**columns, "amount": amount}).parameters_digest


def _outcome(effect: Mapping[str, Any]) -> str:
    found = (effect["state"], effect["receipt"], effect["code"])
    return " ".join(part for part in found if part is not None)


def _hash(row: Row) -> bytes:
    fields = (
        row["case_id"], row["branch"], str(row["seq"]), str(row["version"]),
        str(_microseconds(row["at"])), row["actor"], row["event"], row["step"],
        row["section"] or "", "" if row["old_version"] is None else str(row["old_version"]),
        bytes(row["body_hash"]).hex(), row["detail"],
    )  # fmt: skip
    framed = b"".join(len(raw).to_bytes(8, "big") + raw for raw in (f.encode() for f in fields))
    return hashlib.sha256(bytes(row["prev_hash"]) + framed).digest()


def _microseconds(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
