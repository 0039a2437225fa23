"""Approvers and their tokens, of which only hashes are kept."""

import asyncpg
import pytest

from stores.approvers import token_hash
from stores.postgres import Pool
from workers.composition import Stores


async def test_a_token_is_nowhere_in_the_database(stores: Stores, owner: Pool, number: str) -> None:
    token = await stores.approvers.add(f"bob-{number}", {"USD": 1})

    assert token
    row = await owner.fetchrow("SELECT * FROM approvers WHERE name = $1", f"bob-{number}")
    assert row
    assert row["token_hash"] == token_hash(token)
    text = await owner.fetch("SELECT approvers::text AS line FROM approvers")
    secret = token.removeprefix("ckt_")
    assert all(secret not in line["line"] for line in text)
    assert all(secret.encode().hex() not in line["line"] for line in text)
    assert await stores.approvers.name_of(token) == f"bob-{number}"
    assert await stores.approvers.any()


async def test_a_name_that_is_taken_gets_no_second_token(
    stores: Stores, owner: Pool, number: str
) -> None:
    first = await stores.approvers.add(f"eve-{number}", {"USD": 1})

    assert await stores.approvers.add(f"eve-{number}", {"USD": 10**9}) is None
    assert first
    limits = await owner.fetchval(
        "SELECT limits FROM approvers WHERE token_hash = $1", token_hash(first)
    )
    assert limits == '{"USD": 1}'


async def test_two_approvers_never_share_a_token(stores: Stores, owner: Pool, number: str) -> None:
    token = await stores.approvers.add(f"kim-{number}", {})
    copy = "INSERT INTO approvers (name, token_hash, limits) VALUES ($1, $2, '{}')"

    with pytest.raises(asyncpg.UniqueViolationError):
        await owner.execute(copy, f"lee-{number}", token_hash(token or ""))


async def test_everyone_is_listed_by_name_with_limits_and_no_token(
    stores: Stores, number: str
) -> None:
    await stores.approvers.add(f"zoe-{number}", {"USD": 5, "BHD": 7}, customer_id="cus_zoe")
    await stores.approvers.add(f"abe-{number}", {})
    revoked = await stores.approvers.revoke(f"abe-{number}")

    listed = await stores.approvers.all()
    assert [one.name for one in listed] == sorted(one.name for one in listed)
    abe, zoe = (one for one in listed if one.name.endswith(number))
    assert [str(limit) for limit in zoe.limits] == ["0.007 BHD", "0.05 USD"]
    assert (zoe.customer_id, zoe.revoked_at) == ("cus_zoe", None)
    assert revoked
    assert (abe.limits, abe.customer_id, abe.revoked_at) == ((), None, revoked.at)
    assert "token" not in str(zoe)


async def test_a_name_is_taken_in_whatever_case_and_for_ever(stores: Stores, number: str) -> None:
    await stores.approvers.add(f"ann-{number}", {"USD": 1})
    assert await stores.approvers.revoke(f"ann-{number}")

    for name in (f"ann-{number}", f"Ann-{number}", f"ANN-{number}"):
        assert await stores.approvers.add(name, {"USD": 1}) is None


async def test_who_is_revoked_twice_was_revoked_once(stores: Stores, number: str) -> None:
    await stores.approvers.add(f"ann-{number}", {"USD": 1})
    first = await stores.approvers.revoke(f"ann-{number}")
    again = await stores.approvers.revoke(f"ann-{number}")

    assert first
    assert again
    assert (first.changed, again.changed, again.at) == (True, False, first.at)
    assert await stores.approvers.revoke(f"bob-{number}") is None
