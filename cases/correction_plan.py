"""The correction plan of a promotion: per effect, what is kept, added, corrected or too late."""

from collections.abc import Iterable, Mapping, Sequence

from cases.effects import EffectKind
from cases.ids import answer_key, correction_key, refund_key
from cases.money import Money
from cases.promotion import (
    Action,
    CorrectionPlan,
    Known,
    PlanLine,
    PromotionFacts,
    PromotionRefused,
    check,
    describe_intent,
    group_parts,
)

#: In the order in which they are done: the answer tells of the others.
_MAILS = (EffectKind.RESET_MAIL, EffectKind.RESET_REVOKED, EffectKind.ANSWER)


def make_plan(facts: PromotionFacts) -> CorrectionPlan:
    """What promoting comes to; raises PromotionRefused as `check` does, and for mixed currencies.

    Also while nobody knows what became of an effect, unless the promotion is being carried out.
    """
    check(facts)
    for one in () if facts.begun else facts.unsure:
        raise PromotionRefused(
            f"The outcome of the {describe_intent(one.intent)} is not known yet: "
            "`casekeeper reconcile` looks for it."
        )
    lines = plan_lines(facts)
    amounts = [a for line in lines for a in (line.done, line.wanted) if a is not None]
    currencies = sorted({amount.currency for amount in amounts})
    if len(currencies) > 1:
        raise PromotionRefused(
            f"Branch {facts.branch} of case {facts.case_id} and its main line have to do with "
            f"{' and '.join(currencies)}: a person must settle more than one currency."
        )
    return CorrectionPlan(
        case_id=facts.case_id, branch=facts.branch, base_version=facts.base_version, lines=lines
    )


def plan_lines(facts: PromotionFacts) -> tuple[PlanLine, ...]:
    """A line for each effect that was done or is wanted; what nobody is sure of was not done."""
    return (*_money_lines(facts), *_mail_lines(facts))


def _money_lines(facts: PromotionFacts) -> list[PlanLine]:
    """A line for each duplicate: the sums of what is wanted and of what was paid for it."""
    wanted = _groups(one for one in facts.wanted if not one.came_to_nothing)
    done = _groups(one for one in facts.done if one.stands)
    pairs = _pairs(wanted, done)
    found: list[PlanLine] = []
    for group, ones in wanted.items():
        if group in pairs:
            found.append(_correction(facts, ones, done[pairs[group]]))
        else:
            found.append(_addition(facts, ones, _free_place(group, pairs)))
    for ones in (ones for group, ones in done.items() if group not in pairs.values()):
        line = _line(ones[0], Action.CANNOT_BE_UNDONE, done=_total(ones), wanted=None)
        found.append(line)
    return found


def _pairs(wanted: Mapping[str, list[Known]], done: Mapping[str, list[Known]]) -> dict[str, str]:
    """For each wanted group the paid one that it is: of the same charge, or else the same twin."""
    by_charge = {ones[0].intent.charge_id: group for group, ones in done.items()}
    charges = {group: ones[0].intent.charge_id for group, ones in wanted.items()}
    pairs = {group: by_charge[c] for group, c in charges.items() if c in by_charge}
    left = [group for group in wanted if group in done and group not in pairs]
    return pairs | {group: group for group in left if group not in pairs.values()}


def _free_place(group: str, pairs: Mapping[str, str]) -> str:
    """A twin's place in its group that no refund has taken.

    A charge that came later can move the others: the one that was paid back as the first twin is
    the second by now. Whoever is the first now takes the place that this one left free.
    """
    taken = {paid: wanted for wanted, paid in pairs.items()}
    while group in taken:
        group = taken[group]
    return group


def _groups(known: Iterable[Known]) -> dict[str, list[Known]]:
    groups: dict[str, list[Known]] = {}
    for one in known:
        if one.intent.kind.moves_money:
            groups.setdefault(one.group, []).append(one)
    return groups


def _total(ones: Sequence[Known]) -> Money:
    amounts = [one.intent.amount for one in ones if one.intent.amount]
    currencies = {amount.currency for amount in amounts}
    if len(currencies) != 1:
        raise PromotionRefused(f"{describe_intent(ones[0].intent)} has several currencies.")
    return Money(amount_minor=sum(a.amount_minor for a in amounts), currency=currencies.pop())


def _correction(facts: PromotionFacts, wanted: list[Known], done: list[Known]) -> PlanLine:
    wants, paid = _total(wanted), _total(done)
    if wants.currency != paid.currency or wants == paid:
        return _line(done[0], Action.KEEP, done=paid, wanted=wants)
    account, anchor, slot = group_parts(done[0].group)
    failed = [k for k in facts.done if k.group == done[0].group and k.came_to_nothing]
    attempt = 1 + sum(k.intent.kind is EffectKind.CORRECTION for k in failed)
    line = _line(done[0], Action.CORRECT, done=paid, wanted=wants, attempt=attempt)
    key = correction_key(account, anchor, slot, wants.amount_minor, attempt)
    return line.model_copy(update={"key": key})


def _addition(facts: PromotionFacts, wanted: list[Known], place: str) -> PlanLine:
    """Under the key that the refund has always had, unless it was tried and came to nothing."""
    attempt = 1 + facts.failed.get(place, 0)
    line = _line(wanted[0], Action.ADD, done=None, wanted=_total(wanted), attempt=attempt)
    key = refund_key(*group_parts(place), attempt=attempt)
    return line.model_copy(update={"key": key, "duplicate_group": place})


def _line(
    one: Known, action: Action, *, done: Money | None, wanted: Money | None, attempt: int = 1
) -> PlanLine:
    zero = Money.zero((wanted or done or Money.zero("USD")).currency)
    same_currency = not (done and wanted) or done.currency == wanted.currency
    return PlanLine(
        kind=EffectKind.REFUND,
        action=action,
        key=one.intent.key,
        charge_id=one.intent.charge_id,
        duplicate_group=one.group,
        done=done,
        wanted=wanted,
        difference=(wanted or zero) - (done or zero) if same_currency else zero,
        attempt=attempt,
    )


def _mail_lines(facts: PromotionFacts) -> list[PlanLine]:
    wanted = {one.intent.kind: one for one in facts.wanted if not one.came_to_nothing}
    done = {one.intent.kind: one for one in facts.done if one.stands}
    if EffectKind.RESET_REVOKED in wanted and EffectKind.RESET_MAIL not in done:
        # It would be sent only to be taken back.
        del wanted[EffectKind.RESET_REVOKED]
        wanted.pop(EffectKind.RESET_MAIL, None)
    lines = (_mail_line(facts, wanted.get(kind), done.get(kind)) for kind in _MAILS)
    return [line for line in lines if line]


def _mail_line(facts: PromotionFacts, wanted: Known | None, done: Known | None) -> PlanLine | None:
    if done:
        same = wanted and wanted.intent.parameters_digest == done.intent.parameters_digest
        action = Action.KEEP if same else Action.CANNOT_BE_UNDONE
        return PlanLine(kind=done.intent.kind, action=action, key=done.intent.key)
    if wanted is None:
        return None
    kind, key = wanted.intent.kind, wanted.intent.key
    if kind is EffectKind.ANSWER:
        failed = sum(k.intent.kind is kind and k.came_to_nothing for k in facts.done)
        key = answer_key(facts.case_id, 1 + failed)
    return PlanLine(kind=kind, action=Action.ADD, key=key)
