"""`casekeeper backtest` over a thousand cases, against sums that were worked out by hand."""

from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from benchmarks.past_cases import Find, Story, put_on_record, stories
from cases.effects import EffectState
from cases.ids import MAIN
from runtime.servers import Servers
from stores.approvers import PostgresApprovers
from stores.postgres import Pool
from tests.starters.conftest import CommandLine, Done
from tests.stores.support import own_database
from workers.composition import Stores, open_postgres, open_stores
from workers.preparation import prepare

#: What the other policy says. It names SEK and no JPY, and asks two people above 1,000.00.
POLICY = """
version = 2
limit_days = 30
[limits]
USD = "600.00"
EUR = "120.00"
SEK = "500.00"
[second_limits]
USD = "1000.00"
EUR = "1000.00"
SEK = "1000.00"
"""
LIMITS = {"USD": 60_000, "EUR": 12_000, "SEK": 50_000}
TWO_PEOPLE_ABOVE = 100_000


class Expected(NamedTuple):
    """What must come out of one case."""

    story: Story
    before: str
    after: str
    rule_after: str


def by_hand(told: Sequence[Story]) -> Iterator[Expected]:
    """The rules of the other policy, as a clerk would apply them with a pencil."""
    paid: Counter[tuple[str, str]] = Counter()
    failed: set[str] = set()
    for story in told:
        if story.find is Find.UNDECIDED:
            continue
        lately = paid[story.customer_id, story.amount.currency]
        after, rule = FIXED.get(story.find) or by_amount(story, lately, story.anchor in failed)
        yield Expected(story, _OUTCOME[story.rule], after, rule)
        if story.refund is EffectState.REJECTED:
            failed.add(story.anchor)
        elif story.refund and not story.verdict:
            paid[story.customer_id, story.amount.currency] += story.amount.amount_minor


#: What no limit changes.
FIXED = {
    Find.NOTHING: ("no_action", "nothing_found"),
    Find.DOUBT: ("person", "doubtful"),
    Find.FRAUD: ("person", "reason_needs_person"),
}


def by_amount(story: Story, lately: int, failed: bool) -> tuple[str, str]:
    limit = LIMITS.get(story.amount.currency)
    if limit is None:
        return "person", "currency_not_covered"
    if failed:
        return "approval", "failed_before"
    if lately + story.amount.amount_minor > limit:
        return "approval", "above_limit"
    return "refund", "proven_duplicate"


_OUTCOME = {
    "proven_duplicate": "refund",
    "above_limit": "approval",
    "failed_before": "approval",
    "nothing_found": "no_action",
    "doubtful": "person",
    "reason_needs_person": "person",
    "currency_not_covered": "person",
}


class Thousand(NamedTuple):
    """The cases, in a database of their own."""

    told: list[Story]
    servers: Servers
    stores: Stores

    @property
    def expected(self) -> list[Expected]:
        return list(by_hand(self.told))


@pytest.fixture(scope="module")
async def thousand(servers: Servers) -> AsyncGenerator[Thousand]:
    async with own_database(servers, "thousand") as owner_url:
        url = f"{servers.database_url.rpartition('/')[0]}/thousand"
        own = {"database_url": url, "owner_database_url": owner_url, "sandbox_database_url": url}
        found = servers.model_copy(update=own)
        await prepare(found, schedules=False)
        told = list(stories(250, 4, name="case"))
        async with open_stores(found, connections=8) as stores, open_postgres(owner_url) as owner:
            limits = dict.fromkeys(["USD", "EUR", "JPY"], 10**9)
            token = await PostgresApprovers(owner).add("pat", limits)
            await put_on_record(told, stores, token or "")
            yield Thousand(told, found, stores)


Backtest = Callable[..., Awaitable[Done]]


