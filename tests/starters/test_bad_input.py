"""Input that cannot be used: the field is named, and nothing is half-done."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from starters.session import Session
from tests.conftest import SmallWorld
from tests.starters.conftest import CommandLine
from tests.starters.test_every_command import (
    assert_refused,
    assert_refused_as_json,
    rows,
)

LONG = "ä" * 20 * 1024  # 40 KiB of UTF-8
CHARGE: dict[str, Any] = {
    "id": "ch_bad_1",
    "customer_id": "cus_bad",
    "amount_minor": 4999,
    "currency": "USD",
    "merchant": "Northwind",
    "created_at": "2026-11-20T10:00:00Z",
}
CASE = {"case_id": "bad_1", "customer_id": "cus_bad", "text": "I was charged twice."}


@pytest.mark.parametrize("text", ["", "   \n\t", "\u200b", "\udc80"], ids=ascii)
@pytest.mark.parametrize(
    ("line", "field"),
    [
        (("start", "--customer", "cus_bad", "--"), "text"),
        (("say", "case_1", "--"), "text"),
        (("cancel", "case_1", "--reason"), "--reason"),
    ],
)
async def test_an_empty_text_is_refused(
    line: tuple[str, ...], field: str, text: str, casekeeper: CommandLine, session: Session
) -> None:
    before = await rows(session)
    assert_refused(await casekeeper(*line, text), 2, f"{field}: is empty")
    assert await rows(session) == before


@pytest.mark.parametrize(
    ("line", "field"),
    [
        (("start", "--customer", "cus_bad"), "text"),
        (("say", "case_1"), "text"),
        (("cancel", "case_1", "--reason"), "--reason"),
        (("approve", "case_1", "--note"), "--note"),
        (("deny", "case_1", "--note"), "--note"),
    ],
)
async def test_a_text_of_40_kib_is_refused(
    line: tuple[str, ...], field: str, casekeeper: CommandLine, session: Session
) -> None:
    before = await rows(session)
    words = f"{field}: has 40,960 bytes, more than the 32,768 allowed"
    assert_refused(await casekeeper(*line, LONG), 2, words)
    assert_refused_as_json(await casekeeper(*line, LONG, "--json"), 2, words)
    assert await rows(session) == before


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (("start",), "--customer: is missing"),
        (("start", "--customer", "cus_bad"), "TEXT: is missing"),
        (("start", "--customer", "a b", "Hello?"), "customer_id: 'a b' is not an id"),
        (("start", "--customer", "c\udc80", "Hello?"), "customer_id: "),
        (("start", "--customer", "c", "--case-id", "a@b", "Hello?"), "case_id: 'a@b'"),
        (("start", "--file", "x", "Hello?"), "--file: does not go with"),
        (("start", "--file", "/no/such/file"), "/no/such/file cannot be read: No such file"),
        (("start", "--file", "/tmp"), "cannot be read: Is a directory"),  # noqa: S108
        (("say", "case_1"), "Missing argument"),
        (("cancel", "case_1"), "Missing option '--reason'"),
        (("show", "case_1", "--at", "seven"), "'seven' is not a checkpoint id"),
        (("show", "case_1", "--at", "\udc80.1"), "checkpoint: "),
        (("history", "case_1", "--limit", "0"), "--limit"),
        (("history", "case_1", "--limit", "many"), "--limit"),
        (("sandbox", "load"), "Missing argument"),
        (("sandbox", "load", "/no/such/file"), "cannot be read"),
    ],
)
async def test_bad_usage_is_one_sentence(
    line: tuple[str, ...], words: str, casekeeper: CommandLine
) -> None:
    assert_refused(await casekeeper(*line), 2, words)
    assert_refused_as_json(await casekeeper(*line, "--json"), 2, words)


BAD_LINES: list[tuple[object, str]] = [
    ("not JSON", "line 2: is not JSON"),
    ('{"case_id": "bad_2"', "line 2: is not JSON"),
    ("[1, 2]", "line 2: is not a JSON object"),
    ("9" * 5000, "line 2: is not"),
    ("[" * 100_000, "line 2: is not JSON"),
    ({**CASE, "case_id": "bad_2", "text": 5}, "line 2, text: is not a text"),
    ({**CASE, "case_id": "bad_2", "text": ["x"]}, "line 2, text: is not a text"),
    ({**CASE, "case_id": "bad_2", "text": ""}, "line 2, text: is empty"),
    ({**CASE, "case_id": "bad_2", "text": LONG}, "line 2, text: has 40,960 bytes"),
    ({**CASE, "case_id": 7}, "line 2, case_id: is not a text"),
    ({**CASE, "case_id": "a b"}, "line 2, case_id: 'a b' is not an id"),
    ({**CASE, "case_id": "bad\ud800"}, "line 2, case_id: "),
    ({**CASE, "case_id": "bad_2", "customer_id": None}, "line 2, customer_id: is missing"),
    ({"case_id": "bad_2", "text": "Hello?"}, "line 2, customer_id: is missing"),
    ({**CASE, "case_id": "bad_2", "amount": 5}, "line 2, amount: is not a field"),
    (CASE, "line 2, case_id: bad_1 stands in line 1 already"),
]


@pytest.mark.parametrize(("line", "words"), BAD_LINES, ids=[words for _, words in BAD_LINES])
async def test_a_bad_line_is_named_and_no_case_is_opened(
    line: object, words: str, casekeeper: CommandLine, jsonl: Any, session: Session
) -> None:
    before = await rows(session)
    path = jsonl(CASE, line)
    assert_refused(await casekeeper("start", "--file", path), 2, words)
    assert_refused_as_json(await casekeeper("start", "--file", path, "--json"), 2, words)
    assert await rows(session) == before


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "holds no case"), (b"\n \n", "holds no case"), (b"\xff\xfe{}", "is not UTF-8")],
)
async def test_a_file_without_a_case_is_refused(
    content: bytes, words: str, casekeeper: CommandLine, tmp_path: Path
) -> None:
    path = tmp_path / "cases.jsonl"
    path.write_bytes(content)
    assert_refused(await casekeeper("start", "--file", str(path)), 2, words)


async def test_nul_and_lone_surrogates_are_replaced_and_the_rest_is_kept(
    casekeeper: CommandLine, jsonl: Any, number: str
) -> None:
    text = "twice\u2028charged \0 and \ud800 \u202e\U0001f44b \x85"
    line = {"case_id": f"file_{number}", "customer_id": "cus_bad", "text": text}
    raw = (
        json.dumps(line, ensure_ascii=True).replace("\\u2028", "\u2028").replace("\\u0085", "\x85")
    )
    assert (await casekeeper("start", "--file", jsonl(raw))).code == 0
    argument = f"arg_{number}"
    begun = await casekeeper(
        "start", "--customer", "cus_bad", "--case-id", argument, "twice \udcff charged"
    )
    assert begun.code == 0
    [message] = (await casekeeper("show", f"file_{number}", "--json")).json()["messages"]
    assert message["text"] == "twice\u2028charged \ufffd and \ufffd \u202e\U0001f44b \x85".strip()
    [message] = (await casekeeper("show", argument, "--json")).json()["messages"]
    assert message["text"] == "twice \ufffd charged"
    shown = await casekeeper("show", f"file_{number}")
    assert "\u202e" not in shown.out
    assert "\\u202e" in shown.out


BAD_WORLDS: list[tuple[object, str]] = [
    ("nonsense", "file: is not JSON"),
    ("[" * 100_000, "file: is nested too deeply"),
    ("[]", "file: "),
    ({"customers": [{"id": "cus_bad", "email": "e"}], "charge": []}, "charge: "),
    ({"customers": [{"id": "a b", "email": "e"}]}, "customers.0.id: "),
    ({"customers": [{"id": "cus_bad", "email": "a\0b"}]}, "customers.0.email: "),
    ({"customers": [{"id": "cus_bad", "email": "a\ud800b"}]}, "customers.0.email: "),
    ({"customers": [{"id": "cus_bad"}]}, "customers.0.email: "),
    ({"charges": [CHARGE]}, "charges.customer_id: names a customer that is not there"),
]
BAD_AMOUNTS: list[object] = [49.99, 4999.0, "4999", 0, -1, 10**16, True, None, "lots"]


@pytest.mark.parametrize(("world", "words"), BAD_WORLDS, ids=[ascii(w)[:60] for w, _ in BAD_WORLDS])
async def test_a_bad_world_is_refused_whole(
    world: object,
    words: str,
    casekeeper: CommandLine,
    jsonl: Any,
    session: Session,
) -> None:
    before = await rows(session)
    path = jsonl(world, name="world.json")
    assert_refused(await casekeeper("sandbox", "load", path), 2, words)
    assert_refused_as_json(await casekeeper("sandbox", "load", path, "--json"), 2, words)
    assert await rows(session) == before


@pytest.mark.parametrize("amount", BAD_AMOUNTS)
async def test_a_bad_amount_is_refused_and_named(
    amount: object,
    casekeeper: CommandLine,
    session: Session,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = await rows(session)
    world = {
        "customers": [{"id": "cus_bad", "email": "e@example.com"}],
        "charges": [{**CHARGE, "amount_minor": amount}],
    }
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(world)))
    done = await casekeeper("sandbox", "load", "-")
    assert_refused(done, 2, "charges.0.amount_minor: ")
    assert await rows(session) == before


@pytest.mark.parametrize("list_name", ["customers", "charges"])
async def test_an_id_twice_in_one_world_is_refused(
    list_name: str, casekeeper: CommandLine, jsonl: Any, session: Session
) -> None:
    before = await rows(session)
    customer = {"id": "cus_bad", "email": "e@example.com"}
    world = {"customers": [customer], "charges": [CHARGE]}
    world[list_name] *= 2
    done = await casekeeper("sandbox", "load", jsonl(world, name="world.json"))
    assert_refused(done, 2, f"{list_name}.1.id: ")
    assert await rows(session) == before


async def test_a_closed_case_takes_no_message_and_no_cancel(
    casekeeper: CommandLine, world: SmallWorld, run_worker: Any, case_id: str, session: Session
) -> None:
    await world.twins(4999)
    async with run_worker():
        handle = await world.start("I was charged twice.", case_id)
        await handle.result()
    before = await rows(session)
    closed = f"Case {case_id} is closed (answered)."
    assert_refused(await casekeeper("say", case_id, "And now?"), 4, closed)
    assert_refused(await casekeeper("cancel", case_id, "--reason", "changed my mind"), 4, closed)
    assert await rows(session) == before
    assert_refused(await casekeeper("show", case_id, "--at", "main.99"), 3, "no checkpoint main.99")
    assert_refused(await casekeeper("show", case_id, "--at", f"main.{10**30}"), 2, "checkpoint: ")
    assert_refused(await casekeeper("show", case_id, "--branch", "b1"), 3, "on branch b1")
