"""Signed heads: the file proves itself, is only added to, and is never begun anew unasked."""

import base64
import fcntl
import hashlib
import json
import multiprocessing
import os
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from stores.heads import Head, HeadsFiles, HeadsReader, HeadsUnusable, HeadsWriter
from stores.keys import UnusableKey

AT = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)


def head(seq: int, case_id: str = "case_1") -> Head:
    return Head(case_id, "main", seq, f"{seq:064x}")


def files_in(folder: Path) -> HeadsFiles:
    return HeadsFiles(heads=folder / "heads.jsonl", signing_key=folder / "signing-key.pem")


@pytest.fixture
def files(tmp_path: Path) -> HeadsFiles:
    return files_in(tmp_path / "audit")


@pytest.fixture
def signed(files: HeadsFiles) -> HeadsFiles:
    """Four lines, of seq 1 to 4."""
    for seq in range(1, 5):
        append(files, head(seq))
    return files


def append(files: HeadsFiles, *heads: Head) -> int:
    return HeadsWriter(files).append(AT, heads, known={})


def read(files: HeadsFiles, public_key: Path | None = None) -> tuple[list[int], list[str]]:
    """The seqs of the lines that hold, and the findings."""
    reader = HeadsReader(files.heads, public_key or files.public_key)
    seqs = [found.seq for line in reader.lines() for found in line.heads]
    return seqs, reader.findings


def change(files: HeadsFiles, edit: Callable[[list[bytes]], None]) -> None:
    lines = files.heads.read_bytes().splitlines(keepends=True)
    edit(lines)
    files.heads.write_bytes(b"".join(lines))


def test_what_was_signed_reads_back_and_nothing_is_found(signed: HeadsFiles) -> None:
    assert read(signed) == ([1, 2, 3, 4], [])


def test_a_line_is_signed_over_its_canonical_form_and_names_the_line_before(
    signed: HeadsFiles,
) -> None:
    """As docs/auditing.md tells it, so that an auditor needs none of our code."""
    first, second, *_ = signed.heads.read_bytes().splitlines()
    line: dict[str, Any] = json.loads(second)
    signature = base64.b64decode(line.pop("signature"))
    key: Any = load_pem_public_key(signed.public_key.read_bytes())

    content = json.dumps(line, sort_keys=True, separators=(",", ":")).encode()
    key.verify(signature, content)
    assert line == {
        "at": AT.isoformat(),
        "heads": [["case_1", "main", 2, f"{2:064x}"]],
        "previous": hashlib.sha256(first).hexdigest(),
    }


def test_the_signing_key_is_for_its_owner_only(signed: HeadsFiles) -> None:
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in signed.heads.parent.iterdir()}

    assert modes.pop("signing-key.pem") == 0o600
    assert modes.pop("heads.jsonl.lock") == 0o600
    assert modes.keys() == {"heads.jsonl", "public-key.pem"}
    assert stat.S_IMODE(signed.heads.parent.stat().st_mode) == 0o700


def test_the_signing_key_is_not_needed_to_verify(signed: HeadsFiles, tmp_path: Path) -> None:
    elsewhere = tmp_path / "kept.pem"
    signed.public_key.rename(elsewhere)
    signed.signing_key.unlink()

    assert read(signed, elsewhere) == ([1, 2, 3, 4], [])


def _edit_line(lines: list[bytes]) -> None:
    lines[1] = lines[1].replace(b'"case_1"', b'"case_2"')


def _delete_middle(lines: list[bytes]) -> None:
    del lines[1]


def _delete_first(lines: list[bytes]) -> None:
    del lines[0]


def _swap(lines: list[bytes]) -> None:
    lines[1], lines[2] = lines[2], lines[1]


def _repeat(lines: list[bytes]) -> None:
    lines.insert(2, lines[1])


def _nonsense(lines: list[bytes]) -> None:
    lines[3] = b"[]\n"


CHANGED = "it was changed, or another key signed it"


@pytest.mark.parametrize(
    ("edit", "seqs", "findings"),
    [
        (_edit_line, [1, 3, 4], [f"line 2: {CHANGED}", "line 3: it does not follow line 2"]),
        (_delete_middle, [1, 3, 4], ["line 2: it does not follow line 1"]),
        (_delete_first, [2, 3, 4], ["line 1: lines before it are missing"]),
        (
            _swap,
            [1, 3, 2, 4],
            [f"line {n}: it does not follow line {n - 1}" for n in (2, 3, 4)],
        ),
        (_repeat, [1, 2, 2, 3, 4], ["line 3: it does not follow line 2"]),
        (_nonsense, [1, 2, 3], [f"line 4: {CHANGED}"]),
    ],
)
def test_a_changed_file_is_found_and_the_line_is_named(
    signed: HeadsFiles,
    edit: Callable[[list[bytes]], None],
    seqs: list[int],
    findings: list[str],
) -> None:
    change(signed, edit)

    assert read(signed) == (seqs, [f"heads file, {finding}" for finding in findings])


