"""Cases of the past, put on record as a worker would: steps, requests, decisions and refunds."""

import asyncio
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

from cases.approvals import ApprovalSection, ApprovalState, Verdict, request_approval
from cases.billing import BillingSection, RefundOrder
from cases.effects import EffectState, Outcome, refund_intent
from cases.ids import MAIN
from cases.money import Money
from cases.policy import Decision, PolicySection
from cases.sections import Section
from cases.state import Message, StepUpdate
from cases.understanding import Reason, UnderstandingSection
from workers.composition import Stores

ACCOUNT = "acct_past"
#: The policy that decided them, in minor units: what it does not name needs a person.
LIMITS = {"USD": 50_000, "EUR": 50_000, "JPY": 75_000}
#: So many customers' cases are written at a time.
_AT_ONCE = 8
#: No limit of the ledger's is to stop what is generated.
_NO_LIMIT = 10**12


class Find(StrEnum):
    """What the agents before the policy found."""

    TWINS = "twins"
    NOTHING = "nothing"
    DOUBT = "doubt"
    #: A duplicate, but the customer says that it was fraud.
    FRAUD = "fraud"
    #: The policy has not decided yet.
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Story:
    """One case, what was decided about it, and what came of that."""

    case_id: str
    customer_id: str
    find: Find
    amount: Money
    #: The charge that stays paid; two stories about the same one are about the same duplicate.
    anchor: str
    rule: str
    #: What people said to the request, where there was one.
    verdict: Verdict | None = None
    #: What became of the refund; None: there was none.
    refund: EffectState | None = None
    #: After the customer's last case it turns out that the refund failed.
    fails_later: bool = False

    @property
    def order(self) -> RefundOrder:
        charge = f"{self.anchor}_twin"
        return RefundOrder(charge_id=charge, amount=self.amount, anchor_charge=self.anchor, slot=1)


def stories(customers: int, each: int, *, name: str, seed: int = 8842) -> Iterator[Story]:
    """So many cases of so many customers, one customer's after another, in the order of time."""
    chance = random.Random(seed)  # noqa: S311  cases, not secrets
    for customer in range(customers):
        paid: Counter[str] = Counter()
        failed: str | None = None
        for number in range(each):
            find = chance.choices(list(Find), weights=(70, 10, 5, 10, 5))[0]
            currency = chance.choices(["USD", "EUR", "JPY", "SEK"], weights=(70, 15, 10, 5))[0]
            minor = chance.choice([4_999, 12_000, 25_000, 49_999, 50_000, 50_001, 60_000, 120_000])
            again = find is Find.TWINS and failed is not None
            story = _story(
                Story(
                    case_id=f"{name}_{customer}_{number}",
                    customer_id=f"cus_{name}_{customer}",
                    find=find,
                    amount=Money(amount_minor=minor, currency=currency),
                    anchor=failed if again and failed else f"ch_{name}_{customer}_{number}",
                    rule="failed_before" if again else "",
                ),
                paid,
                chance,
            )
            failed = story.anchor if story.refund is EffectState.REJECTED else None
            if story.rule == "proven_duplicate" and story.refund is EffectState.SUCCEEDED:
                paid[currency] += minor
            yield story


def _story(found: Story, paid: Counter[str], chance: random.Random) -> Story:
    """With the decision and its end: the rules of the first policy, written down once more."""
    limit = LIMITS.get(found.amount.currency)
    rule = {
        Find.NOTHING: "nothing_found",
        Find.DOUBT: "doubtful",
        Find.FRAUD: "reason_needs_person",
        Find.UNDECIDED: "",
    }.get(found.find)
    if rule is None and limit is None:
        rule = "currency_not_covered"
    elif rule is None and found.rule:
        rule = found.rule
    elif rule is None and limit is not None:
        sum_ = paid[found.amount.currency] + found.amount.amount_minor
        rule = "above_limit" if sum_ > limit else "proven_duplicate"
    verdict = refund = None
    if rule in ("above_limit", "failed_before"):
        verdict = chance.choice([None, Verdict.APPROVED, Verdict.DENIED])
    if rule == "proven_duplicate":
        refund = chance.choices([EffectState.SUCCEEDED, EffectState.REJECTED], weights=(9, 1))[0]
    elif rule == "above_limit" and verdict is Verdict.APPROVED:
        refund = EffectState.SUCCEEDED
    later = rule == "proven_duplicate" and refund is EffectState.SUCCEEDED
    return replace(
        found,
        rule=rule or "",
        verdict=verdict,
        refund=refund,
        fails_later=later and chance.random() < 0.1,  # noqa: PLR2004  one of ten
    )


