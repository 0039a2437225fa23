"""The embedded Postgres has an owner of the tables and a role that runs cases."""

from pathlib import Path

import asyncpg
import pytest

from runtime.embedded.stack import EmbeddedStack

WHO = "SELECT current_user || ' ' || usesuper FROM pg_user WHERE usename = current_user"


async def _who(url: str) -> str:
    connection = await asyncpg.connect(url)
    try:
        return str(await connection.fetchval(WHO))
    finally:
        await connection.close()


def _passwords(home: Path) -> dict[str, Path]:
    return {path.name: path for path in home.glob("*.password")}


async def test_a_home_of_an_earlier_release_gets_its_second_role(tmp_path: Path) -> None:
    """It had one role and one password; the role that runs cases must not be the superuser."""
    with EmbeddedStack.start(tmp_path, search_attributes={}):
        pass
    passwords = _passwords(tmp_path)
    assert set(passwords) == {"postgres.password", "casekeeper.password"}
    assert {path.stat().st_mode & 0o777 for path in passwords.values()} == {0o600}
    old = passwords["casekeeper.password"].read_text()
    passwords["casekeeper.password"].unlink()

    with EmbeddedStack.start(tmp_path, search_attributes={}) as stack:
        assert await _who(stack.addresses.database_url) == "casekeeper false"
        assert await _who(stack.addresses.owner_database_url) == "postgres true"
        forgotten = stack.addresses.database_url.replace(
            passwords["casekeeper.password"].read_text(), old
        )
        with pytest.raises(asyncpg.InvalidPasswordError):
            await _who(forgotten)
