"""Signed heads: where the cases' chains ended, written down outside of the database.

A file of JSON lines; each names the line before it by its hash and is signed with Ed25519.
"""

import contextlib
import fcntl
import hashlib
import itertools
import json
import os
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from cases.errors import CaseError
from cases.records import Record, canonical
from stores.keys import PublicKey, SigningKey, UnusableKey, write_new

#: A line has at most so many heads, so that the end of the file always holds whole lines.
_HEADS_PER_LINE = 500
#: How much of the file's end is looked at for what is in it already.
_TAIL_BYTES = 4 * 1024 * 1024
#: How long to wait for another process that appends, in seconds.
_PATIENCE_S = 10.0


class Head(NamedTuple):
    """The last row of a case's chain at some moment."""

    case_id: str
    branch: str
    seq: int
    hash: str

    @property
    def case(self) -> tuple[str, str]:
        """Whose chain it is: the case and the branch."""
        return self.case_id, self.branch


class HeadsLine(Record):
    """A line of the file."""

    #: The database's time: whatever was on record then is covered by this line and those before.
    at: datetime
    heads: tuple[Head, ...]
    previous: str
    signature: str
    #: What the signature covers: the rest of the line, in the one form that it may have.
    signed_part: bytes


class HeadsUnusable(CaseError):
    """Heads cannot be written; the sentence says what a person must do."""


class HeadsFiles(Record):
    """Where the heads and the key pair lie."""

    heads: Path
    signing_key: Path

    @property
    def public_key(self) -> Path:
        return self.signing_key.with_name("public-key.pem")


class HeadsWriter:
    """Appends signed heads. Any number of processes on one host may: what two write is harmless."""

    def __init__(self, files: HeadsFiles) -> None:
        self._files = files

    def newest_time(self) -> datetime | None:
        """The database's time in the last line; None where there is none."""
        lines = [line for raw in self._tail() if (line := parsed(raw))]
        return lines[-1].at if lines else None

    def newest_heads(self) -> dict[tuple[str, str], Head]:
        """What the whole file says last of each case and branch."""
        return _newest(_raw_lines(self._files.heads))

    def append(
        self, at: datetime, heads: Sequence[Head], known: Mapping[tuple[str, str], Head]
    ) -> int:
        """Write down the heads that are neither known nor in the file's end; how many those were.

        Raises HeadsUnusable, UnusableKey or OSError.
        """
        with _locked(self._files.heads):
            tail = self._tail()
            known = {**known, **_newest(tail)}
            new = [head for head in heads if known.get(head.case) != head]
            if new or (tail and not self._files.public_key.exists()):
                key = self._key(has_lines=bool(tail))
                self._write(_signed(key, at, new, tail[-1] if tail else b""))
                # Last of all: from here on a missing file is a finding.
                key.public.publish(self._files.public_key)
            return len(new)

    def _key(self, *, has_lines: bool) -> SigningKey:
        """The key, made for the first line; raises HeadsUnusable when one of the two is gone."""
        files = self._files
        if files.public_key.exists() and not has_lines:
            raise HeadsUnusable(
                f"{files.heads} is missing or empty, though it was signed before: put it back, "
                f"or move {files.public_key} and the signing key away to begin anew."
            )
        if has_lines and not files.signing_key.exists():
            raise HeadsUnusable(
                f"{files.heads} goes on with the signing key {files.signing_key}, which is "
                "missing: put it back, or move the file and the public key away to begin anew."
            )
        key = SigningKey.read_or_make(files.signing_key)
        if files.public_key.exists() and PublicKey.read(files.public_key) != key.public:
            raise UnusableKey(files.public_key, "does not belong to the signing key")
        return key

    def _tail(self) -> list[bytes]:
        """The last whole lines, without their ends."""
        try:
            with self._files.heads.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - _TAIL_BYTES))
                lines = file.read().split(b"\n")
        except FileNotFoundError:
            return []
        return lines[1 if size > _TAIL_BYTES else 0 : -1]

    def _write(self, lines: Iterable[bytes]) -> None:
        path = self._files.heads
        write_new(path, b"", 0o644)
        with path.open("r+b") as file:
            _cut_unfinished(file.fileno())
            file.seek(0, os.SEEK_END)
            file.writelines(line + b"\n" for line in lines)
            file.flush()
            os.fsync(file.fileno())


