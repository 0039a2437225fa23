"""The codec server on a real socket: who is answered, what is answered, and what is logged."""

import asyncio
import json
import logging
from base64 import b64encode
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from temporalio.api.common.v1 import Payload, Payloads

from runtime.codec import EncryptedPayloads
from runtime.codec_server import CodecServer, Tokens
from runtime.keys import KeyFile, ensure_keys
from runtime.small_http import serve

ORIGIN = "http://127.0.0.1:8233"
WORDS = "I was charged twice"
PLAIN = {"metadata": {"encoding": b64encode(b"json/plain").decode()}, "data": b64encode(
    WORDS.encode()
).decode()}  # fmt: skip


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def payloads(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.body)["payloads"]
        return found


@dataclass(frozen=True)
class Place:
    """A running codec server and one token for it."""

    port: int
    folder: Path
    token: str
    codec: EncryptedPayloads

    async def ask(
        self, path: str = "/decode", body: object = None, method: str = "POST", **headers: str
    ) -> Answer:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await asyncio.to_thread(self._ask, method, path, data, named)

    async def sealed(self) -> dict[str, Any]:
        payload = Payload(metadata={"encoding": b"json/plain"}, data=WORDS.encode())
        return MessageToDict(Payloads(payloads=await self.codec.encode([payload])))

    @property
    def bearer(self) -> str:
        return f"Bearer {self.token}"

    def _ask(self, method: str, path: str, data: bytes, headers: dict[str, str]) -> Answer:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request(method, path, data, headers)
        response: HTTPResponse = connection.getresponse()
        return Answer(response.status, dict(response.headers), response.read())


@pytest.fixture
async def place(tmp_path: Path) -> AsyncGenerator[Place]:
    tokens = Tokens(tmp_path / "codec")
    file = tokens.ensure_one()
    assert file
    codec = EncryptedPayloads(KeyFile(ensure_keys(tmp_path / "keys.json")))
    server = CodecServer(codec, tokens, ORIGIN)
    async with await serve(server.answer, "127.0.0.1", 0, body_limit=100_000) as listening:
        port = listening.sockets[0].getsockname()[1]
        yield Place(port, tokens.folder, file.read_text().strip(), codec)


async def test_whoever_has_a_token_reads_what_was_encrypted(place: Place) -> None:
    answer = await place.ask(body=await place.sealed(), Authorization=place.bearer)

    assert answer.status == 200
    assert answer.payloads == [PLAIN]
    assert answer.headers["Cache-Control"] == "no-store"


async def test_what_it_encodes_it_decodes(place: Place) -> None:
    encoded = await place.ask("/encode", {"payloads": [PLAIN]}, Authorization=place.bearer)
    assert b64encode(WORDS.encode()) not in encoded.body

    decoded = await place.ask("/decode?preserveStorageRefs=true", json.loads(encoded.body),
                              Authorization=place.bearer)  # fmt: skip
    assert decoded.payloads == [PLAIN]


