"""Unique words in every input, and where they are found: in files and in columns."""

import json
from collections.abc import Iterable
from pathlib import Path

from stores.customer_keys import CustomerKeys
from stores.postgres import Pool

#: What a customer writes, and what people write about it. No two have a word in common.
NAME, MAIL, PHONE = "Quillon Vexworth", "quillon.vex@lovelace-4711.org", "+49 30 5550 4711"
CARD, IBAN, SECRET = "4242 4242 4242 4242", "DE89 3704 0044 0532 0130 00", "zebra-umbrella-91"
FOLLOW_UP, EDITED, NOTE = "walrus-lantern-37", "otter-compass-52", "badger-note-63"
REASON, TASK_NOTE = "heron-reason-74", "lynx-task-85"
#: And an error of careless code, with words of the customer in it.
ERROR = "gecko-error-96"
CANARIES = (
    NAME, MAIL, PHONE, CARD, IBAN, SECRET, FOLLOW_UP, EDITED, NOTE, REASON, TASK_NOTE, ERROR,
)  # fmt: skip

TEXT = (
    f"I was charged twice for the family plan, 1,200.00 USD each. I am {NAME}, {MAIL}, {PHONE}. "
    f"Card {CARD}, IBAN {IBAN}. My password hint is {SECRET}."
)


def in_files(folder: Path) -> dict[str, list[str]]:
    """The files below the folder that hold a canary, and which."""
    found: dict[str, list[str]] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and (hits := in_bytes(path.read_bytes())):
            found[str(path.relative_to(folder))] = hits
    return found


def in_bytes(content: bytes) -> list[str]:
    """The canaries in it, as they are and as JSON and Postgres' text of bytes write them."""
    return [word for word in CANARIES if any(form in content for form in _forms(word))]


def _forms(word: str) -> Iterable[bytes]:
    raw = word.encode()
    return (raw, json.dumps(word)[1:-1].encode(), raw.hex().encode(), raw.hex().upper().encode())


async def in_columns(owner: Pool, keys: CustomerKeys | None = None) -> dict[str, list[str]]:
    """The columns of the record that hold a canary; with keys, of what they open."""
    tables = await owner.fetch(
        "SELECT table_name FROM information_schema.tables "
        "WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
    )
    found: dict[str, set[str]] = {}
    for table in tables:
        name = table["table_name"]
        rows = await owner.fetch(f'SELECT * FROM "{name}"')  # noqa: S608  ours
        for row in await keys.opened(rows) if keys else map(dict, rows):
            for column, value in row.items():
                content = value if isinstance(value, bytes) else str(value).encode()
                if hits := in_bytes(content):
                    found.setdefault(f"{name}.{column}", set()).update(hits)
    return {column: sorted(hits) for column, hits in sorted(found.items())}
