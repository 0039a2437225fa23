"""Approvers' tokens on this machine: one private file each."""

import os
from pathlib import Path

from cases.errors import Forbidden, InvalidInput
from runtime.servers import demo_home
from runtime.settings import Settings
from stores.approvers import PostgresApprovers


def token_folders(settings: Settings) -> list[Path]:
    """Where tokens may lie: of the usual stack, and of the demo's own."""
    return [settings.home / "approvers", demo_home(settings) / "approvers"]


def save_token(home: Path, name: str, token: str) -> Path:
    """Write a token, readable by its owner only; an earlier file of that name is kept."""
    folder = home / "approvers"
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    number = 1
    path = folder / f"{name}.token"
    while path.exists():
        number += 1
        path = folder / f"{name}-{number}.token"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(token + "\n")
    return path


async def find_token(settings: Settings, approvers: PostgresApprovers, by: str | None) -> str:
    """The token to decide with: of the environment, else a file's that this database knows.

    Raises InvalidInput if several people could be meant, Forbidden if there is none.
    """
    candidates = [settings.approver_token] if settings.approver_token else _saved(settings)
    known = {name: token for token in candidates if (name := await approvers.name_of(token))}
    if settings.approver_token and not known:
        raise Forbidden("The token in CASEKEEPER_APPROVER_TOKEN belongs to no approver.")
    if by is not None:
        if by not in known:
            here = f" It has that of {', '.join(sorted(known))}." if known else ""
            raise Forbidden(f"There is no token of an approver {by!r} here.{here}")
        return known[by]
    if len(known) > 1:
        raise InvalidInput("--by", f"say who decides: {', '.join(sorted(known))}")
    if not known:
        raise Forbidden(
            "There is no approver's token here: set CASEKEEPER_APPROVER_TOKEN, or CASEKEEPER_HOME "
            "to where `casekeeper up` or `migrate` left one."
        )
    return next(iter(known.values()))


def _saved(settings: Settings) -> list[str]:
    return [
        path.read_text().strip()
        for folder in token_folders(settings)
        if folder.is_dir()
        for path in sorted(folder.glob("*.token"))
    ]
