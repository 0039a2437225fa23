"""What changes from one refund policy to another."""

from cases.money import Money
from cases.policy import RefundPolicy
from cases.records import Record


class PolicyChange(Record):
    """A field of the policy file, before and after; None where it is not there."""

    field: str
    before: int | Money | None
    after: int | Money | None


def changes(before: RefundPolicy, after: RefundPolicy) -> tuple[PolicyChange, ...]:
    """Every field in which the two differ, in the order of the file."""
    old, new = _fields(before), _fields(after)
    order = [*new, *(field for field in old if field not in new)]
    return tuple(
        PolicyChange(field=field, before=old.get(field), after=new.get(field))
        for field in sorted(order, key=_table)
        if old.get(field) != new.get(field)
    )


def _fields(policy: RefundPolicy) -> dict[str, int | Money]:
    fields: dict[str, int | Money] = {"version": policy.version, "limit_days": policy.limit_days}
    for table, limits in (("limits", policy.limits), ("second_limits", policy.second_limits)):
        for code, minor in limits.items():
            fields[f"{table}.{code}"] = Money(amount_minor=minor, currency=code)
    return fields


def _table(field: str) -> int:
    return ("version", "limit_days", "limits", "second_limits").index(field.partition(".")[0])
