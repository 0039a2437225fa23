"""A record that its owner broke by hand: that invariant is named, with the case, and no other."""

import pytest

from tests.invariants.broken import Copy
from tests.invariants.lives import case_of

_TWICE_AT_THE_PROVIDER = """
INSERT INTO sandbox.refunds (id, charge_id, amount_minor, currency, status, idempotency_key)
SELECT 're_again', charge_id, amount_minor, currency, 'succeeded', idempotency_key
  FROM sandbox.refunds WHERE charge_id LIKE 'ch_refunded_%'"""
_UNCLAIMED = """
INSERT INTO sandbox.refunds (id, charge_id, amount_minor, currency, status, idempotency_key)
SELECT 're_new', id, amount_minor, currency, 'succeeded', 'rf1_never_claimed'
  FROM sandbox.charges WHERE id = 'ch_handed_over_2'"""
_STRAY_MAIL = """
INSERT INTO sandbox.mails (id, kind, customer_id, case_id, body, idempotency_key)
VALUES ('ml_1', 'reset', 'cus_denied', 'case_denied', '', 'rs1_never_claimed')"""
_CALLS = """
INSERT INTO model_calls (case_id, branch, customer_id, step, model, tokens, milliseconds, micro_usd)
SELECT 'case_denied', 'main', 'cus_denied', 'understanding:1', 'm', 1, 1, 1
  FROM generate_series(1, {})"""

#: By the invariant and the life whose case breaks it: what its owner does.
BREACHES = {
    ("I1", "refunded", "paid twice under one key"): _TWICE_AT_THE_PROVIDER,
    ("I2", "approved", "the approval it was paid by has expired"): (
        "UPDATE approvals SET state = 'expired' WHERE case_id = 'case_approved'"
    ),
    ("I2", "approved", "the approval is bound to another digest"): (
        "UPDATE approvals SET digest = md5(digest) WHERE case_id = 'case_approved'"
    ),
    ("I2", "approved", "the approval came after the refund"): (
        "UPDATE approvals SET decided_at = now() + interval '1 day' WHERE case_id = 'case_approved'"
    ),
    ("I2", "approved", "more was paid than approved"): (
        "UPDATE approvals SET amount_minor = 1 WHERE case_id = 'case_approved'"
    ),
    ("I3", "approved", "it never came to its end"): (
        "UPDATE cases SET closed_at = NULL, status = 'settling' WHERE case_id = 'case_approved'"
    ),
    ("I3", "denied", "it is closed, and its status is no end"): (
        "UPDATE cases SET status = 'settling' WHERE case_id = 'case_denied'"
    ),
    ("I3", "refunded", "a promotion was begun and not ended"): (
        "UPDATE cases SET promoting = 'b1' WHERE case_id = 'case_refunded' AND branch = 'main'"
    ),
    ("I4", "handed_over", "a refund that the ledger has never claimed"): _UNCLAIMED,
    ("I4", "approved", "a refund that the provider does not have"): (
        "DELETE FROM sandbox.refunds WHERE charge_id LIKE 'ch_approved_%'"
    ),
    ("I4", "approved", "a refund of another amount"): (
        "UPDATE sandbox.refunds SET amount_minor = 1 WHERE charge_id LIKE 'ch_approved_%'"
    ),
    ("I4", "cancelled", "a mail that the mail system does not have"): (
        "DELETE FROM sandbox.mails WHERE case_id = 'case_cancelled' AND kind = 'reset'"
    ),
    ("I4", "denied", "a mail that the ledger has never claimed"): _STRAY_MAIL,
    ("I5", "denied", "a row of the audit was changed"): (
        "UPDATE case_audit SET actor = 'ann' WHERE case_id = 'case_denied' AND seq = 3"
    ),
    ("I5", "handed_over", "a step without a row in the audit"): (
        "UPDATE checkpoints SET step = 'other' WHERE case_id = 'case_handed_over' AND version = 2"
    ),
    ("I6", "handed_over", "a section that cannot be read"): (
        "UPDATE sections SET encoding = 'zlib' WHERE case_id = 'case_handed_over'"
    ),
    ("I7", "denied", "a currency that is none"): (
        "UPDATE approvals SET currency = 'usd' WHERE case_id = 'case_denied'"
    ),
    ("I8", "unknown", "a mail address"): (
        "UPDATE tasks SET detail = 'Ask sam@example.com.' WHERE case_id = 'case_unknown'"
    ),
    ("I8", "refunded", "a telephone number"): (
        "UPDATE cases SET error = 'no answer from +49 30 1234567' WHERE case_id = 'case_refunded'"
    ),
    ("I8", "denied", "a card"): (
        "UPDATE cases SET error = '4111 1111 1111 1111' WHERE case_id = 'case_denied'"
    ),
    ("I8", "cancelled", "an IBAN"): (
        "UPDATE cases SET error = 'DE89 3704 0044 0532 0130 00' WHERE case_id = 'case_cancelled'"
    ),
    ("I9", "refunded", "an answer with another amount"): (
        "UPDATE sandbox.mails SET body = replace(body, '49.99', '59.99') "
        "WHERE case_id = 'case_refunded' AND kind = 'answer'"
    ),
    ("I10", "denied", "more calls than the budget allows"): _CALLS.format(9),
    ("I11", "approved", "who opened the case has approved it"): (
        "UPDATE cases SET opened_by = 'Lead' WHERE case_id = 'case_approved'"
    ),
    ("I11", "approved", "an approval that was used twice"): (
        "UPDATE approvals SET consumed_by = consumed_by || consumed_by "
        "WHERE case_id = 'case_approved'"
    ),
    ("I11", "approved", "an approval for a refund that does not name it"): (
        "UPDATE effects SET approval_id = NULL WHERE case_id = 'case_approved'"
    ),
    ("I11", "approved", "an approval that nobody gave"): (
        "DELETE FROM approval_votes v USING approvals a "
        "WHERE a.approval_id = v.approval_id AND a.case_id = 'case_approved'"
    ),
    ("I11", "denied", "a denial that nobody gave"): (
        "DELETE FROM approval_votes v USING approvals a "
        "WHERE a.approval_id = v.approval_id AND a.case_id = 'case_denied'"
    ),
}


