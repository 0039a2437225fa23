"""The delivery of the outbox: each thing once, and none for want of another."""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.ledger import LedgeredEffects
from activities.outbox import DeliverTask, OutboxActivities
from cases.effects import EffectIntent, EffectState, Outcome
from cases.errors import GatewayUnavailable
from gateways.sandbox.mail import SandboxMail
from runtime.runs import TemporalRuns
from stores.postgres import Pool
from tests.activities.environment import environment
from tests.outbox import age, forget_others
from tests.stores.support import Waiting, asking_step, commit, opened
from workers.composition import Stores

NOTICES = "SELECT body FROM sandbox.mails WHERE case_id = $1 AND kind = 'notice'"


class Runs(TemporalRuns):
    """The runs of the cases: notes who was told, after the failures it was given."""

    def __init__(self, *failures: Exception) -> None:
        super().__init__()
        self.failures = list(failures)
        self.told: list[tuple[str, str]] = []

    async def tell_decision(
        self, case_id: str, branch: str, approval_id: str, verdict: str
    ) -> bool:
        assert branch == "main"
        assert approval_id.startswith("apr_")
        if self.failures:
            raise self.failures.pop(0)
        self.told.append((case_id, verdict))
        return True


class House:
    """A delivery over the real stores, and a case that waits for a decision."""

    def __init__(self, waiting: Waiting, mail: SandboxMail | None = None) -> None:
        self.waiting, self.stores = waiting, waiting.stores
        self.mail = mail or SandboxMail(self.stores.sandbox)
        self.runs = Runs()

    async def deliver(self, seconds: float = 0, env: ActivityEnvironment | None = None) -> int:
        effects = LedgeredEffects(self.stores.record, self.stores.ledger)
        outbox = OutboxActivities(self.stores.outbox, self.runs, effects, self.mail)
        until = datetime.now(UTC) + timedelta(seconds=seconds)
        task = DeliverTask(until=until, every=timedelta(seconds=0.05))
        return await (env or environment()).run(outbox.deliver_outbox, task)

    async def notices(self) -> list[str]:
        rows = await self.stores.sandbox.fetch(NOTICES, self.waiting.case_id)
        return [row["body"] for row in rows]

    async def until(self, come_true: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not come_true():  # noqa: ASYNC110  it is the outside's state
                await asyncio.sleep(0.02)


@pytest.fixture
async def house(stores: Stores, owner: Pool, case_id: str, number: str) -> House:
    await forget_others(owner)
    waiting = Waiting(stores, owner, case_id, number)
    await commit(stores.cases, await opened(stores, case_id), asking_step(waiting.request))
    return House(waiting)


async def decided(house: House, owner: Pool) -> None:
    """A decision that nobody told."""
    await house.waiting.decide(await house.waiting.approver())
    await age(owner, house.waiting.case_id)


async def test_approvers_are_told_of_a_request_once_with_all_they_need_to_decide(
    house: House,
) -> None:
    assert [await house.deliver(), await house.deliver()] == [1, 0]

    [notice] = await house.notices()
    case_id = house.waiting.case_id
    assert notice.startswith(f"A refund of 600.00 USD in case {case_id} waits to be decided: ")
    assert f"`casekeeper approve {case_id}` or `casekeeper deny {case_id}`." in notice
    expires = (await house.waiting.row()).expires_at
    assert notice.endswith(f"decision by {expires:%Y-%m-%d %H:%M} UTC it is denied.")
    assert "cus_" not in notice


async def test_approvers_are_reminded_once(house: House) -> None:
    await house.deliver()
    await house.stores.approvals.remind(house.waiting.request.approval_id)

    assert [await house.deliver(), await house.deliver()] == [1, 0]

    assert ["still waits" in notice for notice in await house.notices()] == [False, True]


async def test_two_deliveries_at_once_send_one_notice(house: House) -> None:
    await asyncio.gather(*(house.deliver() for _ in range(5)))

    assert len(await house.notices()) == 1


async def test_a_request_that_waits_anew_is_told_anew(house: House) -> None:
    await house.deliver()
    await house.waiting.ask_again("e2", "approval_request:2")
    again = asking_step(house.waiting.request, "approval_request:3")
    await commit(house.stores.cases, await house.waiting.state(), again)

    await house.deliver()

    assert len(await house.notices()) == 2


async def test_nobody_is_asked_what_is_decided_and_the_case_is_told_once(
    house: House, owner: Pool
) -> None:
    await decided(house, owner)

    assert [await house.deliver(), await house.deliver()] == [2, 0]

    assert house.runs.told == [(house.waiting.case_id, "approved")]
    assert await house.notices() == []


async def test_a_case_that_asked_anew_is_not_told_what_was_decided_before(
    house: House, owner: Pool
) -> None:
    await decided(house, owner)
    await house.waiting.ask_again("e2", "approval_request:2")

    await house.deliver()

    assert house.runs.told == []


class LostMail(SandboxMail):
    """Sends, and its answers are lost; or it does not answer at all."""

    def __init__(self, pool: Pool, *, hangs: bool = False) -> None:
        super().__init__(pool)
        self.hangs = hangs
        self.sent = self.looked = 0

    async def send_notice(self, intent: EffectIntent) -> Outcome:
        self.sent += 1
        if self.hangs:
            await asyncio.Event().wait()
        await super().send_notice(intent)
        return Outcome(state=EffectState.UNKNOWN, code="no_answer")

    async def look_up(self, intent: EffectIntent) -> Outcome | None:
        self.looked += 1
        return await super().look_up(intent)


async def test_a_notice_of_which_nobody_knows_whether_it_went_out_is_looked_for(
    house: House,
) -> None:
    house.mail = mail = LostMail(house.stores.sandbox)

    assert [await house.deliver(), await house.deliver(), await house.deliver()] == [0, 1, 0]

    assert (mail.sent, mail.looked) == (1, 1)
    assert len(await house.notices()) == 1


async def test_while_the_mail_system_hangs_decisions_reach_their_cases(
    house: House, owner: Pool
) -> None:
    house.mail = mail = LostMail(house.stores.sandbox, hangs=True)
    delivery = asyncio.create_task(house.deliver(60))
    await house.until(lambda: mail.sent == 1)

    await decided(house, owner)
    await house.until(lambda: bool(house.runs.told))

    assert not delivery.done()
    delivery.cancel()
    await asyncio.wait({delivery})


async def test_what_cannot_be_told_is_said_once_and_told_when_it_can(
    house: House, owner: Pool, caplog: pytest.LogCaptureFixture
) -> None:
    down = GatewayUnavailable("Temporal", "unavailable")
    house.runs = Runs(down, down, down)
    await decided(house, owner)

    with caplog.at_level(logging.WARNING):
        await house.deliver(0.5)

    assert house.runs.told == [(house.waiting.case_id, "approved")]
    [said] = [record for record in caplog.records if "not told" in record.message]
    assert "Temporal" in str(vars(said)["problem"])


async def test_one_that_cannot_be_told_does_not_keep_others_waiting(
    house: House, owner: Pool, stores: Stores
) -> None:
    house.runs = Runs(KeyError("poison"))
    await decided(house, owner)
    other = Waiting(stores, owner, f"{house.waiting.case_id}-2", f"{house.waiting.number}-2")
    await commit(stores.cases, await opened(stores, other.case_id), asking_step(other.request))
    await decided(House(other), owner)

    await house.deliver()

    assert house.runs.told == [(other.case_id, "approved")]


async def test_a_delivery_ends_at_once_with_its_worker_and_another_goes_on(house: House) -> None:
    house.mail = mail = LostMail(house.stores.sandbox, hangs=True)
    env = environment()
    delivery = asyncio.create_task(house.deliver(60, env))
    await house.until(lambda: mail.sent == 1)

    env.worker_shutdown()
    done, _ = await asyncio.wait({delivery}, timeout=5)

    assert done
    error = delivery.exception()
    assert isinstance(error, ApplicationError)
    assert (error.type, error.non_retryable) == ("WorkerStopped", False)
    house.mail = SandboxMail(house.stores.sandbox)
    assert await house.deliver() == 1
    assert len(await house.notices()) == 1


async def test_a_delivery_that_is_cancelled_leaves_nothing_behind(house: House) -> None:
    house.mail = mail = LostMail(house.stores.sandbox, hangs=True)
    before = asyncio.all_tasks()
    delivery = asyncio.create_task(house.deliver(60))
    await house.until(lambda: mail.sent == 1)

    delivery.cancel()
    await asyncio.wait({delivery}, timeout=5)

    assert delivery.cancelled()
    assert asyncio.all_tasks() == before
