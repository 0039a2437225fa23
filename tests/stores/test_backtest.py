"""What a backtest reads of the record: the right versions, in pages, by few queries."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from benchmarks.backtest import CountingPool
from benchmarks.past_cases import Find, Story, put_on_record, stories
from cases.approvals import Verdict
from cases.backtest import PastCase, SkippedCase, facts_then
from cases.billing import BillingSection
from cases.branches import Fork
from cases.effects import EffectState
from cases.ids import MAIN
from cases.money import Money
from cases.policy import Decision, PolicySection
from cases.sections import Section
from cases.understanding import UnderstandingSection
from stores.backtest import PostgresPastCases
from stores.postgres import Pool
from tests.stores.support import opened, step, usd
from workers.composition import Stores

ASKS = ("above_limit", "failed_before")


@pytest.fixture
async def since(owner: Pool) -> datetime:
    """Now, by the database's clock: cases of other tests came before."""
    found: datetime = await owner.fetchval("SELECT clock_timestamp()")
    return found


async def read(
    stores: Stores,
    since: datetime,
    limit: int | None = None,
    at_once: int = 2,
    *,
    pool: Any = None,
) -> dict[str, PastCase | SkippedCase]:
    past = PostgresPastCases(pool or stores.pool, stores.keys, at_once=at_once)
    span = await past.span(since, limit)
    async with aclosing(past.pages(span)) as pages:
        found = [case async for page in pages for case in page.cases()]
    assert len({case.case_id for case in found}) == len(found)
    return {case.case_id: case for case in found}


def judged(case: PastCase | SkippedCase) -> PastCase:
    assert isinstance(case, PastCase)
    return case


def policy(rule: str = "nothing_found") -> PolicySection:
    return PolicySection(decision=Decision.NO_ACTION, rule=rule, reason="", policy_version=1)


async def commit(stores: Stores, case_id: str, name: str, *sections: Section) -> None:
    state = await stores.cases.load(case_id, MAIN)
    names = [section.name for section in sections]
    await stores.cases.commit(case_id, MAIN, [step(name, *sections)], state.expected(*names))


async def test_every_case_is_read_once_by_two_queries_a_page(
    stores: Stores, since: datetime, number: str
) -> None:
    ids = {f"{letter}_{number}" for letter in "abcde"}
    for case_id in ids:
        await opened(stores, case_id)
        await commit(stores, case_id, "policy:1", policy())

    for at_once, pages in ((2, 3), (5, 2), (6, 1)):
        pool = CountingPool(stores.pool)
        found = await read(stores, since, at_once=at_once, pool=pool)
        assert set(found) == ids
        empty = int(at_once == 5)
        assert pool.statements == 1 + 2 * pages - empty


async def test_the_facts_are_what_the_last_policy_step_saw(
    stores: Stores, since: datetime, case_id: str
) -> None:
    await opened(stores, case_id)
    understanding = UnderstandingSection(needs=("billing",), messages_read=1)
    await commit(stores, case_id, "understanding:1", understanding)
    await commit(stores, case_id, "billing:1", BillingSection(charges_seen=1))
    await commit(stores, case_id, "policy:1", policy("first"))
    await commit(stores, case_id, "billing:2", BillingSection(charges_seen=2))
    await commit(stores, case_id, "policy:2", policy("second"))
    await commit(stores, case_id, "billing:3", BillingSection(charges_seen=3))
    await commit(stores, case_id, "promotion:b1", policy("promoted"))

    case = judged((await read(stores, since))[case_id])

    assert case.decided.rule == "second"
    assert case.billing == BillingSection(charges_seen=2)
    assert case.understanding == understanding
    assert case.account is None
    history = await stores.cases.history(case_id, MAIN)
    assert case.decided_at == next(c.created_at for c in history if c.step == "policy:2")


async def test_branches_are_not_cases_of_the_past(
    stores: Stores, since: datetime, case_id: str
) -> None:
    await opened(stores, case_id)
    await commit(stores, case_id, "policy:1", policy())
    sections: dict[str, Section] = {"policy": policy("of a branch")}
    await stores.branches.fork(
        Fork(
            case_id=case_id,
            branch="b1",
            parent_branch=MAIN,
            parent_version=2,
            by="kim",
            sections=sections,
        )
    )

    found = await read(stores, since)

    assert list(found) == [case_id]
    assert judged(found[case_id]).decided.rule == "nothing_found"


async def test_the_ledger_is_read_as_the_policy_step_did(
    stores: Stores, since: datetime, number: str
) -> None:
    """Of the customer's newest case, the facts then are the facts now."""
    # Requests that nobody decides would stand in the inbox of other tests.
    told = [
        story
        for story in stories(80, 3, name=f"facts{number}", seed=7)
        if not story.fails_later and (story.verdict or story.rule not in ASKS)
    ]
    token = await stores.approvers.add(f"pat-{number}", dict.fromkeys(["USD", "EUR", "JPY"], 10**9))
    assert token
    await put_on_record(told, stores, token)

    found = await read(stores, since, at_once=50)

    newest = {story.customer_id: story for story in told if story.find is not Find.UNDECIDED}
    compared: Counter[str] = Counter()
    for story in newest.values():
        dossier = await stores.cases.load_dossier(story.case_id, MAIN)
        facts = facts_then(judged(found[story.case_id]), 30)
        lately = {code: minor for code, minor in dossier.refunded_lately.items() if minor}
        assert facts.refunded_lately == lately
        tried = {place: count for place, count in facts.came_to_nothing.items() if count}
        group = f"acct_past/{story.anchor}/1"
        assert tried == (
            {(story.anchor, 1): 1} if dossier.came_to_nothing.get(group) and facts.orders() else {}
        )
        compared["lately"] += bool(lately)
        compared["tried"] += bool(tried)
    assert min(compared["lately"], compared["tried"]) > 0


