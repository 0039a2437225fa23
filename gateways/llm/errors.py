"""What went wrong in a request to a model, in our words: never the provider's, nor a customer's."""

import logging
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus

from pydantic_ai.exceptions import ModelConnectionError, ModelHTTPError

from cases.errors import CaseError, ModelRefused, ModelUnavailable, UnusableAnswer
from cases.model_calls import CallEnd
from gateways.llm.transport import Unacceptable

_log = logging.getLogger(__name__)

_LONGEST_WAIT = timedelta(hours=1)
_OVERLOADED = 529
#: Another try may go better, besides after the server's own errors.
_LATER = frozenset(
    [
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.CONFLICT,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
    ]
)
#: The server's own errors by which it says that it did nothing.
_NOT_DONE = (HTTPStatus.SERVICE_UNAVAILABLE, _OVERLOADED)


@dataclass(frozen=True)
class Failure:
    """A request that brought no answer of a model."""

    end: CallEnd
    #: None where the model may be asked to answer again.
    error: CaseError | None
    #: It is certain that the model did nothing, so that it costs nothing.
    free: bool = False


def in_our_words(error: Exception, model: str) -> Failure:
    """What an exception of the SDKs means. One that they should never raise is a useless answer."""
    problem = _unacceptable(error)
    if problem:
        return Failure(CallEnd.UNUSABLE, UnusableAnswer(model, problem))
    if isinstance(error, ModelHTTPError):
        return _of_status(error, model)
    if isinstance(error, TimeoutError):
        return Failure(CallEnd.UNAVAILABLE, ModelUnavailable(model, "it took too long"))
    if isinstance(error, ModelConnectionError):
        not_sent = error.phase in ("connect", "pool")
        what = "no connection" if not_sent else "the connection broke"
        return Failure(CallEnd.UNAVAILABLE, ModelUnavailable(model, what), free=not_sent)
    # Only its kind is told: its text may quote the answer.
    _log.warning("%s gave an answer that cannot be read: %s.", model, type(error).__name__)
    return Failure(CallEnd.UNUSABLE, None)


def _unacceptable(error: BaseException | None) -> str | None:
    """Why the transport gave up on the answer: the SDKs hide that behind errors of their own."""
    while error:
        if isinstance(error, Unacceptable):
            return str(error)
        error = error.__cause__
    return None


def _of_status(error: ModelHTTPError, model: str) -> Failure:
    status = error.status_code
    problem = f"status {status}"
    if status in _LATER or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        free = status < HTTPStatus.INTERNAL_SERVER_ERROR or status in _NOT_DONE
        later = ModelUnavailable(model, problem, _wait(error))
        return Failure(CallEnd.UNAVAILABLE, later, free=free)
    return Failure(CallEnd.REFUSED, ModelRefused(model, problem), free=True)


def _wait(error: ModelHTTPError) -> timedelta | None:
    """How long to wait, by the provider's headers; Pydantic AI has read them, or left them."""
    if error.status_code != HTTPStatus.TOO_MANY_REQUESTS or error.retry_after is None:
        return None
    return timedelta(seconds=min(error.retry_after, _LONGEST_WAIT.total_seconds()))
