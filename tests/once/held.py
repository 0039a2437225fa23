"""Effects that stand still at a moment of their way: claimed, performed, settled."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import wraps
from typing import Any, TypeVar
from unittest.mock import patch

from activities.options import COMPENSATION, EFFECT
from cases.effects import Claim, EffectIntent, Outcome
from cases.ports import Committed
from cases.state import StepUpdate
from gateways.sandbox.accounts import SandboxAccounts
from gateways.sandbox.mail import SandboxMail
from gateways.sandbox.payments import SandboxPayments
from stores.effects import PostgresLedger
from tests.workflows.support import eventually
from workers.composition import Gateways, Stores, all_activities

T = TypeVar("T")

#: An attempt may stand still for long, but one whose worker is gone is noticed soon.
_SOON: dict[str, Any] = {
    "attempt": timedelta(seconds=120),
    "heartbeat": timedelta(seconds=3),
    "longest_wait": timedelta(seconds=1),
}

#: What is committed when an effect stands still: the intent, what the outside did, the outcome.
MOMENTS = ("claimed", "performed", "settled")


@contextmanager
def noticed_soon() -> Generator[None]:
    """For workers of this process: nobody is waited for as long as in production."""
    with (
        patch("workflows.steps.EFFECT", dataclasses.replace(EFFECT, **_SOON)),
        patch("workflows.steps.COMPENSATION", dataclasses.replace(COMPENSATION, **_SOON)),
    ):
        yield


class Hold:
    """Where effects of some cases wait until they are let go."""

    def __init__(self, wanted: Mapping[str, tuple[str, str]]) -> None:
        #: The kind and the moment at which a case's effect stands still, by the case's id.
        self._wanted = wanted
        self._open = asyncio.Event()
        self.reached: dict[str, int] = dict.fromkeys(wanted, 0)
        self.said: list[str] = []

    def say(self, words: str) -> None:
        """Tell whoever waits for it."""
        self.said.append(words)

    def is_at(self, moment: str, intent: EffectIntent) -> bool:
        return self._wanted.get(intent.case_id) == (intent.kind, moment)

    def let_go(self) -> None:
        self._open.set()

    async def at(self, moment: str, intent: EffectIntent) -> None:
        if not self.is_at(moment, intent):
            return
        self.reached[intent.case_id] += 1
        self.say(f"held {intent.case_id}")
        await self._open.wait()


async def until_held(hold: Hold) -> None:
    """Wait until each effect that is to stand still does."""

    async def all_held() -> bool:
        return all(hold.reached.values())

    await eventually(all_held, within=60)


class HeldLedger(PostgresLedger):
    """The ledger, where an effect may stand still once the commit is made."""

    def __init__(self, stores: Stores, hold: Hold) -> None:
        super().__init__(stores.pool)
        self._hold = hold

    async def claim(self, intent: EffectIntent) -> tuple[EffectIntent, Claim]:
        claimed = await super().claim(intent)
        await self._hold.at("claimed", intent)
        return claimed

    async def settle(
        self,
        intent: EffectIntent,
        outcome: Outcome,
        update: StepUpdate,
        expected: Mapping[str, int],
    ) -> Committed:
        committed = await super().settle(intent, outcome, update, expected)
        await self._hold.at("settled", intent)
        if any(self._hold.is_at(moment, intent) for moment in MOMENTS):
            self._hold.say(f"settled {intent.case_id} repeated={committed.repeated}")
        return committed


def held_gateways(gateways: Gateways, stores: Stores, hold: Hold) -> Gateways:
    """The sandbox, where an effect may stand still once it was carried out."""

    async def then_hold(intent: EffectIntent, outcome: Outcome) -> Outcome:
        await hold.at("performed", intent)
        return outcome

    class Payments(SandboxPayments):
        async def refund(self, intent: EffectIntent) -> Outcome:
            return await then_hold(intent, await super().refund(intent))

    class Accounts(SandboxAccounts):
        async def send_reset_mail(self, intent: EffectIntent) -> Outcome:
            return await then_hold(intent, await super().send_reset_mail(intent))

        async def revoke_reset(self, intent: EffectIntent) -> Outcome:
            return await then_hold(intent, await super().revoke_reset(intent))

    class Mail(SandboxMail):
        async def send_answer(self, intent: EffectIntent) -> Outcome:
            return await then_hold(intent, await super().send_answer(intent))

    pool = stores.sandbox
    return dataclasses.replace(
        gateways, payments=Payments(pool), accounts=Accounts(pool), mail=Mail(pool)
    )


def held_activities(
    stores: Stores, gateways: Gateways, hold: Hold
) -> list[Callable[..., Awaitable[Any]]]:
    """What a worker registers. Attempts that are over run on, as those of a frozen worker do."""
    held = dataclasses.replace(stores, ledger=HeldLedger(stores, hold))
    activities = all_activities(held, held_gateways(gateways, stores, hold))
    return [_unstoppable(activity) for activity in activities]


def _unstoppable(activity: Callable[..., Awaitable[T]]) -> Callable[..., Awaitable[T]]:
    @wraps(activity)
    async def run(*given: Any) -> T:
        return await asyncio.shield(asyncio.ensure_future(activity(*given)))

    return run