@pytest.mark.parametrize(
    "given", [None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic {token}", "Bearer {token}x"]
)
async def test_without_the_token_nothing_is_decoded(place: Place, given: str | None) -> None:
    headers = {} if given is None else {"Authorization": given.format(token=place.token)}
    for path in ("/decode", "/encode"):
        answer = await place.ask(path, await place.sealed(), **headers)
        assert answer.status == 401
        assert answer.body == b""


async def test_a_token_whose_file_is_deleted_opens_nothing_any_more(place: Place) -> None:
    (place.folder / "first.token").unlink()

    answer = await place.ask(body=await place.sealed(), Authorization=place.bearer)
    assert answer.status == 401


async def test_a_file_that_is_empty_or_short_is_no_token(place: Place) -> None:
    for name, text in (("empty", ""), ("short", "guess")):
        (place.folder / f"{name}.token").write_text(text)
        answer = await place.ask(body=await place.sealed(), Authorization=f"Bearer {text}")
        assert answer.status == 401


def test_the_first_token_is_private_and_made_once(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path / "codec")
    file = tokens.ensure_one()
    assert file is not None
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(file.read_text().strip()) >= 43
    assert tokens.ensure_one() is None


async def test_each_use_is_logged_by_name_and_without_what_was_read(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    (place.folder / "kim.token").write_text("k" * 40)
    caplog.set_level(logging.INFO)
    await place.ask(body=await place.sealed(), Authorization=f"Bearer {'k' * 40}",
                    X_Namespace="support")  # fmt: skip
    await place.ask(body=await place.sealed(), Authorization="Bearer wrong")

    used, refused = caplog.records
    kept = used.__dict__
    assert (kept["what"], kept["who"], kept["payloads"], kept["namespace"]) == (
        "decode", "kim", 1, "support",
    )  # fmt: skip
    assert refused.levelno == logging.WARNING
    logged = str([record.__dict__ for record in caplog.records])
    for secret in (WORDS, b64encode(WORDS.encode()).decode(), "k" * 40, place.token, "wrong"):
        assert secret not in logged


async def test_a_page_of_the_web_ui_may_ask_and_no_other(place: Place) -> None:
    asked = {"Access_Control_Request_Method": "POST"}
    ours = await place.ask(method="OPTIONS", Origin=ORIGIN, **asked)
    assert ours.status == 204
    assert ours.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert ours.headers["Access-Control-Allow-Credentials"] == "true"
    assert "X-Namespace" in ours.headers["Access-Control-Allow-Headers"]

    for other in ("http://127.0.0.1:8234", "http://evil.example", "null", f"{ORIGIN}.evil.example"):
        theirs = await place.ask(method="OPTIONS", Origin=other, **asked)
        assert not [name for name in theirs.headers if name.startswith("Access-Control")]


async def signed_in(place: Place) -> str:
    answer = await place.ask("/sign-in", f"token={place.token}".encode())
    assert answer.status == 200
    cookie = answer.headers["Set-Cookie"]
    for word in ("HttpOnly", "SameSite=Strict", "Path=/"):
        assert word in cookie
    return cookie.partition(";")[0]


async def test_a_browser_signs_in_once_and_then_the_web_ui_reads(place: Place) -> None:
    page = await place.ask("/", method="GET")
    assert b'name="token"' in page.body
    cookie = await signed_in(place)

    answer = await place.ask(body=await place.sealed(), Cookie=cookie, Origin=ORIGIN)
    assert answer.payloads == [PLAIN]


async def test_a_page_of_another_origin_cannot_use_the_browsers_cookie(place: Place) -> None:
    cookie = await signed_in(place)

    for headers in ({}, {"Origin": "http://127.0.0.1:9999"}):
        answer = await place.ask(body=await place.sealed(), Cookie=cookie, **headers)
        assert answer.status == 401


async def test_a_wrong_token_does_not_sign_in(place: Place) -> None:
    for body in (b"", b"token=", b"token=wrong", b"\xff=\xff"):
        answer = await place.ask("/sign-in", body)
        assert answer.status == 401
        assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b'"x"', b"\xff\xfe", b'{"payloads": 1}', b'{"payloads": [{"data": 5}]}'],
)
async def test_what_is_no_payloads_is_refused(place: Place, body: bytes) -> None:
    answer = await place.ask(body=body, Authorization=place.bearer)

    assert answer.status == 400


async def test_what_nobody_foresaw_is_answered_without_its_words(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(*_: object) -> None:
        raise LookupError(WORDS)

    monkeypatch.setattr(place.codec, "decode", fail)
    answer = await place.ask(body=await place.sealed(), Authorization=place.bearer)

    assert (answer.status, answer.body) == (500, b"")
    assert WORDS not in caplog.text
    assert caplog.records[-1].__dict__["problem"] == "LookupError"


async def test_a_payload_that_does_not_open_is_refused_with_a_sentence(place: Place) -> None:
    damaged = await place.sealed()
    damaged["payloads"][0]["data"] = b64encode(b"0" * 60).decode()

    answer = await place.ask(body=damaged, Authorization=place.bearer)
    assert answer.status == 400
    assert b"is damaged" in answer.body


@pytest.mark.parametrize(("method", "path"), [("GET", "/nowhere"), ("DELETE", "/decode")])
async def test_what_it_does_not_serve_is_not_found(place: Place, method: str, path: str) -> None:
    assert (await place.ask(path, method=method)).status == 404


async def test_without_a_web_ui_no_browser_is_answered(place: Place) -> None:
    lone = CodecServer(place.codec, Tokens(place.folder), None)
    async with await serve(lone.answer, "127.0.0.1", 0, body_limit=100_000) as listening:
        port = listening.sockets[0].getsockname()[1]
        other = Place(port, place.folder, place.token, place.codec)
        assert (await other.ask("/", method="GET")).status == 404
        assert (await other.ask("/sign-in", f"token={place.token}".encode())).status == 404
        cookie = f"casekeeper_codec={place.token}"
        assert (await other.ask(body=await place.sealed(), Cookie=cookie)).status == 401
        assert (await other.ask(body=await place.sealed(),
                                Authorization=place.bearer)).payloads == [PLAIN]  # fmt: skip
