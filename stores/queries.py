"""The SQL of queries.sql, by name."""

import re
from functools import cache
from importlib.resources import files


@cache
def queries() -> dict[str, str]:
    """All named queries. A name stands alone as `-- name --` above its description and text."""
    text = files("stores").joinpath("queries.sql").read_text("utf-8")
    parts = re.split(r"^-- (\w+) --$", text, flags=re.MULTILINE)[1:]
    return {name: sql.strip() for name, sql in zip(parts[::2], parts[1::2], strict=True)}


def query(name: str) -> str:
    """The text of one query; raises KeyError for a name that is not in the file."""
    return queries()[name]
