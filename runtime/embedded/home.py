"""The directory of an embedded stack: its files, its lock, and its note while it runs."""

import fcntl
import json
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_LOG_LIMIT = 10 * 1024 * 1024


@dataclass(frozen=True)
class Home:
    """An absolute directory that belongs to one embedded stack at a time."""

    root: Path

    @property
    def note(self) -> Path:
        """What a running stack says about itself, as JSON."""
        return self.root / "stack.json"

    @property
    def ports(self) -> Path:
        """The ports of the last start, as JSON."""
        return self.root / "ports.json"

    def postgres_password(self, role: str) -> Path:
        """The password of a role of Postgres; it is generated and lies only here."""
        return self.root / f"{role}.password"

    def data(self, server: str) -> Path:
        """Return the directory with the data of ``server``."""
        return self.root / server

    def log(self, server: str) -> Path:
        """Return the log file of ``server``, which also takes its output."""
        return self.root / "logs" / f"{server}.log"

    def create(self) -> None:
        """Make the directories which are missing, for the owner only."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for directory in (self.data("temporal"), self.data("valkey"), self.root / "logs"):
            directory.mkdir(mode=0o700, exist_ok=True)

    def forget(self) -> None:
        """Delete the data of a stack that does not run; what is not ours in the home stays."""
        for part in ("postgres", "temporal", "valkey", "audit"):
            shutil.rmtree(self.data(part), ignore_errors=True)
        for file in (self.ports, self.note, *self.root.glob("*.password")):
            file.unlink(missing_ok=True)

    def lock(self, patience: float) -> int | None:
        """Lock the home, and return the descriptor that holds the lock, or None.

        Waits up to ``patience`` seconds for whoever has it. Processes that inherit the descriptor
        hold the lock too, so it is free only when the last of them is gone.
        """
        descriptor = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + patience
        while not _try_lock(descriptor, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                os.close(descriptor)
                return None
            time.sleep(0.05)
        return descriptor

    def is_locked(self) -> bool:
        """Tell whether a stack holds this home."""
        try:
            descriptor = os.open(self.root / "lock", os.O_RDWR)
        except (FileNotFoundError, NotADirectoryError):
            return False
        try:
            return not _try_lock(descriptor, fcntl.LOCK_SH)
        finally:
            os.close(descriptor)

    def shorten_logs(self) -> None:
        """Set aside logs of more than 10 MB, one old file each."""
        for log in (self.root / "logs").glob("*.log"):
            if log.stat().st_size > _LOG_LIMIT:
                log.replace(log.with_suffix(".log.old"))


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    unfinished = path.with_name(path.name + ".new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def write_private_json(path: Path, content: Mapping[str, object]) -> None:
    """Write ``content`` as JSON that only its owner can read, whole or not at all."""
    write_private(path, json.dumps(content, indent=2) + "\n")


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
