"""A provider that answers well, for whole cases: it reads messages as the offline model does."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from cases.answer_texts import Opening
from gateways.offline.model import OfflineModel
from tests.gateways.llm_server import Json, ModelServer, Request, says

#: What it picks for every answer.
OPENING = Opening.SORRY


@asynccontextmanager
async def scripted_provider() -> AsyncGenerator[ModelServer]:
    """Listens at `url`, a base URL for `openai-compatible:...`; what it was asked is `requests`."""
    offline = OfflineModel()

    async def behave(request: Request, writer: asyncio.StreamWriter) -> None:
        asked = request.asked
        if isinstance(asked, list):
            form = await _understood(offline, [message["text"] for message in request.asked])
        else:
            form = {"opening": OPENING}
        await says(form)(request, writer)

    async with ModelServer.run() as server:
        server.otherwise = behave
        yield server


async def _understood(offline: OfflineModel, messages: list[str]) -> Json:
    read = (await offline.understand(messages)).understanding
    return {
        "needs": sorted(read.needs),
        "reason": read.reason,
        "language": read.language or "en",
        "urgency": read.urgency,
        "suspected_injection": read.suspected_injection,
        "confidence": 90 if read.sure else 30,
    }
