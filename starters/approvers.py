"""`casekeeper approvers`: who may decide, up to which sum. Only the tables' owner changes that."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any

import typer

from cases.errors import Conflict, InvalidInput, NotFound
from cases.ids import check_identifier
from cases.money import Money
from cases.sections import section_owners
from runtime.servers import home_in_use
from runtime.settings import Settings, read_settings
from starters.owner import open_as_owner
from starters.session import open_records
from starters.terminal import JsonFlag, attempt, execute, out, plain_table
from starters.tokens import save_token
from stores.approvers import Approver, PostgresApprovers

#: Who else acts in the audit: a person of that name would be taken for it.
_OTHER_ACTORS = frozenset(["unknown", "ledger", "saga"])

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The approver's name.")]

approvers = typer.Typer(help="Who may approve refunds, each up to a limit per currency.")


class NameTaken(Conflict):
    def __init__(self, name: str) -> None:
        super().__init__(
            f"The name {name} is or was an approver's: the audit knows one person by it. "
            "Take another name."
        )


class ApproverNotFound(NotFound):
    def __init__(self, name: str) -> None:
        super().__init__(f"There is no approver {name}.")


@approvers.command()
def add(
    name: NameArgument,
    limit: Annotated[
        list[str],
        typer.Option(
            "--limit", metavar="CURRENCY=AMOUNT", help="Up to how much; once for each currency."
        ),
    ],
    customer: Annotated[
        str | None,
        typer.Option("--customer", help="Which customer they are: nobody decides their own case."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Add an approver; the token is shown once."""
    limits = attempt(lambda: _check(name, limit, customer), as_json)
    execute(_add(name, limits, customer), as_json, _print_added)


@approvers.command(name="list")
def list_(as_json: JsonFlag = False) -> None:
    """List who may approve, and who once could."""
    execute(_list(), as_json, _print_list)


@approvers.command()
def revoke(name: NameArgument, as_json: JsonFlag = False) -> None:
    """Let someone approve no more, from now on."""
    attempt(lambda: check_identifier(name, "NAME"), as_json)
    execute(_revoke(name), as_json, _print_revoked)


def _check(name: str, given: Sequence[str], customer: str | None) -> list[Money]:
    """The limits; raises InvalidInput that names what cannot be used."""
    check_identifier(name, "NAME")
    if name.casefold() in _OTHER_ACTORS | set(section_owners().values()):
        raise InvalidInput("NAME", f"{name!r} is what the audit calls a part of Casekeeper")
    if customer is not None:
        check_identifier(customer, "--customer")
    limits = [_limit(one) for one in given]
    for place, limit in enumerate(limits):
        if limit.currency in {earlier.currency for earlier in limits[:place]}:
            raise InvalidInput("--limit", f"{limit.currency} is given twice")
    return limits


def _limit(given: str) -> Money:
    currency, equals, amount = given.partition("=")
    if not equals:
        raise InvalidInput("--limit", f"{given!r} is not like USD=500.00")
    try:
        limit = Money.parse(amount, currency)
    except InvalidInput as error:
        raise InvalidInput("--limit", str(error)) from error
    if limit.amount_minor <= 0:
        raise InvalidInput("--limit", f"{given!r} is not above zero")
    return limit


async def _add(name: str, limits: Sequence[Money], customer: str | None) -> dict[str, Any]:
    settings = read_settings()
    minor = {limit.currency: limit.amount_minor for limit in limits}
    async with _open_as_owner(settings) as kept:
        token = await kept.add(name, minor, customer_id=customer)
    if token is None:
        raise NameTaken(name)
    # With servers of one's own, whoever adds approvers need not work where they do.
    embedded = not settings.database_url
    return {
        "name": name,
        "limits": [limit.model_dump(mode="json") for limit in limits],
        "customer_id": customer,
        "token": token,
        "token_file": str(save_token(home_in_use(settings), name, token)) if embedded else None,
    }


async def _list() -> dict[str, Any]:
    async with open_records() as stores:
        found = await stores.approvers.all()
    return {"approvers": [approver.model_dump(mode="json") for approver in found]}


async def _revoke(name: str) -> dict[str, Any]:
    async with _open_as_owner(read_settings()) as kept:
        revoked = await kept.revoke(name)
    if revoked is None:
        raise ApproverNotFound(name)
    return {"name": name, "revoked_at": revoked.at.isoformat(), "changed": revoked.changed}


@asynccontextmanager
async def _open_as_owner(settings: Settings) -> AsyncGenerator[PostgresApprovers]:
    """The approvers as the role that owns the tables; raises Forbidden for another role."""
    async with open_as_owner(settings, "change who approves") as pool:
        yield PostgresApprovers(pool)


def _print_added(result: dict[str, Any]) -> None:
    limits = ", ".join(str(Money.model_validate(limit)) for limit in result["limits"])
    out.print(f"[bold]{result['name']}[/bold] may approve up to {limits} per case.")
    out.print(f"Token: {result['token']}", soft_wrap=True)
    if result["token_file"]:
        out.print(f"It is saved in {result['token_file']}.", soft_wrap=True)
    out.print(
        "It is shown only now. Whoever holds it decides in that name: they set it as "
        "CASEKEEPER_APPROVER_TOKEN.",
        style="dim",
    )


def _print_list(result: dict[str, Any]) -> None:
    if not result["approvers"]:
        out.print("Nobody may approve: add someone with `casekeeper approvers add`.")
        return
    table = plain_table("name", "may approve up to", "is customer", "since", "revoked")
    for row in result["approvers"]:
        known = Approver.model_validate(row)
        table.add_row(
            known.name,
            ", ".join(map(str, known.limits)) or "nothing",
            known.customer_id or "",
            f"{known.since:%Y-%m-%d}",
            f"{known.revoked_at:%Y-%m-%d}" if known.revoked_at else "",
        )
    out.print(table)


def _print_revoked(result: dict[str, Any]) -> None:
    day = result["revoked_at"][:10]
    if result["changed"]:
        out.print(
            f"{result['name']} may approve no more, and what only they have approved is not paid "
            "any more."
        )
    else:
        out.print(f"{result['name']} may not approve since {day} already: nothing has changed.")