@pytest.mark.parametrize(
    ("invariant", "life", "statement"),
    [(invariant, life, sql) for (invariant, life, _), sql in BREACHES.items()],
    ids=[f"{invariant}: {what}" for invariant, _, what in BREACHES],
)
async def test_what_its_owner_breaks_is_named_with_the_case_and_nothing_else_is(
    copy: Copy, invariant: str, life: str, statement: str
) -> None:
    await copy.forget_hot_copies()
    await copy.do(statement)

    assert await copy.broken() == {(invariant, case_of(life))}
    assert await copy.broken(case_of(life)) == {(invariant, case_of(life))}


async def test_as_many_calls_as_the_budget_allows_break_nothing(copy: Copy) -> None:
    await copy.do(_CALLS.format(8))

    assert await copy.broken() == set()


async def test_two_refunds_of_one_duplicate_group_are_named_with_both_cases(copy: Copy) -> None:
    await copy.owner.execute("DROP INDEX one_refund_per_group")
    await copy.do(
        "UPDATE effects SET duplicate_group = (SELECT duplicate_group FROM effects "
        "WHERE case_id = 'case_refunded' AND kind = 'refund') "
        "WHERE case_id = 'case_approved' AND kind = 'refund'"
    )

    assert await copy.broken() == {("I1", "case_refunded"), ("I1", "case_approved")}


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE model_calls ALTER COLUMN micro_usd TYPE numeric",
        "INSERT INTO approvers (name, token_hash, limits) VALUES ('kim', '', '{\"USD\": 0.5}')",
    ],
)
async def test_a_place_for_fractions_of_a_cent_is_named_without_a_case(
    copy: Copy, statement: str
) -> None:
    await copy.do(statement)

    assert await copy.broken() == {("I7", None)}


async def test_whoever_was_revoked_before_the_refund_has_not_approved_it(copy: Copy) -> None:
    await copy.do("UPDATE approvers SET revoked_at = '2020-01-01'")

    assert await copy.broken() == {("I11", "case_approved"), ("I11", "case_promoted_branch")}


async def test_whoever_was_revoked_since_has_approved_it(copy: Copy) -> None:
    await copy.do("UPDATE approvers SET revoked_at = now()")

    assert await copy.broken() == set()
