"""What the tests of promotions start from: a branch that has ended, and both its effects."""

from typing import Any

from cases.billing import RefundOrder
from cases.effects import (
    EffectIntent,
    EffectKind,
    EffectState,
    answer_intent,
    refund_intent,
    reset_intent,
    revoke_intent,
)
from cases.ids import MAIN, correction_key
from cases.promotion import Known, PromotionFacts
from cases.state import CaseStatus
from tests.samples import usd

CASE, CUSTOMER, ACCOUNT = "case_1", "cus_1", "acct"


def refund(
    amount: str = "49.99",
    slot: int = 1,
    state: EffectState = EffectState.SUCCEEDED,
    *,
    charge: str | None = None,
    attempt: int = 1,
    branch: str = MAIN,
) -> Known:
    """A refund of the twin in that place of its group; the charge is the twin's own."""
    order = RefundOrder(
        charge_id=charge or f"ch_{slot + 1}",
        amount=usd(amount),
        anchor_charge="ch_1",
        slot=slot,
        attempt=attempt,
    )
    intent = refund_intent(
        order, case_id=CASE, branch=branch, customer_id=CUSTOMER, provider_account=ACCOUNT
    )
    return Known(intent=intent, state=state, receipt=f"re_{slot}")


def correction(
    amount: str, total_minor: int, state: EffectState = EffectState.SUCCEEDED, **changes: Any
) -> Known:
    """What was paid on top of the refund of the first twin, so that it comes to that sum."""
    made = refund(amount, state=state)
    key = correction_key(ACCOUNT, "ch_1", 1, total_minor)
    update = {"kind": EffectKind.CORRECTION, "key": key, **changes}
    return made.model_copy(update={"intent": made.intent.model_copy(update=update)})


def mail(
    kind: EffectKind, state: EffectState = EffectState.SUCCEEDED, text: str = "Hello."
) -> Known:
    place = {"case_id": CASE, "branch": MAIN, "customer_id": CUSTOMER}
    made: dict[EffectKind, EffectIntent] = {
        EffectKind.RESET_MAIL: reset_intent(**place),
        EffectKind.RESET_REVOKED: revoke_intent(**place),
        EffectKind.ANSWER: answer_intent(**place, text=text),
    }
    return Known(intent=made[kind], state=state, receipt="ml_1")


def facts(
    wanted: tuple[Known, ...] = (), done: tuple[Known, ...] = (), **changes: Any
) -> PromotionFacts:
    """A branch that was made at main.9 and has ended."""
    known: dict[str, Any] = {
        "case_id": CASE,
        "customer_id": CUSTOMER,
        "main_version": 9,
        "promoting": None,
        "branch": "b1",
        "base_version": 9,
        "ended": True,
        "promoted": False,
        "status": CaseStatus.ANSWERED,
        "forked_by": "kim",
        "wanted": wanted,
        "done": done,
    }
    return PromotionFacts(**{**known, **changes})