async def test_what_really_happened_is_read_too(
    stores: Stores, since: datetime, number: str, owner: Pool
) -> None:
    token = await stores.approvers.add(f"pat-{number}", {"USD": 10**9})
    assert token
    story = Story(
        case_id=f"case_{number}",
        customer_id=f"cus_{number}",
        find=Find.TWINS,
        amount=usd(60_000),
        anchor=f"ch_{number}",
        rule="above_limit",
        verdict=Verdict.APPROVED,
        refund=EffectState.SUCCEEDED,
    )
    await put_on_record([story], stores, token)

    case = judged((await read(stores, since))[story.case_id])

    assert (case.approval, case.approvers_needed) == ("approved", 1)
    (paid,) = case.paid()
    assert (paid.amount, paid.alone) == (Money(amount_minor=60_000, currency="USD"), False)

    # A promotion asks and pays in its own name: it is no request about this decision.
    await owner.execute("UPDATE approvals SET promotes = 'b1' WHERE case_id = $1", story.case_id)
    await owner.execute("UPDATE effects SET kind = 'correction' WHERE case_id = $1", story.case_id)
    case = judged((await read(stores, since))[story.case_id])
    assert case.approval is None
    assert [one.amount for one in case.paid()] == [usd(60_000)]


async def test_what_cannot_be_judged_says_why(
    stores: Stores, since: datetime, number: str, owner: Pool
) -> None:
    names = ("open", "newer", "other", "packed", "gone", "fine")
    ids = {name: f"{name}_{number}" for name in names}
    newer = BillingSection().model_copy(update={"schema_version": 99})
    for name, case_id in ids.items():
        await opened(stores, case_id)
        billing = newer if name == "newer" else BillingSection(charges_seen=1)
        steps = [step("billing:1", billing), step("policy:1", policy())]
        await stores.cases.commit(case_id, MAIN, steps[: 1 if name == "open" else 2], {})
    async with owner.acquire() as connection, connection.transaction():
        await connection.execute("ALTER TABLE sections DISABLE TRIGGER USER")
        for change, name in {
            'UPDATE sections SET body = \'{"charges_seen": "many"}\'': "other",
            "UPDATE sections SET encoding = 'zlib'": "packed",
            "DELETE FROM sections": "gone",
        }.items():
            kind = "policy" if name == "gone" else "billing"
            await connection.execute(f"{change} WHERE case_id = $1 AND name = $2", ids[name], kind)
        await connection.execute("ALTER TABLE sections ENABLE TRIGGER USER")

    found = await read(stores, since, at_once=50)

    reasons = {
        name: case.reason for name in names if isinstance(case := found[ids[name]], SkippedCase)
    }
    assert reasons == {
        "open": "not_decided",
        "newer": "schema_too_new",
        "other": "damaged",
        "packed": "damaged",
        "gone": "damaged",
    }


async def test_since_and_limit_choose_by_the_time_of_the_decision(
    stores: Stores, since: datetime, number: str
) -> None:
    ids = [f"{letter}_{number}" for letter in "dacb"]
    for case_id in ids:
        await opened(stores, case_id)
    for case_id in ids:
        await commit(stores, case_id, "policy:1", policy())
    times = [(await stores.cases.history(case_id, MAIN))[-1].created_at for case_id in ids]

    assert set(await read(stores, times[2])) == set(ids[2:])
    assert set(await read(stores, times[2] + timedelta(microseconds=1))) == {ids[3]}
    assert set(await read(stores, since, limit=3)) == set(ids[1:])
    assert set(await read(stores, times[2], limit=3)) == set(ids[2:])
    assert set(await read(stores, since, limit=10**9)) >= set(ids)
    assert await read(stores, datetime(9999, 1, 1, tzinfo=UTC)) == {}


async def test_of_decisions_of_one_moment_a_limit_takes_no_more_than_it_says(
    stores: Stores, since: datetime, number: str, owner: Pool
) -> None:
    ids = [f"{letter}_{number}" for letter in "abc"]
    for case_id in ids:
        await opened(stores, case_id)
        await commit(stores, case_id, "policy:1", policy())
    async with owner.acquire() as connection, connection.transaction():
        await connection.execute("ALTER TABLE checkpoints DISABLE TRIGGER USER")
        at_once = "UPDATE checkpoints SET created_at = now() WHERE case_id = ANY ($1)"
        await connection.execute(at_once, ids)
        await connection.execute("ALTER TABLE checkpoints ENABLE TRIGGER USER")

    assert set(await read(stores, since, limit=2)) == set(ids[1:])


async def test_who_stops_early_leaves_no_query_behind(
    stores: Stores, since: datetime, number: str
) -> None:
    for letter in "abc":
        await opened(stores, f"{letter}_{number}")
    before = asyncio.all_tasks()
    past = PostgresPastCases(stores.pool, stores.keys, at_once=1)
    pages: AsyncGenerator[Any] = past.pages(await past.span(since, None))

    await anext(pages)
    await pages.aclose()

    assert asyncio.all_tasks() == before
