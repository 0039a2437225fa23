"""Cases as each schema version stored them: what today's code must still read."""

import json
from pathlib import Path
from typing import Any

from stores.postgres import Pool

FOLDER = Path(__file__).parent
FILES = sorted(FOLDER.glob("v*/*.json"))
NAMES = [f"{path.parent.name}-{path.stem}" for path in FILES]

#: The tables that hold a case, parents first, and the order of their rows.
TABLES = {
    "cases": "case_id",
    "sections": "version, name",
    "checkpoints": "version",
    "messages": "position",
    "approvals": "requested_at",
}
#: Columns of bytes that are text; other bytes stand as hex.
_TEXTS = ("body", "orders")


def stored(path: Path) -> dict[str, Any]:
    """A recorded case: `rows` by table, `hot` fields, and `views` by checkpoint."""
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def readable(row: dict[str, Any]) -> dict[str, Any]:
    """A row as Postgres writes it in JSON, with texts instead of their bytes in hex."""
    return {**row, **{key: bytes.fromhex(row[key][2:]).decode() for key in _TEXTS if key in row}}


def _storable(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, **{key: f"\\x{row[key].encode().hex()}" for key in _TEXTS if key in row}}


async def restore(owner: Pool, case: dict[str, Any]) -> None:
    """Put the rows back as they were, once; columns that came later have their defaults."""
    for table in TABLES:
        for row in case["rows"][table]:
            columns = ", ".join(row)
            await owner.execute(
                f"INSERT INTO {table} ({columns}) "  # noqa: S608  our own file
                f"SELECT {columns} FROM jsonb_populate_record(NULL::{table}, $1) "
                "ON CONFLICT DO NOTHING",
                json.dumps(_storable(row)),
            )