@pytest.fixture
def backtest(
    thousand: Thousand, casekeeper: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Backtest:
    """`await backtest(policy, "--limit", "3")`: the command on those cases."""
    monkeypatch.setenv("DATABASE_URL", thousand.servers.database_url)
    monkeypatch.setenv("CASEKEEPER_CUSTOMER_KEYS", str(thousand.servers.customer_keys))
    file = tmp_path / "policy.toml"

    async def call(policy: str, *options: str) -> Done:
        file.write_text(policy)
        done = await casekeeper("backtest", "--policy", str(file), "--json", *options)
        assert (done.code, done.err) == (0, "")
        return done

    return call


@pytest.fixture
async def answer(backtest: Backtest) -> Any:
    """The document about the other policy."""
    return (await backtest(POLICY)).json()


def summed(expected: Sequence[Expected], side: str, outcome: str, currency: str) -> int:
    return sum(
        e.story.amount.amount_minor
        for e in expected
        if getattr(e, side) == outcome and e.story.amount.currency == currency
    )


async def rows(pool: Pool) -> list[int]:
    """How much there is on record, and in the sandbox."""
    counted = await pool.fetchrow(
        "SELECT (SELECT sum(version + audit_seq)::bigint FROM cases),"
        " (SELECT count(*) FROM sections), (SELECT sum(attempts)::bigint FROM effects),"
        " (SELECT count(*) FROM approvals), (SELECT count(*) FROM branch_effects),"
        " (SELECT count(*) FROM outbox), (SELECT count(*) FROM sandbox.refunds)"
    )
    return list(counted or ())


async def test_the_generated_cases_are_of_every_kind(thousand: Thousand) -> None:
    expected = thousand.expected
    kinds = Counter((e.before, e.after) for e in expected)

    assert len(thousand.told) == 1000
    assert set(Find) == {story.find for story in thousand.told}
    assert kinds["approval", "refund"] > 20
    assert kinds["refund", "approval"] > 20
    assert kinds["refund", "person"] > 20
    assert kinds["person", "refund"] > 5
    assert sum(story.fails_later for story in thousand.told) > 5
    assert sum(e.rule_after == "failed_before" for e in expected) > 5


async def test_every_flip_is_the_one_that_was_worked_out_by_hand(
    thousand: Thousand, answer: Any
) -> None:
    expected = {e.story.case_id: e for e in thousand.expected if e.before != e.after}

    found = {
        flip["case_id"]: (flip["before"], flip["after"], flip["rule_before"], flip["rule_after"])
        for flip in answer["flips"]
    }
    assert found == {
        case_id: (e.before, e.after, e.story.rule, e.rule_after) for case_id, e in expected.items()
    }
    assert answer["cases"] == len(thousand.expected)
    assert answer["flipped"] == len(expected)
    counts = {(f["before"], f["after"]): f["cases"] for f in answer["flips_by_outcome"]}
    assert counts == Counter((e.before, e.after) for e in expected.values())
    assert answer["versions_before"] == {"1": len(thousand.expected)}
    undecided = sum(story.find is Find.UNDECIDED for story in thousand.told)
    assert [(s["reason"], s["cases"]) for s in answer["skipped"]] == [("not_decided", undecided)]


async def test_the_money_is_the_sum_that_was_worked_out_by_hand(
    thousand: Thousand, answer: Any
) -> None:
    expected = thousand.expected
    outcomes = {"paid": "refund", "asked": "approval"}

    assert [totals["currency"] for totals in answer["totals"]] == ["EUR", "JPY", "SEK", "USD"]
    for totals in answer["totals"]:
        currency = totals["currency"]
        for name, outcome in outcomes.items():
            before, after = (
                summed(expected, side, outcome, currency) for side in ("before", "after")
            )
            found = [totals[f"{name}_{part}"] for part in ("before", "after", "delta")]
            assert found == [
                {"amount_minor": minor, "currency": currency}
                for minor in (before, after, after - before)
            ]
    for by_rule in answer["by_rule"]:
        same = [e for e in expected if e.rule_after == by_rule["rule"]]
        for name, outcome in outcomes.items():
            minor = summed(same, "after", outcome, by_rule["currency"])
            assert by_rule[f"{name}_after"]["amount_minor"] == minor
    assert answer["two_people_before"] == 0
    assert answer["two_people_after"] == sum(
        e.after == "approval" and e.story.amount.amount_minor > TWO_PEOPLE_ABOVE for e in expected
    )


async def test_what_really_happened_stands_beside_it(thousand: Thousand, answer: Any) -> None:
    paid: Counter[tuple[str, str]] = Counter()
    for story in thousand.told:
        if story.refund is EffectState.SUCCEEDED and not story.fails_later:
            kind = "approved" if story.verdict else "without_person"
            paid[story.amount.currency, kind] += story.amount.amount_minor
    found = {
        (sums["currency"], kind): sums[kind]["amount_minor"]
        for sums in answer["paid"]
        for kind in ("without_person", "approved")
        if sums[kind]["amount_minor"]
    }
    assert found == paid

    asked = [s for s in thousand.told if s.rule in ("above_limit", "failed_before")]
    assert answer["approvals"] == Counter(str(s.verdict or "pending") for s in asked)


async def test_the_same_limits_flip_nothing(thousand: Thousand, backtest: Backtest) -> None:
    """What failed only later had not failed when it counted."""
    limits = 'USD = "500.00"\nEUR = "500.00"\nJPY = "75000"'

    answer = (await backtest(f"version = 1\nlimit_days = 30\n[limits]\n{limits}\n")).json()

    assert (answer["cases"], answer["flipped"]) == (len(thousand.expected), 0)
    assert {rule["after"] - rule["before"] for rule in answer["rules"]} == {0}


async def test_no_provider_no_model_and_no_engine_is_even_constructed(
    thousand: Thousand, backtest: Backtest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a backtest asks nobody outside")

    for name in ("SandboxPayments", "SandboxAccounts", "SandboxMail", "OfflineModel"):
        monkeypatch.setattr(f"workers.composition.{name}.__init__", refuse)
    for name in ("connect_redis", "_payments"):
        monkeypatch.setattr(f"workers.composition.{name}", refuse)
    monkeypatch.setattr("temporalio.client.Client.connect", refuse)
    before = await rows(thousand.stores.pool)

    answer = (await backtest(POLICY)).json()

    assert answer["cases"] == len(thousand.expected)
    assert await rows(thousand.stores.pool) == before


async def test_a_limit_takes_the_newest(thousand: Thousand, backtest: Backtest) -> None:
    answer = (await backtest(POLICY, "--limit", "300")).json()

    decided = [
        (next(c.created_at for c in history if c.step == "policy:1"), story.case_id)
        for story in thousand.told
        if story.find is not Find.UNDECIDED
        for history in [await thousand.stores.cases.history(story.case_id, MAIN)]
    ]
    newest = {case_id for _, case_id in sorted(decided)[-300:]}
    flips = {e.story.case_id for e in thousand.expected if e.before != e.after} & newest
    assert answer["cases"] == 300
    assert {flip["case_id"] for flip in answer["flips"]} == flips
