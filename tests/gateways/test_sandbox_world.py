"""What the sandbox takes from a file, and what it shows."""

import json
from typing import Any

import pytest

from cases.accounts import Account
from cases.errors import InvalidInput
from gateways.sandbox.accounts import SandboxAccounts
from gateways.sandbox.payments import SandboxPayments
from gateways.sandbox.world import World, load, show
from tests.conftest import SmallWorld
from workers.composition import Stores

CUSTOMER = {"id": "cus_1", "email": "sam@example.com", "name": "Sam", "locked": False}
REFUND = {
    "amount_minor": 4999,
    "currency": "USD",
    "created_at": "2026-11-02T12:00:00+01:00",
    "status": "succeeded",
}
CHARGE = {
    "id": "ch_1",
    "customer_id": "cus_1",
    "amount_minor": 4999,
    "currency": "USD",
    "merchant": "Northwind Music",
    "description": "Family plan",
    "created_at": "2026-11-01T12:00:00Z",
    "status": "captured",
    "refunds": [REFUND],
}


def written(charge: dict[str, Any] | None = None, customer: dict[str, Any] | None = None) -> str:
    """A file with those changes; None takes a field out."""
    charges = {k: v for k, v in {**CHARGE, **(charge or {})}.items() if v is not None}
    customers = {k: v for k, v in {**CUSTOMER, **(customer or {})}.items() if v is not None}
    return json.dumps({"customers": [customers], "charges": [charges]})


def refund(**changed: Any) -> dict[str, Any]:
    return {"refunds": [{**REFUND, **changed}]}


def test_a_file_as_it_is_described_is_read() -> None:
    world = World.parse(written())

    assert world.charges[0].amount_minor == 4999
    assert world.charges[0].refunds[0].created_at.isoformat() == "2026-11-02T12:00:00+01:00"
    assert world.customers[0].email == "sam@example.com"


def test_what_may_be_left_out_has_the_harmless_value() -> None:
    bare = World.parse(
        written(
            {"status": None, "refunds": None, "description": None}, {"name": None, "locked": None}
        )
    )
    assert bare.charges[0].status == "captured"
    assert bare.charges[0].refunds == ()
    assert not bare.customers[0].locked
    assert World.parse("{}") == World()


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("", "file"),
        ("not json", "file"),
        ("[]", "file"),
        ('"text"', "file"),
        ("null", "file"),
        ("[" * 100_000, "file"),
        ('{"a":' * 100_000, "file"),
        ('{"customers": 5}', "customers"),
        ('{"charges": [5]}', "charges.0"),
        ('{"refunds": []}', "refunds"),
        (f'{{"charges": {"1" * 5000}}}', "file"),
        (written({"amount_minor": 49.99}), "charges.0.amount_minor"),
        (written({"amount_minor": 4999.0}), "charges.0.amount_minor"),
        (written({"amount_minor": "4999"}), "charges.0.amount_minor"),
        (written({"amount_minor": True}), "charges.0.amount_minor"),
        (written({"amount_minor": float("nan")}), "charges.0.amount_minor"),
        (written({"amount_minor": 0}), "charges.0.amount_minor"),
        (written({"amount_minor": -1}), "charges.0.amount_minor"),
        (written({"amount_minor": 10**15 + 1}), "charges.0.amount_minor"),
        (written({"currency": "DOLLAR"}), "charges.0.currency"),
        (written({"currency": None}), "charges.0.currency"),
        (written({"created_at": "yesterday"}), "charges.0.created_at"),
        (written({"created_at": "2026-11-31T12:00:00Z"}), "charges.0.created_at"),
        (written({"created_at": "2026-11-01T12:00:00"}), "charges.0.created_at"),
        (written({"status": "paid"}), "charges.0.status"),
        (written({"amount": 4999}), "charges.0.amount"),
        (written({"merchant": None}), "charges.0.merchant"),
        (written({"merchant": "Nul\0"}), "charges.0.merchant"),
        (written({"description": "\ud800"}), "charges.0.description"),
        (written({"id": "ch 1"}), "charges.0.id"),
        (written(refund(amount_minor=5000)), "charges.0.refunds"),
        (written(refund(currency="EUR")), "charges.0.refunds"),
        (written(refund(amount_minor=1.5)), "charges.0.refunds.0.amount_minor"),
        (written(refund(created_at="2026-11-01")), "charges.0.refunds.0.created_at"),
        (written(refund(by="dana")), "charges.0.refunds.0.by"),
        (written(customer={"id": "sam@example.com"}), "customers.0.id"),
        (written(customer={"email": None}), "customers.0.email"),
        (written(customer={"email": "a\0"}), "customers.0.email"),
        (written(customer={"locked": "maybe"}), "customers.0.locked"),
        (written(customer={"phone": "+49"}), "customers.0.phone"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_wrong_file_is_refused_by_the_name_of_the_field(text: str, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        World.parse(text)

    assert refused.value.field == field


def test_a_refund_that_failed_does_not_count_towards_the_charge() -> None:
    twice = [{**REFUND, "status": status} for status in ("failed", "succeeded")]

    assert len(World.parse(written({"refunds": twice})).charges[0].refunds) == 2


async def test_what_was_loaded_is_what_the_gateways_find(stores: Stores, number: str) -> None:
    customer, name = f"cus_{number}", f"ch_{number}"
    text = written({"id": name, "customer_id": customer}, {"id": customer})
    await load(stores.sandbox, World.parse(text))

    assert await SandboxAccounts(stores.sandbox).find(customer) == Account(
        customer_id=customer, email="sam@example.com", name="Sam", locked=False
    )
    [charge] = await SandboxPayments(stores.sandbox).find_charges(customer)
    assert charge.charge_id == name
    assert str(charge.amount) == str(charge.refunded) == "49.99 USD"
    assert charge.created_at.isoformat() == "2026-11-01T12:00:00+00:00"
    assert not charge.refundable


async def test_loading_a_file_again_takes_over_what_changed(stores: Stores, number: str) -> None:
    customer, name = f"cus_{number}", f"ch_{number}"
    who, what = {"id": customer}, {"id": name, "customer_id": customer}
    await load(stores.sandbox, World.parse(written({**what, **refund(status="failed")}, who)))
    await load(stores.sandbox, World.parse(written({**what, **refund()}, {**who, "locked": True})))

    [charge] = await SandboxPayments(stores.sandbox).find_charges(customer)
    account = await SandboxAccounts(stores.sandbox).find(customer)
    assert str(charge.refunded) == "49.99 USD"
    assert account
    assert account.locked


async def test_a_charge_of_a_customer_that_nobody_knows_leaves_nothing_behind(
    stores: Stores, number: str
) -> None:
    customer = f"cus_{number}"
    text = written({"id": f"ch_{number}", "customer_id": f"{customer}_other"}, {"id": customer})
    with pytest.raises(InvalidInput) as refused:
        await load(stores.sandbox, World.parse(text))

    assert refused.value.field == "charges.customer_id"
    assert await SandboxAccounts(stores.sandbox).find(customer) is None


async def test_what_is_shown_can_be_written_as_json_and_keeps_the_keys_to_itself(
    stores: Stores, world: SmallWorld
) -> None:
    [first, _] = await world.twins()
    shown = json.loads(json.dumps(await show(stores.sandbox)))

    assert set(shown) == {"charges", "refunds", "mails", "answers", "notices"}
    [charge] = [one for one in shown["charges"] if one["id"] == first]
    assert charge["amount_minor"] == 4999
    assert charge["created_at"].endswith("+00:00")
    assert all("parameters_hash" not in one for one in shown["refunds"])
