"""What is on its way: no breach in production for a while, and one at the end of a test."""

from datetime import timedelta

from redis.asyncio import Redis

from cases.effects import revoke_intent
from cases.ids import MAIN
from cases.state import CaseState, CaseStatus
from stores.hot import RedisHotStore
from tests.invariants.broken import Copy
from tests.stores.support import commit, intent, opened, order, probe, step

_REFUNDED = "case_refunded"


async def test_an_open_case_is_lost_once_nothing_has_gone_on_for_days(copy: Copy) -> None:
    await opened(copy.stores, "case_open")

    assert await copy.broken() == {("I3", "case_open")}
    assert await copy.broken(settled=False) == set()
    await copy.do(
        "UPDATE cases SET updated_at = now() - interval '97 hours' WHERE case_id = 'case_open'"
    )
    assert await copy.broken(settled=False) == {("I3", "case_open")}


async def test_what_was_sent_must_be_known_or_handed_over_within_a_day(copy: Copy) -> None:
    revoke = revoke_intent(case_id=_REFUNDED, branch=MAIN, customer_id="cus_refunded")
    await copy.stores.ledger.claim(revoke)

    assert await copy.broken() == {("I4", _REFUNDED)}
    assert await copy.broken(settled=False) == set()
    await copy.do(
        "UPDATE effects SET claimed_at = claimed_at - $2::interval WHERE key = $1",
        revoke.key,
        timedelta(hours=22),
    )
    assert await copy.broken(settled=False) == {("I4", _REFUNDED)}
    await copy.do(
        "INSERT INTO tasks (task_id, kind, subject, detail) VALUES ('t', 'effect_unknown', $1, '')",
        revoke.key,
    )
    assert await copy.broken() == set()


async def test_a_refund_that_no_rule_decided_is_a_breach_at_once(copy: Copy) -> None:
    state = await opened(copy.stores, "case_undecided")
    await copy.stores.ledger.claim(intent(state, order("undecided")))

    assert await copy.broken(settled=False) == {("I2", "case_undecided")}


async def test_a_difference_that_a_person_has_left_as_it_is_breaks_nothing(copy: Copy) -> None:
    await copy.do("DELETE FROM sandbox.refunds WHERE charge_id LIKE 'ch_approved_%'")
    assert await copy.broken() == {("I4", "case_approved")}

    await copy.do(
        "INSERT INTO tasks (task_id, kind, subject, detail, closed_at) "
        "SELECT 't', 'difference', 'missing_there:' || key, '', now() FROM effects "
        "WHERE case_id = 'case_approved' AND kind = 'refund'"
    )
    assert await copy.broken() == set()


async def test_a_case_that_ended_without_an_answer_is_a_breach(copy: Copy) -> None:
    state = await opened(copy.stores, "case_silent")
    await commit(copy.stores.cases, state, step("end", status=CaseStatus.ANSWERED))

    assert await copy.broken() == {("I9", "case_silent")}


async def test_a_hot_copy_may_be_behind_and_never_ahead_or_different(copy: Copy) -> None:
    cases, redis = copy.stores.cases, copy.stores.redis
    now = await cases.load(_REFUNDED, MAIN)

    async def with_copy(hot: CaseState) -> set[tuple[str, str | None]]:
        await _put(redis, hot)
        return await copy.broken()

    breach = {("I6", _REFUNDED)}
    assert await with_copy(await cases.load(_REFUNDED, MAIN, at=now.version - 1)) == set()
    assert await with_copy(now.model_copy(update={"error": "another"})) == breach
    assert await with_copy(now.after(probe(), now.version + 1)) == breach
    behind = await cases.load(_REFUNDED, MAIN, at=now.version - 1)
    assert await with_copy(behind.model_copy(update={"error": "another"})) == breach
    assert await with_copy(now) == set()


async def _put(redis: Redis, state: CaseState) -> None:
    hot = RedisHotStore(redis)
    await hot.drop(state.case_id, state.branch)
    assert await hot.write(state)
