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
