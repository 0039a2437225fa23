"""What holds of every customer, whatever happened: checked by SQL on both sides after each test."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from cases.money import Money
from workers.composition import Stores

Row = dict[str, Any]

_PAID = ("succeeded", "pending")
_AMOUNT = re.compile(r"(?<![\w.,-])([0-9]+(?:\.[0-9]+)? [A-Z]{3})(?![\w-])")

_CASES = "SELECT case_id, branch, status, closed_at FROM cases WHERE customer_id = ANY($1)"
_EFFECTS = "SELECT * FROM effects WHERE customer_id = ANY($1)"
_AUDIT = "SELECT case_id, event, step FROM case_audit WHERE case_id = ANY($1)"
_MAILS = "SELECT * FROM sandbox.mails WHERE customer_id = ANY($1)"
_REFUNDS = """
SELECT r.* FROM sandbox.current_refunds r JOIN sandbox.charges c ON c.id = r.charge_id
 WHERE c.customer_id = ANY($1) AND r.status NOT IN ('failed', 'canceled')"""
#: Equal charges: one of them is rightly paid, whatever the ledger calls their group.
_TOO_OFTEN = """
SELECT array_agg(DISTINCT c.id) FROM sandbox.charges c LEFT JOIN sandbox.current_refunds r
    ON r.charge_id = c.id AND r.status NOT IN ('failed', 'canceled')
 WHERE c.customer_id = ANY($1)
 GROUP BY c.customer_id, c.merchant, c.description, c.amount_minor, c.currency
HAVING count(r.id) >= count(DISTINCT c.id)"""


class Tally(NamedTuple):
    """What left the house."""

    refunds: int
    resets: int
    answers: int


async def tally(stores: Stores, customers: Sequence[str], *, left_open: int = 0) -> Tally:
    """Check everything that must hold, and count. So many cases may still be open."""
    cases = await _rows(stores.pool, _CASES, customers)
    effects = await _rows(stores.pool, _EFFECTS, customers)
    refunds = await _rows(stores.sandbox, _REFUNDS, customers)
    mails = await _rows(stores.sandbox, _MAILS, customers)
    ids = [case["case_id"] for case in cases]

    assert len([case for case in cases if case["closed_at"] is None]) == left_open
    assert await _rows(stores.sandbox, _TOO_OFTEN, customers) == []
    assert _most([refund["charge_id"] for refund in refunds]) <= 1
    for kind in ("reset", "answer"):
        assert _most([mail["case_id"] for mail in mails if mail["kind"] == kind]) <= 1
    _both_sides_agree(effects, refunds, mails)
    _answers_say_what_was_paid(effects, mails)
    _each_effect_is_on_record(effects, await _rows(stores.pool, _AUDIT, ids))
    lines = [(case["case_id"], case["branch"]) for case in cases]
    assert (await stores.audit.check(lines)).findings == []
    kinds = Counter(mail["kind"] for mail in mails)
    return Tally(refunds=len(refunds), resets=kinds["reset"], answers=kinds["answer"])


async def _rows(pool: Any, query: str, given: Sequence[str]) -> list[Row]:
    return [dict(row) for row in await pool.fetch(query, list(given))]


def _most(names: Iterable[str]) -> int:
    return max(Counter(names).values(), default=0)


def _both_sides_agree(effects: Sequence[Row], refunds: Sequence[Row], mails: Sequence[Row]) -> None:
    ours = {_money_back(e, e["receipt"], e["key"]) for e in effects if _is_paid(e)}
    theirs = {_money_back(r, r["id"], r["idempotency_key"]) for r in refunds}
    assert ours == theirs
    for kind, mailed_as in (("reset_mail", "reset"), ("answer", "answer")):
        sent = {(e["key"], e["receipt"]) for e in effects if _is_done(e, kind)}
        assert sent == {(m["idempotency_key"], m["id"]) for m in mails if m["kind"] == mailed_as}


def _is_paid(effect: Row) -> bool:
    return bool(effect["kind"] == "refund" and effect["state"] in _PAID)


def _is_done(effect: Row, kind: str) -> bool:
    return bool(effect["kind"] == kind and effect["state"] == "succeeded")


def _money_back(row: Row, receipt: str, key: str) -> tuple[str, str, str, int, str]:
    return receipt, key, row["charge_id"], row["amount_minor"], row["currency"]


def _answers_say_what_was_paid(effects: Sequence[Row], mails: Sequence[Row]) -> None:
    """An answer names each sum of its own case, and none that the customer did not get."""
    for mail in mails:
        if mail["kind"] != "answer":
            continue
        paid = [e for e in effects if _is_paid(e) and e["customer_id"] == mail["customer_id"]]
        said = set(_AMOUNT.findall(mail["body"]))
        own = {_amount(e) for e in paid if e["case_id"] == mail["case_id"]}
        assert own <= said <= {_amount(e) for e in paid}, mail["body"]


def _amount(effect: Row) -> str:
    return str(Money(amount_minor=effect["amount_minor"], currency=effect["currency"]))


def _each_effect_is_on_record(effects: Sequence[Row], audit: Sequence[Row]) -> None:
    """Claimed once and settled once, in the case's own trail: none is left half done."""
    noted = Counter((row["case_id"], row["event"], row["step"]) for row in audit)
    for effect in effects:
        assert effect["state"] != "sending", effect["key"]
        for event in ("effect_claimed", "effect_settled"):
            assert noted[effect["case_id"], event, effect["key"]] == 1, (event, effect["key"])
