"""The offline model: a trained router, through the port of any model."""

import hashlib
from collections.abc import Iterator, Sequence
from importlib.resources import files

from cases.answer_texts import Opening
from cases.answers import AnswerFacts
from cases.languages import detect
from cases.model_ports import OpeningReply, UnderstandingReply
from cases.understanding import Reason, Topic, Understanding, Urgency
from gateways.offline.manner import suspects_injection, urgency
from gateways.offline.router import PERSON_BELOW, WEIGHTS_FILE, OfflineRouter, Reading


class OfflineModel:
    """Fits `cases.model_ports.LanguageModel`; needs no network, no key and no download."""

    def __init__(self) -> None:
        self._router = OfflineRouter.load()
        weights = files("gateways.offline").joinpath(WEIGHTS_FILE).read_bytes()
        self._hash = hashlib.sha256(weights).hexdigest()[:16]

    async def understand(self, messages: Sequence[str]) -> UnderstandingReply:
        """What the messages need, by the trained weights: each is read by itself."""
        readings = [self._router.read(text) for text in messages]
        reasons = [Reason(reading.reason) for reading in readings]
        named = [reason for reason in reasons if reason is not Reason.UNSPECIFIED]
        understanding = Understanding(
            needs=frozenset(need for reading in readings for need in _needs(reading)),
            reason=named[-1] if named else Reason.UNSPECIFIED,
            language=detect("\n".join(messages)),
            urgency=max((Urgency(urgency(text)) for text in messages), key=list(Urgency).index),
            suspected_injection=any(map(suspects_injection, messages)),
            sure=_sure(readings),
        )
        return UnderstandingReply(
            model="offline", prompt_hash=self._hash, understanding=understanding
        )

    async def pick_opening(self, messages: Sequence[str], facts: AnswerFacts) -> OpeningReply:
        """None: the facts speak for themselves."""
        del messages, facts
        return OpeningReply(model="offline", prompt_hash="none", opening=Opening.NONE)


def _needs(reading: Reading) -> Iterator[Topic]:
    if reading.needs_billing:
        yield Topic.BILLING
    if reading.needs_account:
        yield Topic.ACCOUNT


def _sure(readings: Sequence[Reading]) -> bool:
    """Whether the messages that need something are clear; or, where none does, all of them."""
    telling = [reading for reading in readings if any(_needs(reading))] or readings
    return all(reading.confidence >= PERSON_BELOW for reading in telling)
