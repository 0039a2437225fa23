"""A worker of its own process, while much goes wrong around a customer who tells everything."""

import json
import signal
from pathlib import Path

import pytest

from tests.conftest import SmallWorld
from tests.gateways.llm_server import ModelServer, breaks_off, says
from tests.workers.process import worker_process
from tests.workflows.support import finish
from workers.main import TASK_QUEUE

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

CANARIES = {
    "name": "Zebulon Quaxwell",
    "mail": "zebulon.quaxwell@example.com",
    "phone": "+49 171 5550199",
    "card": "4242 4242 4242 4242",
    "iban": "DE89 3704 0044 0532 0130 00",
}
TEXT = "I was charged twice for the family plan. " + ", ".join(CANARIES.values())


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
async def test_every_line_is_json_and_none_tells_what_the_customer_wrote(
    level: str, world: SmallWorld, home: Path
) -> None:
    await world.twins(script=["drop"])  # the provider's connection ends before its answer
    async with ModelServer.run() as model:
        model.script = [breaks_off, says(TEXT)]
        model.otherwise = says({"needs": [TEXT]})
        given = {
            "CASEKEEPER_LOG_LEVEL": level,
            "CASEKEEPER_MODEL": "openai-compatible:m",
            "CASEKEEPER_MODEL_URL": model.url,
        }
        async with worker_process(home, **given) as worker:
            handle = await world.start(TEXT)
            assert await finish(handle) in ("answered", "manual_review")
            # What is no case cannot be read, and whoever says so quotes it.
            stuck = await world.session.temporal.start_workflow(
                "UnlockAccount", CANARIES, id=f"unlock-{handle.id}", task_queue=TASK_QUEUE
            )
            await worker.until_it_logs("Failed activation")
            await stuck.terminate()
            worker.signal(signal.SIGTERM)
            assert await worker.code() == 0
        assert model.requests

    lines = [json.loads(line) for line in worker.log]
    about = [line for line in lines if line.get("case_id") == handle.id]
    for line in about:
        assert line.keys() >= {"branch", "workflow_id", "run_id", "attempt", "task_queue"}
    assert {line["event"] for line in about} >= {
        "Completing activity as failed",
        "the case is closed",
    }
    [cannot, *_] = [line for line in about if line["event"].startswith("Failed activation")]
    assert "input_value=[text]" in cannot["stack"]
    told = "\n".join(worker.log)
    for kind, canary in CANARIES.items():
        assert canary not in told, kind
    assert "5550199" not in told
    assert "Quaxwell" not in told
    assert world.customer_id not in told
