"""The ledger as the reconciliation reads it: in pages, and not the same again and again."""

from datetime import timedelta

import pytest

from cases.comparison import LedgerEntry
from cases.effects import EffectIntent, EffectKind, EffectState, Outcome, answer_intent
from cases.ids import MAIN, notice_key
from cases.ports import EndedRun
from cases.reconciliation import OpenLine
from cases.state import CaseStatus, StepUpdate
from cases.tasks import TaskKind
from stores import reconciliation
from stores.postgres import Pool
from stores.reconciliation import PostgresEntries
from tests.stores.support import commit, intent, opened, order
from workers.composition import Stores

MINUTE = timedelta(minutes=1)


@pytest.fixture
def entries(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> PostgresEntries:
    """Pages of three, so that several are needed."""
    monkeypatch.setattr(reconciliation, "_AT_ONCE", 3)
    return PostgresEntries(stores.pool, stores.keys)


async def _claimed(stores: Stores, number: str, count: int = 1) -> list[EffectIntent]:
    made: list[EffectIntent] = []
    for place in range(count):
        state = await opened(stores, f"case_{number}_{place}")
        made.append(intent(state, order(f"{number}_{place}")))
        await stores.ledger.claim(made[-1])
    return made


async def _set_back(owner: Pool, made: list[EffectIntent], **columns: timedelta) -> None:
    """As if that had been so much longer ago."""
    for column, ago in columns.items():
        await owner.execute(
            f"UPDATE effects SET {column} = {column} - $2::interval WHERE key = ANY($1)",  # noqa: S608
            [one.key for one in made],
            ago,
        )


async def _open(
    entries: PostgresEntries, of: list[EffectIntent], *, everything: bool = False
) -> list[LedgerEntry]:
    """All pages, of these effects."""
    found: list[LedgerEntry] = []
    after = None
    while page := await entries.open_effects(after, older_than=MINUTE, everything=everything):
        found += page
        after = (page[-1].claimed_at, page[-1].key)
    assert [one.claimed_at for one in found] == sorted(one.claimed_at for one in found)
    return [one for one in found if one.key in {made.key for made in of}]


async def test_every_open_effect_is_in_one_page_and_what_is_on_its_way_in_none(
    entries: PostgresEntries, stores: Stores, owner: Pool, number: str
) -> None:
    made = await _claimed(stores, number, 8)
    fresh, old = made[:2], made[2:]
    await _set_back(owner, old, claimed_at=2 * MINUTE)
    await stores.ledger.resolve(old[0].key, Outcome(state=EffectState.SUCCEEDED), "test")
    await stores.ledger.resolve(old[1].key, Outcome(state=EffectState.PENDING), "test")
    await stores.ledger.resolve(fresh[0].key, Outcome(state=EffectState.UNKNOWN), "test")

    found = {one.key: one for one in await _open(entries, made)}
    assert set(found) == {one.key for one in [*old[1:], fresh[0]]}
    assert found[old[2].key].intent == old[2]
    assert found[old[2].key].age > 2 * MINUTE
    assert found[old[1].key].state is EffectState.PENDING


async def test_what_was_looked_at_is_looked_at_again_after_a_tenth_of_its_age(
    entries: PostgresEntries, stores: Stores, owner: Pool, number: str
) -> None:
    made = await _claimed(stores, number)
    await _set_back(owner, made, claimed_at=timedelta(hours=10))
    await entries.looked_at(made[0].key)

    assert await _open(entries, made) == []
    assert len(await _open(entries, made, everything=True)) == 1
    await _set_back(owner, made, looked_at=timedelta(minutes=50))
    assert await _open(entries, made) == []
    await _set_back(owner, made, looked_at=timedelta(minutes=10))
    assert len(await _open(entries, made)) == 1


async def test_what_is_very_old_is_looked_at_every_six_hours(
    entries: PostgresEntries, stores: Stores, owner: Pool, number: str
) -> None:
    made = await _claimed(stores, number)
    await _set_back(owner, made, claimed_at=timedelta(days=300))
    await entries.looked_at(made[0].key)
    await _set_back(owner, made, looked_at=timedelta(hours=5))
    assert await _open(entries, made) == []
    await _set_back(owner, made, looked_at=timedelta(hours=2))
    assert len(await _open(entries, made)) == 1


async def test_a_notice_is_the_outboxs_business(
    entries: PostgresEntries, stores: Stores, owner: Pool, case_id: str
) -> None:
    state = await opened(stores, case_id)
    about = answer_intent(
        case_id=case_id, branch=MAIN, customer_id=state.customer_id, text="It waits."
    )
    notice = about.model_copy(
        update={"kind": EffectKind.NOTICE, "key": notice_key(case_id, "request", 1)}
    )
    await stores.ledger.claim(notice)
    await _set_back(owner, [notice], claimed_at=timedelta(hours=1))

    assert await _open(entries, [notice], everything=True) == []


async def test_the_refunds_of_some_days_are_those_that_were_made_then(
    entries: PostgresEntries, stores: Stores, owner: Pool, number: str
) -> None:
    made = await _claimed(stores, number, 7)
    states = [EffectState.SUCCEEDED] * 4 + [EffectState.PENDING, EffectState.REJECTED]
    for one, state in zip(made, states, strict=False):  # the last is still on its way
        await stores.ledger.resolve(one.key, Outcome(state=state, receipt=state.value), "test")
    await _set_back(owner, made[:1], claimed_at=timedelta(days=2))

    found: list[LedgerEntry] = []
    after = None
    while page := await entries.made_within(2, after):
        found += page
        after = (page[-1].claimed_at, page[-1].key)
    mine = [one for one in found if one.key in {m.key for m in made}]
    assert [one.key for one in mine] == [one.key for one in made[1:5]]
    assert [one.key for one in await entries.of_keys([made[5].key, "rf1_none"])] == [made[5].key]
    assert [one.key for one in await entries.of_case(made[6].case_id, MAIN)] == [made[6].key]


async def test_unended_cases_are_the_open_the_unknown_and_those_nobody_was_told_of(
    entries: PostgresEntries, stores: Stores, number: str
) -> None:
    names = [f"case_{number}_{word}" for word in ("open", "closed", "taken", "told", "none")]
    runs = [EndedRun(case_id=name, branch=MAIN, how="terminated") for name in names]
    for name in names[:4]:
        await opened(stores, name)
    for name, step in zip(names[1:4], ("answer", "taken_over", "taken_over"), strict=True):
        closing = StepUpdate(step=step, owner="reconciler", status=CaseStatus.MANUAL_REVIEW)
        await commit(stores.cases, await stores.cases.load(name, MAIN), closing)
    await stores.tasks.open(
        TaskKind.RUN_ENDED, f"{names[3]}/main", "it ended", case=(names[3], MAIN)
    )

    found = {one.run.case_id: one.customer_id for one in await entries.unended(runs)}
    assert found == {names[0]: f"cus_{names[0]}", names[2]: f"cus_{names[2]}", names[4]: None}
    # Its end was told when there was no case yet: now there is one, and it is open.
    await stores.tasks.open(TaskKind.RUN_ENDED, f"{names[4]}/main", "it ended")
    assert names[4] not in {one.run.case_id for one in await entries.unended(runs)}
    await opened(stores, names[4])
    assert names[4] in {one.run.case_id for one in await entries.unended(runs)}
    assert await entries.unended([]) == []


async def test_idle_lines_are_the_open_and_the_promoted_on_which_nothing_has_gone_on(
    entries: PostgresEntries, stores: Stores, owner: Pool, number: str
) -> None:
    names = [f"case_{number}_{place}" for place in range(9)]
    for name in names:
        await opened(stores, name)
    closing = StepUpdate(step="answer", owner="response", status=CaseStatus.ANSWERED)
    for name in names[6:]:
        await commit(stores.cases, await stores.cases.load(name, MAIN), closing)
    await owner.execute(
        "UPDATE cases SET updated_at = updated_at - interval '2 minutes' WHERE case_id = ANY ($1)",
        names[1:],
    )
    # As when many are opened at the same moment.
    await owner.execute("UPDATE cases SET opened_at = now() WHERE case_id = ANY ($1)", names)
    await owner.execute("UPDATE cases SET promoting = 'b1' WHERE case_id = $1", names[8])

    found = [one async for one in entries.idle(MINUTE) if one.case_id in names]
    assert sorted(found, key=lambda one: one.case_id) == [
        *(OpenLine(case_id=name, branch=MAIN) for name in names[1:6]),
        OpenLine(case_id=names[8], branch="b1", promotion=True),
    ]
    await owner.execute(
        "UPDATE cases SET promoting = NULL, updated_at = now() WHERE case_id = ANY ($1)", names
    )
    assert [one async for one in entries.idle(MINUTE) if one.case_id in names] == []


async def test_a_task_is_finished_once_a_person_has_said_so(
    entries: PostgresEntries, stores: Stores, number: str
) -> None:
    subject = f"missing_there:{number}"
    assert not await entries.is_finished(TaskKind.DIFFERENCE, subject)
    task = await stores.tasks.open(TaskKind.DIFFERENCE, subject, "gone")
    assert task
    assert not await entries.is_finished(TaskKind.DIFFERENCE, subject)
    token = await stores.approvers.add(f"kim-{number}", {"USD": 1})
    assert token
    await stores.tasks.finish(task, token, "found")
    assert await entries.is_finished(TaskKind.DIFFERENCE, subject)