async def put_on_record(told: Sequence[Story], stores: Stores, token: str) -> None:
    """Write them, each customer's in their order; the token is of who approves and denies."""
    by_customer: dict[str, list[Story]] = {}
    for story in told:
        by_customer.setdefault(story.customer_id, []).append(story)
    turns = asyncio.Semaphore(_AT_ONCE)

    async def customer(own: Iterable[Story]) -> None:
        async with turns:
            for story in own:
                await _write(story, stores, token)
            for story in own:
                if story.fails_later:
                    await stores.ledger.resolve(
                        _key(story), Outcome(state=EffectState.FAILED), "test"
                    )

    await asyncio.gather(*(customer(own) for own in by_customer.values()))


async def _write(story: Story, stores: Stores, token: str) -> None:
    request = Message(message_id="request", text="Twice!", received_at=datetime.now(UTC))
    await stores.cases.open(story.case_id, MAIN, story.customer_id, request)
    await stores.cases.commit(story.case_id, MAIN, list(_steps(story)), {})
    asked = story.rule in ("above_limit", "failed_before")
    if asked and story.verdict:
        state = await stores.cases.load(story.case_id, MAIN)
        approval = await stores.approvals.newest_of(story.case_id, MAIN)
        await stores.approvals.decide(state, approval, token, story.verdict, "")
    if story.refund:
        await _refund(story, stores)


async def _refund(story: Story, stores: Stores) -> None:
    intent = refund_intent(
        story.order,
        case_id=story.case_id,
        branch=MAIN,
        customer_id=story.customer_id,
        provider_account=ACCOUNT,
    )
    if story.verdict:
        approval = await stores.approvals.newest_of(story.case_id, MAIN)
        approved = {"approval_id": approval.approval_id, "approval_digest": approval.digest}
        intent = intent.model_copy(update=approved)
    else:
        intent = intent.model_copy(update={"limit_minor": _NO_LIMIT})
    _, claim = await stores.ledger.claim(intent)
    if claim.outcome.state is not EffectState.SENDING or story.refund is None:
        raise RuntimeError(f"{story.case_id}: the ledger said {claim.outcome}")
    outcome = Outcome(state=story.refund, receipt=f"re_{story.anchor}")
    await stores.ledger.settle_alone(intent, outcome)


def _key(story: Story) -> str:
    return refund_intent(
        story.order, case_id="", branch=MAIN, customer_id="", provider_account=ACCOUNT
    ).key


def _steps(story: Story) -> Iterator[StepUpdate]:
    reason = Reason.FRAUD if story.find is Find.FRAUD else Reason.DUPLICATE
    yield _step(UnderstandingSection(needs=("billing",), reason=reason, messages_read=1))
    yield _step(_billing(story))
    if story.find is Find.UNDECIDED:
        return
    decided = _decided(story)
    if not decided.approval_required:
        yield _step(decided)
        return
    request = request_approval(
        case_id=story.case_id,
        branch=MAIN,
        amount=story.amount,
        orders=decided.orders,
        policy=(1, decided.rule),
        evidence=story.anchor,
    )
    yield _step(decided.model_copy(update={"approval_id": request.approval_id}))
    asked = ApprovalSection(
        approval_id=request.approval_id,
        state=ApprovalState.PENDING,
        amount=request.amount,
        digest=request.digest,
    )
    yield _step(asked, "approval_request:1").model_copy(update={"approval_request": request})


def _step(section: Section, name: str = "") -> StepUpdate:
    step = name or f"{section.owner}:1"
    return StepUpdate(step=step, owner=section.owner, sections={section.name: section})


def _billing(story: Story) -> BillingSection:
    if story.find is Find.NOTHING:
        return BillingSection(status="nothing_found", charges_seen=2)
    doubts = ("Only some carry a description.",) if story.find is Find.DOUBT else ()
    return BillingSection(
        status="duplicates_found",
        charges_seen=2,
        duplicates=((story.anchor, story.order.charge_id),),
        refundable=story.amount,
        orders=(story.order,),
        doubts=doubts,
    )


def _decided(story: Story) -> PolicySection:
    asks = story.rule in ("above_limit", "failed_before")
    decision = {
        "proven_duplicate": Decision.REFUND,
        "nothing_found": Decision.NO_ACTION,
    }.get(story.rule, Decision.NEEDS_HUMAN)
    proposes = asks or decision is Decision.REFUND
    return PolicySection(
        decision=decision,
        rule=story.rule,
        reason="as the first policy says",
        policy_version=1,
        amount=story.amount if proposes else None,
        orders=(story.order,) if proposes else (),
        approval_required=asks,
    )