def test_a_signature_by_another_key_is_found(signed: HeadsFiles, tmp_path: Path) -> None:
    forger = files_in(tmp_path / "forger")
    append(forger, head(1))
    forger.heads.write_bytes(signed.heads.read_bytes())
    append(forger, head(9))
    signed.heads.write_bytes(forger.heads.read_bytes())

    assert read(signed) == ([1, 2, 3, 4], [f"heads file, line 5: {CHANGED}"])
    assert read(signed, forger.public_key)[0] == [9]


@pytest.mark.parametrize("left", [None, b"", b'{"at": "half a li'])
def test_a_missing_or_empty_file_is_found_and_not_begun_anew(
    signed: HeadsFiles, left: bytes | None
) -> None:
    signed.heads.unlink()
    if left is not None:
        signed.heads.write_bytes(left)

    assert read(signed) == ([], [f"heads file {signed.heads}: it is missing or empty"])
    with pytest.raises(HeadsUnusable, match="put it back"):
        append(signed, head(5))
    assert read(signed) == ([], [f"heads file {signed.heads}: it is missing or empty"])


def test_a_missing_key_is_found_and_not_made_anew(signed: HeadsFiles) -> None:
    signed.signing_key.unlink()
    with pytest.raises(HeadsUnusable, match="put it back"):
        append(signed, head(5))
    signed.public_key.unlink()

    assert read(signed) == ([], [f"heads file {signed.heads}: there is no {signed.public_key}"])


def test_keys_that_do_not_belong_together_sign_nothing(signed: HeadsFiles, tmp_path: Path) -> None:
    own = files_in(tmp_path / "own")
    append(own, head(1))
    signed.signing_key.write_bytes(own.signing_key.read_bytes())

    with pytest.raises(UnusableKey, match=r"public-key\.pem does not belong"):
        append(signed, head(5))


def test_a_file_that_is_no_key_is_named(signed: HeadsFiles) -> None:
    signed.public_key.write_text("no key")

    with pytest.raises(UnusableKey, match=r"public-key\.pem cannot be read"):
        read(signed)


def test_before_the_first_head_nothing_is_found_and_no_key_is_made(files: HeadsFiles) -> None:
    assert append(files) == 0
    assert read(files) == ([], [])
    assert not files.signing_key.exists()


def test_a_process_that_died_at_its_first_line_is_no_finding(files: HeadsFiles) -> None:
    append(files, head(1))
    files.heads.write_bytes(files.heads.read_bytes()[:-9])
    files.public_key.unlink()

    assert read(files) == ([], [])
    assert append(files, head(1)) == 1
    assert read(files) == ([1], [])


def test_a_public_key_that_is_missing_yet_is_written_with_the_next_export(
    signed: HeadsFiles,
) -> None:
    published = signed.public_key.read_bytes()
    signed.public_key.unlink()

    assert append(signed, head(4)) == 0
    assert signed.public_key.read_bytes() == published


def test_a_first_export_that_is_under_way_is_waited_for(signed: HeadsFiles) -> None:
    published = signed.public_key.read_bytes()
    signed.public_key.unlink()
    with signed.heads.with_name("heads.jsonl.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with ThreadPoolExecutor() as threads:
            reading = threads.submit(read, signed)
            assert not wait([reading], 0.2).done
            signed.public_key.write_bytes(published)
            fcntl.flock(lock, fcntl.LOCK_UN)

            assert reading.result() == ([1, 2, 3, 4], [])


def test_half_a_line_is_no_finding_and_is_replaced_by_the_next(signed: HeadsFiles) -> None:
    whole = signed.heads.read_bytes()
    signed.heads.write_bytes(whole + b'{"at":"2026')

    assert read(signed) == ([1, 2, 3, 4], [])
    append(signed, head(5))
    assert read(signed) == ([1, 2, 3, 4, 5], [])
    assert signed.heads.read_bytes().startswith(whole)


def test_what_is_in_the_file_already_is_not_written_again(signed: HeadsFiles) -> None:
    before = signed.heads.read_bytes()

    assert append(signed, head(4)) == 0
    assert signed.heads.read_bytes() == before
    assert append(signed, head(4), head(1, "case_2")) == 1
    assert HeadsWriter(signed).append(AT, [head(7)], known={head(7).case: head(7)}) == 1


def test_many_heads_make_many_lines_that_follow_each_other(files: HeadsFiles) -> None:
    many = [head(1, f"case_{n:05}") for n in range(1201)]

    assert append(files, *many) == 1201
    assert len(files.heads.read_bytes().splitlines()) == 3
    assert read(files) == ([1] * 1201, [])


def _append_some(folder: Path, start: Any) -> None:
    start.wait()
    for seq in range(1, 11):
        append(files_in(folder), head(seq, f"case_{os.getpid()}"))


def test_processes_that_append_at_once_share_one_key_and_one_chain(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    start = context.Event()
    processes = [context.Process(target=_append_some, args=(tmp_path, start)) for _ in range(3)]
    for process in processes:
        process.start()
    start.set()
    for process in processes:
        process.join()

    assert [process.exitcode for process in processes] == [0, 0, 0]
    seqs, findings = read(files_in(tmp_path))
    assert sorted(seqs) == sorted([*range(1, 11)] * 3)
    assert findings == []
    assert not list(tmp_path.glob("*.new"))
