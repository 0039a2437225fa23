"""The codec server: the Temporal Web UI and CLI ask it to open what they may show.

It holds the keys, so it answers only those who hold a token: the CLI sends it with each request;
a browser gets it once, on a page of its own, and then sends it as a cookie. Every use is logged,
without what was in the payloads.
"""

import hmac
import logging
import secrets
from dataclasses import dataclass
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from urllib.parse import parse_qs

from google.protobuf.json_format import MessageToJson, Parse, ParseError
from temporalio.api.common.v1 import Payloads
from temporalio.converter import PayloadCodec

from runtime.codec import PayloadUnreadable
from runtime.embedded.home import write_private
from runtime.small_http import Request, Response

_log = logging.getLogger(__name__)

#: A page of the Web UI asks for some hundred payloads of a few KB at once.
BODY_LIMIT = 16 * 1024 * 1024
_SHORTEST_TOKEN = 32
_COOKIE = "casekeeper_codec"
_SIGN_IN = "/sign-in"
_DAY_S = 24 * 3600
_PAGE = b"""<!doctype html><meta charset="utf-8"><title>Casekeeper codec server</title>
<h1>Casekeeper codec server</h1>
<form method="post" action="/sign-in"><label>Token: <input name="token" type="password" required>
</label> <button>Sign in for a day</button></form>
"""


class Tokens:
    """One private file `NAME.token` for each who may decode; deleting it ends that at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def ensure_one(self) -> Path | None:
        """Make the first token where there is none; its file."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._all():
            return None
        path = self.folder / "first.token"
        write_private(path, secrets.token_urlsafe(32) + "\n")
        return path

    def owner(self, token: str) -> str | None:
        """Whose token that is; every one is compared, and each in constant time."""
        given, found = token.encode(errors="backslashreplace"), None
        for name, known in self._all().items():
            if hmac.compare_digest(given, known):
                found = name
        return found

    def _all(self) -> dict[str, bytes]:
        texts = {path.stem: path.read_bytes().strip() for path in self.folder.glob("*.token")}
        return {name: text for name, text in texts.items() if len(text) >= _SHORTEST_TOKEN}


@dataclass(frozen=True)
class CodecServer:
    """Temporal's protocol: POST /decode and /encode with JSON payloads.

    `origin` is the Web UI's, such as "http://127.0.0.1:8233"; without it no browser is answered.
    """

    codec: PayloadCodec
    tokens: Tokens
    origin: str | None

    async def answer(self, request: Request) -> Response:
        """One request's answer, with leave to read it for the Web UI's page and no other."""
        answer = await self._answer(request)
        if self.origin is None or request.headers.get("origin") != self.origin:
            return answer
        return Response(
            answer.status, answer.body, answer.kind, (*answer.headers, *_leave(self.origin))
        )

    async def _answer(self, request: Request) -> Response:
        match request.method, request.path:
            case "OPTIONS", "/decode" | "/encode":
                return Response(HTTPStatus.NO_CONTENT)
            case "POST", "/decode" | "/encode":
                return await self._convert(request)
            case "GET", "/" if self.origin:
                return Response(HTTPStatus.OK, _PAGE, "text/html; charset=utf-8", _NO_FRAMES)
            case "POST", "/sign-in" if self.origin:
                return self._signed_in(request)
            case _:
                return Response(HTTPStatus.NOT_FOUND)

    async def _convert(self, request: Request) -> Response:
        what = request.path[1:]
        who = self._who(request)
        if who is None:
            _log.warning("the codec server refused a request", extra={"what": what})
            wanted = (("WWW-Authenticate", "Bearer"),)
            return Response(HTTPStatus.UNAUTHORIZED, headers=wanted)
        try:
            payloads = Parse(request.body, Payloads())
            convert = self.codec.decode if what == "decode" else self.codec.encode
            converted = Payloads(payloads=await convert(payloads.payloads))
        except (ParseError, UnicodeDecodeError):
            return _refusal("The body is not JSON of Temporal's payloads.")
        except PayloadUnreadable as error:
            return _refusal(str(error))
        _log.info(
            "the codec server was used",
            extra={
                "what": what,
                "who": who,
                "payloads": len(converted.payloads),
                "namespace": request.headers.get("x-namespace", "")[:255],
            },
        )
        return Response(HTTPStatus.OK, MessageToJson(converted, indent=None).encode())

    def _who(self, request: Request) -> str | None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self.tokens.owner(token.strip())
        # A cookie comes with every page's requests: only the Web UI's own page may use it.
        if self.origin is None or request.headers.get("origin") != self.origin:
            return None
        try:
            cookie = SimpleCookie(request.headers.get("cookie", "")).get(_COOKIE)
        except CookieError:
            return None
        return self.tokens.owner(cookie.value) if cookie else None

    def _signed_in(self, request: Request) -> Response:
        form = parse_qs(request.body.decode(errors="replace"))
        token = form.get("token", [""])[0].strip()
        who = self.tokens.owner(token)
        if who is None:
            _log.warning("the codec server refused a request", extra={"what": "sign-in"})
            return Response(HTTPStatus.UNAUTHORIZED, b"That is not a token.", "text/plain")
        _log.info("signed in to the codec server", extra={"who": who})
        # Cookies know no ports: by its path it goes to no other server of this host.
        secure = "; Secure" if self.origin and self.origin.startswith("https:") else ""
        cookies = tuple(
            (
                "Set-Cookie",
                f"{_COOKIE}={token}; Path={path}; Max-Age={_DAY_S}; HttpOnly; SameSite=Strict"
                + secure,
            )
            for path in ("/decode", "/encode")
        )
        done = f"Signed in as {who}. Go on in the Temporal Web UI.".encode()
        return Response(HTTPStatus.OK, done, "text/plain; charset=utf-8", cookies)


_NO_FRAMES = (("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),)


def _leave(origin: str) -> tuple[tuple[str, str], ...]:
    return (
        ("Access-Control-Allow-Origin", origin),
        ("Access-Control-Allow-Credentials", "true"),
        ("Access-Control-Allow-Methods", "POST"),
        (
            "Access-Control-Allow-Headers",
            "Content-Type, X-Namespace, Authorization, Authorization-Extras",
        ),
        ("Vary", "Origin"),
    )


def _refusal(problem: str) -> Response:
    return Response(HTTPStatus.BAD_REQUEST, problem.encode(errors="backslashreplace"), "text/plain")
