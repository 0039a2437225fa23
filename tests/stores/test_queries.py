"""The named queries: each is described, each is used, and each name that is used is there."""

import re
from pathlib import Path

import pytest

import stores
from stores.queries import queries, query

FOLDER = Path(stores.__file__).parent
_CALL = re.compile(r"fetch_rows?\(\s*(?:self\._pool|pool),\s*\"(\w+)\"")


def _used() -> set[str]:
    return {name for file in FOLDER.glob("*.py") for name in _CALL.findall(file.read_text("utf-8"))}


def test_every_query_is_used_and_every_name_used_is_a_query() -> None:
    assert _used() == set(queries())


def test_no_statement_is_written_beside_the_queries() -> None:
    """Only the migrations, which make the schema, speak SQL by themselves."""
    direct = re.compile(r"\bpool\.(?:execute|fetch\w*)\(|\b(?:SELECT|INSERT|UPDATE|DELETE) ")
    found = {file.name for file in FOLDER.glob("*.py") if direct.search(file.read_text("utf-8"))}

    assert found == {"migrations.py"}


def test_every_query_says_what_it_does() -> None:
    for name, sql in queries().items():
        first, *rest = sql.splitlines()
        assert re.match(r"-- [A-Z].*", first), name
        assert any(not line.startswith("--") for line in rest), name


def test_no_name_stands_twice() -> None:
    text = (FOLDER / "queries.sql").read_text("utf-8")
    names = re.findall(r"^-- (\w+) --$", text, flags=re.MULTILINE)

    assert len(names) == len(set(names)) == len(queries())


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(KeyError):
        query("no_such_query")