class HeadsReader:
    """Reads the file as an auditor does: each line against the key and the line before it."""

    def __init__(self, heads: Path, public_key: Path) -> None:
        self._heads, self._public_key = heads, public_key
        #: What is wrong with the file; complete after lines().
        self.findings: list[str] = []

    def lines(self) -> Iterator[HeadsLine]:
        """Every line that was signed with the key; raises UnusableKey, OSError."""
        has_key, has_lines = self._found()
        if has_key != has_lines and _lock_of(self._heads).exists():
            # A first export may be under way: it is over when its lock is free.
            with contextlib.suppress(HeadsUnusable, OSError), _locked(self._heads):
                has_key, has_lines = self._found()
        if has_key and has_lines:
            yield from self._verified(PublicKey.read(self._public_key))
        elif has_key:
            self.findings.append(f"heads file {self._heads}: it is missing or empty")
        elif has_lines:
            self.findings.append(f"heads file {self._heads}: there is no {self._public_key}")

    def _found(self) -> tuple[bool, bool]:
        return self._public_key.exists(), any(_raw_lines(self._heads))

    def _verified(self, key: PublicKey) -> Iterator[HeadsLine]:
        previous = ""
        for number, raw in enumerate(_raw_lines(self._heads), start=1):
            where = f"heads file, line {number}"
            line = parsed(raw)
            if line and line.previous != previous:
                self.findings.append(
                    f"{where}: it does not follow line {number - 1}"
                    if previous
                    else f"{where}: lines before it are missing"
                )
            previous = hashlib.sha256(raw).hexdigest()
            if line and key.has_signed(line.signed_part, line.signature):
                yield line
            else:
                self.findings.append(f"{where}: it was changed, or another key signed it")


def parsed(raw: bytes) -> HeadsLine | None:
    """The line; None for what is none."""
    try:
        line = json.loads(raw)
        return HeadsLine(**line, signed_part=_signed_part(line))
    except (ValueError, TypeError, AttributeError):
        return None


def _signed(key: SigningKey, at: datetime, heads: Sequence[Head], last: bytes) -> Iterator[bytes]:
    for start in range(0, len(heads), _HEADS_PER_LINE):
        line: dict[str, Any] = {
            "at": at.isoformat(),
            "heads": [list(head) for head in heads[start : start + _HEADS_PER_LINE]],
            "previous": hashlib.sha256(last).hexdigest() if last else "",
        }
        last = canonical({**line, "signature": key.sign(_signed_part(line))})
        yield last


def _signed_part(line: Mapping[str, Any]) -> bytes:
    return canonical({name: value for name, value in line.items() if name != "signature"})


def _newest(lines: Iterable[bytes]) -> dict[tuple[str, str], Head]:
    """By case and branch, what the lines say last."""
    read = (line for raw in lines if (line := parsed(raw)))
    return {head.case: head for line in read for head in line.heads}


def _raw_lines(path: Path) -> Iterator[bytes]:
    """The whole lines, without their ends; one that is being written is not whole yet."""
    if path.exists():
        with path.open("rb") as file:
            for raw in itertools.takewhile(lambda raw: raw.endswith(b"\n"), file):
                yield raw[:-1]


def _cut_unfinished(descriptor: int) -> None:
    """Drop what a process that died has left of a line."""
    size = os.fstat(descriptor).st_size
    start = max(0, size - _TAIL_BYTES)
    end = os.pread(descriptor, size - start, start)
    if not end.endswith(b"\n"):
        os.ftruncate(descriptor, start + end.rfind(b"\n") + 1)


def _lock_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


@contextmanager
def _locked(path: Path) -> Generator[None]:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(_lock_of(path), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        deadline = time.monotonic() + _PATIENCE_S
        while not _try_lock(descriptor):
            if time.monotonic() > deadline:
                raise HeadsUnusable(f"Another process holds the lock of {path}.")
            time.sleep(0.02)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
