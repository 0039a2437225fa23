"""The offline model: a trained router and templated answers, through the port of any model."""

import hashlib
from importlib.resources import files

from cases.answers import AnswerFacts, template
from cases.ports import AnswerReply, UnderstandingReply
from cases.understanding import Reason, Topic, Understanding
from gateways.offline.router import WEIGHTS_FILE, OfflineRouter


class OfflineModel:
    """Fits `cases.ports.LanguageModel`; needs no network, no key and no download."""

    def __init__(self) -> None:
        self._router = OfflineRouter.load()
        weights = files("gateways.offline").joinpath(WEIGHTS_FILE).read_bytes()
        self._hash = hashlib.sha256(weights).hexdigest()[:16]

    async def understand(self, text: str) -> UnderstandingReply:
        """Which needs the message holds, by the trained weights."""
        reading = self._router.read(text)
        needs: set[str] = set()
        if reading.needs_billing:
            needs.add(Topic.BILLING)
        if reading.needs_account:
            needs.add(Topic.ACCOUNT)
        understanding = Understanding(needs=frozenset(needs), reason=Reason(reading.reason))
        return UnderstandingReply(
            model="offline", prompt_hash=self._hash, understanding=understanding
        )

    async def write_answer(self, facts: AnswerFacts) -> AnswerReply:
        """The fixed sentences that say the facts."""
        return AnswerReply(model="offline", prompt_hash="template", text=template(facts))
