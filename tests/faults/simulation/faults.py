"""Lets attempts fail where the plan of their case says so."""

from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from cases.effects import EffectIntent, EffectState, Outcome
from gateways.offline.model import OfflineModel
from gateways.sandbox.accounts import SandboxAccounts
from gateways.sandbox.mail import SandboxMail
from gateways.sandbox.payments import SandboxPayments
from tests.faults.simulation.plan import CasePlan, Place, Story
from workers.composition import Gateways, Stores

_NO_ANSWER = Outcome(state=EffectState.UNKNOWN, code="no_answer")
#: A provider that is down asks for patience: so its day passes in a few attempts.
_DOWN = Outcome(state=EffectState.UNKNOWN, code="down", retry_after=timedelta(hours=6))

Perform = Callable[[EffectIntent], Awaitable[Outcome]]


class Faults(Interceptor):
    """What fails for which case, and how often something did."""

    def __init__(self) -> None:
        self._plans: dict[str, CasePlan] = {}
        self.struck: Counter[Place] = Counter()

    def plan(self, case_id: str, plan: CasePlan) -> None:
        """The activities of that case fail as planned."""
        self._plans[case_id] = plan

    def strikes(self, place: Place) -> bool:
        """Whether the attempt of an activity that we are in fails there."""
        info = activity.info()
        plan = self._plans.get(str(info.workflow_id))
        planned = plan.faults.get(info.activity_type, ()) if plan else ()
        hit = info.attempt <= len(planned) and planned[info.attempt - 1] is place
        self.struck[place] += hit
        return hit

    def is_down(self) -> bool:
        """Whether the provider answers nothing in the case that we are in."""
        plan = self._plans.get(str(activity.info().workflow_id))
        return plan is not None and plan.story is Story.PROVIDER_DOWN

    async def outside(self, perform: Perform, intent: EffectIntent) -> Outcome:
        """Call the outside; the call or its answer may be lost."""
        if self.strikes(Place.UNSENT):
            return _NO_ANSWER
        outcome = await perform(intent)
        return _NO_ANSWER if self.strikes(Place.UNHEARD) else outcome

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002  its name upstream
        return _Faulty(next, self)


class _Faulty(ActivityInboundInterceptor):
    def __init__(self, inner: ActivityInboundInterceptor, faults: Faults) -> None:
        super().__init__(inner)
        self._faults = faults

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002  its name upstream
        self._fail_at(Place.BEFORE)
        result = await self.next.execute_activity(input)
        self._fail_at(Place.UNREPORTED)
        return result

    def _fail_at(self, place: Place) -> None:
        if self._faults.strikes(place):
            raise ApplicationError(
                f"simulated: {place}", type="Simulated", category=ApplicationErrorCategory.BENIGN
            )


class _Payments(SandboxPayments):
    def __init__(self, stores: Stores, faults: Faults) -> None:
        super().__init__(stores.sandbox)
        self._faults = faults

    async def refund(self, intent: EffectIntent) -> Outcome:
        if self._faults.is_down():
            return _DOWN
        return await self._faults.outside(super().refund, intent)


class _Accounts(SandboxAccounts):
    def __init__(self, stores: Stores, faults: Faults) -> None:
        super().__init__(stores.sandbox)
        self._faults = faults

    async def send_reset_mail(self, intent: EffectIntent) -> Outcome:
        return await self._faults.outside(super().send_reset_mail, intent)

    async def revoke_reset(self, intent: EffectIntent) -> Outcome:
        return await self._faults.outside(super().revoke_reset, intent)


class _Mail(SandboxMail):
    def __init__(self, stores: Stores, faults: Faults) -> None:
        super().__init__(stores.sandbox)
        self._faults = faults

    async def send_answer(self, intent: EffectIntent) -> Outcome:
        return await self._faults.outside(super().send_answer, intent)


def faulty_gateways(stores: Stores, faults: Faults) -> Gateways:
    """The sandbox, some of whose calls and answers are lost, and the offline model."""
    return Gateways(
        model=OfflineModel(),
        payments=_Payments(stores, faults),
        accounts=_Accounts(stores, faults),
        mail=_Mail(stores, faults),
    )
