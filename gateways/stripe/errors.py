"""What went wrong in a call, in our words: Stripe refused, or nothing is known."""

import re
from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus

from pydantic import BaseModel, ValidationError

from gateways.stripe.sdk import httpx, stripe

#: How long to wait where Stripe asks to wait and does not say how long.
_SHORT_WAIT = timedelta(seconds=1)
_LONGEST_WAIT = timedelta(minutes=10)

#: Stripe's codes that have a word of ours; any other becomes "refused_<code>".
WORDS = {
    "amount_too_large": "amount_too_high",
    "capture_charge_authorization_expired": "charge_not_captured",
    "charge_already_refunded": "charge_already_refunded",
    "charge_disputed": "charge_disputed",
    "charge_expired_for_capture": "charge_not_captured",
    "invalid_charge_amount_no_decimal_compatible": "amount_not_allowed",
    "refund_disputed_payment": "charge_disputed",
    "resource_missing": "charge_not_found",
}
_IN_PROGRESS = frozenset({"idempotency_key_in_use", "lock_timeout"})

#: Raised by httpx before the first byte of a request leaves: refused, no such host, TLS.
_NOT_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)


class Refused(Exception):
    """Stripe understood the request and said no: sending it again does not help."""

    retry_after: timedelta | None = None

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class NoAnswer(Exception):
    """Whether Stripe did what was asked is not known."""

    def __init__(self, code: str, retry_after: timedelta | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.retry_after = retry_after

    @property
    def is_lost(self) -> bool:
        """Nothing came back that is Stripe's answer to the request."""
        return self.code in ("no_answer", "timed_out", "unexpected_answer", "provider_error")


def in_our_words(error: Exception) -> Refused | NoAnswer:
    """What an exception of the SDK means; one that it should never raise is no answer."""
    if isinstance(error, _NOT_SENT):
        return NoAnswer("not_sent")
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return NoAnswer("timed_out")
    if isinstance(error, httpx.TransportError):
        return NoAnswer("no_answer")
    if isinstance(error, stripe.StripeError) and error.http_status:
        return _of_status(error, error.http_status)
    return NoAnswer("unexpected_answer")


def _of_status(error: stripe.StripeError, status: int) -> Refused | NoAnswer:
    told = _told(error.json_body)
    code = told.code or told.type or ""
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return NoAnswer("not_authorised")
    if status == HTTPStatus.CONFLICT or code in _IN_PROGRESS:
        return NoAnswer("in_progress", _wait(error.headers))
    if isinstance(error, stripe.RateLimitError):
        return NoAnswer("rate_limited", _wait(error.headers))
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return NoAnswer("provider_error")
    asked_wrongly = status in (HTTPStatus.BAD_REQUEST, HTTPStatus.PAYMENT_REQUIRED)
    # A 404 that names no missing thing is no answer of Stripe's: a proxy, or a wrong address.
    if (asked_wrongly and code) or code == "resource_missing":
        return Refused(_refusal(told, code))
    return NoAnswer("unexpected_answer")


class _Told(BaseModel):
    code: str | None = None
    type: str | None = None
    param: str | None = None
    message: str | None = None


class _Body(BaseModel):
    error: _Told


def _told(body: object) -> _Told:
    try:
        return _Body.model_validate(body).error
    except ValidationError:
        return _Told()


def _refusal(told: _Told, code: str) -> str:
    if told.type == "idempotency_error":
        return told.type
    if told.param == "starting_after":  # not the thing that was asked for is missing, but a page
        return "refused_" + code
    # Stripe gives this one no code, only a sentence with the amounts.
    if told.param == "amount" and "greater than" in (told.message or ""):
        return "amount_too_high"
    return WORDS.get(code) or "refused_" + re.sub(r"[^a-z_]", "_", code.lower())[:40]


def _wait(headers: Mapping[str, str] | None) -> timedelta:
    given = {name.lower(): value for name, value in (headers or {}).items()}.get("retry-after", "")
    seconds = re.fullmatch(r"[0-9]{1,6}", given.strip())
    return min(timedelta(seconds=int(seconds[0])), _LONGEST_WAIT) if seconds else _SHORT_WAIT
