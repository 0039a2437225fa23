"""Record how today's code stores every kind of case: `uv run python -m tests.corpus.record`.

It writes tests/corpus/vN/ for the schema version N of the code that runs. Do this once, before a
version is released; the folders of older versions are never written again.
"""

import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, cast

from cases.ids import MAIN
from cases.schema import SCHEMA_VERSION
from starters.case_view import view_case
from starters.session import Session
from stores.redis import case_key
from tests.conftest import SmallWorld
from tests.corpus import FOLDER, TABLES, readable
from tests.histories.record import (
    KINDS_OF_CASE,
    _servers,  # pyright: ignore[reportPrivateUsage]
)
from workers.composition import all_activities, sandbox_gateways
from workers.main import build_worker

#: What a view says of the machine that recorded it.
_OF_THE_MACHINE = ("run_id", "web_url")


async def stored_case(session: Session, case_id: str) -> dict[str, Any]:
    """Everything that the stores hold of a case, and what people see of it at each checkpoint."""
    rows = {table: await _rows(session, table, case_id) for table in TABLES}
    checkpoints = [f"{MAIN}.{row['version']}" for row in rows["checkpoints"]]
    hot = await cast(
        "Awaitable[dict[bytes, bytes]]", session.stores.redis.hgetall(case_key(case_id, MAIN))
    )
    views = {at: await view_case(session, case_id, MAIN, at) for at in checkpoints}
    for view in views.values():
        for key in _OF_THE_MACHINE:
            view.pop(key)
    return {
        "schema_version": SCHEMA_VERSION,
        "case_id": case_id,
        "rows": rows,
        "hot": {key.decode(): hot[key].decode() for key in sorted(hot)},
        "views": views,
    }


async def _rows(session: Session, table: str, case_id: str) -> list[dict[str, Any]]:
    found = await session.stores.pool.fetch(
        f"SELECT to_jsonb(t)::text AS row FROM {table} t"  # noqa: S608  our own tables
        f" WHERE case_id = $1 ORDER BY {TABLES[table]}",
        case_id,
    )
    return [readable(json.loads(record["row"])) for record in found]


async def record(home: Path, folder: Path) -> None:
    """Play each kind of case and write what is then stored."""
    async with _servers(home) as (session, env):
        stores = session.stores
        activities = all_activities(stores, sandbox_gateways(stores, session.settings))
        async with build_worker(env.client, activities, session.settings):
            for name, scene in KINDS_OF_CASE.items():
                world = SmallWorld(session, f"v{SCHEMA_VERSION}_{name}")
                handle = await scene(world, env)
                found = await stored_case(session, handle.id)
                text = json.dumps(found, indent=1, ensure_ascii=False)
                (folder / f"{name}.json").write_text(f"{text}\n", "utf-8")
                sys.stdout.write(f"{name}: {len(found['views'])} checkpoints, {len(text)} bytes\n")


if __name__ == "__main__":
    place = Path(tempfile.mkdtemp())
    written = FOLDER / f"v{SCHEMA_VERSION}"
    written.mkdir(exist_ok=True)
    try:
        asyncio.run(record(place, written))
    finally:
        shutil.rmtree(place, ignore_errors=True)
