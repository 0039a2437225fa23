"""What the pretended Stripe answers where it does not do what it is asked."""

import json

from tests.gateways.stripe_http import Response

_TOO_MANY = {"error": {"type": "invalid_request_error", "code": "rate_limit"}}
_HTML = b"<html><body><h1>502 Bad Gateway</h1> sam@example.com</body></html>"


class Problem(Exception):
    """An answer that is no object."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


def problem(status: int, body: object, **headers: str) -> Problem:
    """An answer of this status; header names with `_` for `-`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Problem(Response(status, json.dumps(body).encode(), named))


def refused(
    message: str,
    code: str | None = None,
    param: str | None = None,
    *,
    status: int = 400,
    kind: str = "invalid_request",
) -> Problem:
    """Stripe's error object."""
    told = {"type": f"{kind}_error", "message": message, "code": code, "param": param}
    return problem(status, {"error": {name: value for name, value in told.items() if value}})


def missing(kind: str, wanted: str, *, status: int = 404) -> Problem:
    return refused(f"No such {kind}: '{wanted}'", "resource_missing", kind, status=status)


def too_high() -> Problem:
    """Stripe gives no code with it."""
    return refused("Refund amount ($90.00) is greater than unrefunded amount.", param="amount")


#: Decided before the key is looked at: it remembers none of them.
BEFORE_THE_KEY = {
    "401": refused("Invalid API Key provided: sk_test_****rEtE", status=401),
    "403": refused("The key does not have the required permissions.", status=403),
    "409": refused("Another request uses this key.", "idempotency_key_in_use", status=409),
    "conflict": refused("Something else is going on.", status=409),
    "429": problem(429, _TOO_MANY),
    "429_wait": problem(429, _TOO_MANY, Retry_After="7"),
    "lock": problem(429, {"error": {"type": "invalid_request_error", "code": "lock_timeout"}}),
    "503": problem(503, {"error": {"type": "api_error", "message": "Try later."}}),
}

REFUSED = {
    "500": problem(500, {"error": {"type": "api_error", "message": "Sorry."}}),
    "disputed": refused("It has been charged back.", "charge_disputed"),
    "too_high": too_high(),
    "not_captured": refused("The authorisation is over.", "charge_expired_for_capture"),
}

#: What stands between us and Stripe, or a Stripe that is not itself, answers.
INSTEAD = {
    "html_502": Problem(Response(502, _HTML, {"Content-Type": "text/html"})),
    "html_200": Problem(Response(200, _HTML, {"Content-Type": "text/html"})),
    "html_404": Problem(Response(404, _HTML, {"Content-Type": "text/html"})),
    "moved": Problem(Response(302, b"", {"Location": "https://example.com/"})),
    "empty": Problem(Response(200, b"")),
    "list": problem(200, []),
    "text": problem(200, "ok"),
    "null": problem(200, None),
    "no_fields": problem(200, {"object": "refund", "id": "re_1"}),
    "error_is_null": problem(400, {"error": None}),
    "error_is_text": problem(400, {"error": "invalid_client"}),
    "error_is_list": problem(400, {"error": []}),
    "error_is_empty": problem(400, {"error": {}}),
    "body_is_list": problem(400, ["error"]),
    "not_utf8": Problem(Response(200, b"\xff\xfe{}")),
    "slow": Problem(Response(200, b'{"object": "refund"' + b" " * 2000, byte_every_s=0.02)),
    "notice": problem(200, {}, Stripe_Notice="This key is old."),
}
