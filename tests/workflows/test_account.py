"""Trouble to log in, end to end: one link at a time, and none for whom mail does not reach."""

from cases.state import CaseState
from tests.conftest import SmallWorld, WorkerFactory
from tests.workflows.support import ACCOUNT, BOTH, finish

UNREACHED = "I can't log in to my account, and I no longer have access to that email."


def answer_of(state: CaseState) -> str:
    return str(state.sections["resolution"].model_dump()["answer"])


async def test_a_second_case_sends_no_second_reset_mail_and_says_that_one_was_sent(
    world: SmallWorld, run_worker: WorkerFactory, case_id: str
) -> None:
    await world.twins(4999)
    async with run_worker():
        assert await finish(await world.start(ACCOUNT)) == "answered"
        assert await finish(await world.start(BOTH, f"{case_id}_b")) == "answered"
        await world.until_mailed("answer")

    state = await world.state(f"{case_id}_b")
    answer = answer_of(state)
    assert state.sections["account"].model_dump()["issue"] == "reset_already_sent"
    assert len(await world.mails("reset")) == 1
    assert len(await world.refunds()) == 1
    assert "link to reset your password within the last day" in answer
    assert "49.99 USD" in answer


async def test_after_the_link_was_taken_back_the_next_case_sends_a_new_one(
    world: SmallWorld, run_worker: WorkerFactory, case_id: str
) -> None:
    await world.customer()
    async with run_worker():
        await finish(await world.start(ACCOUNT))
        await world.session.stores.sandbox.execute(
            "UPDATE sandbox.mails SET revoked_at = sandbox.now() WHERE customer_id = $1",
            world.customer_id,
        )
        assert await finish(await world.start(ACCOUNT, f"{case_id}_b")) == "answered"

    assert len(await world.mails("reset")) == 2


async def test_whom_mail_does_not_reach_gets_a_person_no_link_and_no_word_of_money(
    world: SmallWorld, run_worker: WorkerFactory
) -> None:
    await world.twins(4999)
    async with run_worker():
        status = await finish(await world.start(f"I was charged twice. {UNREACHED}"))

    state = await world.state()
    answer = answer_of(state)
    assert status == "manual_review"
    assert state.sections["policy"].model_dump()["rule"] == "wrong_mail"
    assert await world.mails("reset") == []
    assert await world.refunds() == []
    assert "A colleague is looking into your request" in answer
    assert "49.99" not in answer
