"""What only a person can finish, and the compensations that can become it."""

import pytest

from cases.effects import EffectState, Outcome
from cases.errors import CaseNotFound, Forbidden, InvalidInput, TaskFinished, TaskNotFound
from cases.ids import MAIN
from cases.state import CaseState, CaseStatus
from cases.tasks import Task, TaskKind
from tests.stores.support import asks, commit, events, intent, opened, order, refund_step, step
from workers.composition import Stores


@pytest.fixture
async def case(stores: Stores, case_id: str) -> CaseState:
    return await opened(stores, case_id)


@pytest.fixture
async def token(stores: Stores, number: str) -> str:
    made = await stores.approvers.add(f"tess-{number}", {"USD": 100})
    assert made
    return made


async def task_of(stores: Stores, subject: str) -> Task | None:
    return next((one for one in await stores.tasks.waiting() if one.subject == subject), None)


async def asked(stores: Stores, case: CaseState, number: str) -> CaseState:
    """The case with a request that waits, and its compensation on record."""
    request = asks(case.case_id, order(number, 60_000))
    await commit(stores.cases, case, step("approval_request:1", approval_request=request))
    return await stores.cases.load(case.case_id, MAIN)


async def test_a_subject_is_a_task_once_also_after_it_was_finished(
    stores: Stores, case: CaseState, token: str
) -> None:
    where = (case.case_id, MAIN)
    first = await stores.tasks.open(TaskKind.RUN_ENDED, case.case_id, "terminated", case=where)
    second = await stores.tasks.open(TaskKind.RUN_ENDED, case.case_id, "terminated", case=where)
    found = await task_of(stores, case.case_id)
    assert first
    await stores.tasks.finish(first, token, "looked\0 at it")
    third = await stores.tasks.open(TaskKind.RUN_ENDED, case.case_id, "terminated", case=where)

    assert (second, third) == (None, None)
    assert found
    assert (found.task_id, found.kind, found.case_id) == (first, TaskKind.RUN_ENDED, case.case_id)
    assert await task_of(stores, case.case_id) is None
    assert (await events(stores, case.case_id)).count("task_opened") == 1
    assert "task_finished" in await events(stores, case.case_id)


async def test_a_task_may_be_about_no_case(stores: Stores, number: str) -> None:
    assert await stores.tasks.open(TaskKind.DIFFERENCE, f"unknown:{number}", "re_1: 5.00 USD")
    found = await task_of(stores, f"unknown:{number}")

    assert found
    assert found.case_id is None


async def test_a_task_about_a_case_that_is_not_there_is_refused(stores: Stores) -> None:
    with pytest.raises(CaseNotFound):
        await stores.tasks.open(TaskKind.RUN_ENDED, "nowhere", "x", case=("nowhere", MAIN))


async def test_only_someone_who_may_decide_finishes_a_task_and_only_once(
    stores: Stores, case: CaseState, token: str
) -> None:
    task = await stores.tasks.open(
        TaskKind.RUN_ENDED, case.case_id, "terminated", case=(case.case_id, MAIN)
    )
    assert task
    with pytest.raises(Forbidden):
        await stores.tasks.finish(task, "ckt_nobody", "")
    with pytest.raises(TaskNotFound):
        await stores.tasks.finish("task_none", token, "")
    await stores.tasks.finish(task, token, "done")
    with pytest.raises(TaskFinished, match="finished by tess-"):
        await stores.tasks.finish(task, token, "again")


@pytest.mark.parametrize("state", [EffectState.SUCCEEDED, EffectState.REJECTED])
async def test_a_person_says_what_became_of_an_effect_that_nobody_knew_of(
    stores: Stores, case: CaseState, number: str, token: str, state: EffectState
) -> None:
    refund = intent(case, order(number))
    unknown = Outcome(state=EffectState.UNKNOWN)
    await stores.ledger.claim(refund)
    await stores.ledger.settle(refund, unknown, refund_step(order(number), unknown), {})
    task = await stores.tasks.open(
        TaskKind.EFFECT_UNKNOWN, refund.key, "?", case=(case.case_id, MAIN)
    )
    assert task
    await stores.tasks.finish(task, token, "asked the bank", outcome=state, receipt="re_bank")

    row = await stores.ledger.find(refund.key)
    assert row
    assert (row.state, row.receipt) == (state, "re_bank")
    assert await stores.audit.verify(case.case_id, MAIN) == []


async def test_what_is_found_by_looking_is_no_task_any_more(
    stores: Stores, case: CaseState, number: str, token: str
) -> None:
    refund = intent(case, order(number))
    await stores.ledger.claim(refund)
    task = await stores.tasks.open(
        TaskKind.EFFECT_UNKNOWN, refund.key, "?", case=(case.case_id, MAIN)
    )
    assert task
    for state in (EffectState.UNKNOWN, EffectState.PENDING):
        await stores.ledger.resolve(refund.key, Outcome(state=state), "reconciler")
        assert await task_of(stores, refund.key)
    await stores.ledger.resolve(refund.key, Outcome(state=EffectState.SUCCEEDED), "reconciler")

    assert await task_of(stores, refund.key) is None
    with pytest.raises(TaskFinished, match="finished by nobody"):
        await stores.tasks.finish(task, token, "late")


async def test_an_outcome_goes_only_with_an_effect_that_is_not_known(
    stores: Stores, case: CaseState, number: str, token: str
) -> None:
    refund = intent(case, order(number))
    done = Outcome(state=EffectState.SUCCEEDED, receipt="re_1")
    await stores.ledger.claim(refund)
    await stores.ledger.settle(refund, done, refund_step(order(number), done), {})
    where = (case.case_id, MAIN)
    known = await stores.tasks.open(TaskKind.EFFECT_UNKNOWN, refund.key, "?", case=where)
    ended = await stores.tasks.open(TaskKind.RUN_ENDED, case.case_id, "?", case=where)
    for task in (known, ended):
        assert task
        with pytest.raises(InvalidInput):
            await stores.tasks.finish(task, token, "", outcome=EffectState.REJECTED)

    row = await stores.ledger.find(refund.key)
    assert row
    assert row.state is EffectState.SUCCEEDED
    assert await task_of(stores, refund.key)


async def test_asking_a_person_stores_how_the_question_is_withdrawn(
    stores: Stores, case: CaseState, number: str
) -> None:
    state = await asked(stores, case, number)

    assert await stores.tasks.open_compensations(case.case_id, MAIN) == ["withdraw_request"]
    assert await stores.tasks.end_compensation(case.case_id, MAIN, "withdraw_request", "")
    assert not await stores.tasks.end_compensation(case.case_id, MAIN, "withdraw_request", "")
    assert await stores.tasks.open_compensations(case.case_id, MAIN) == []
    assert (await events(stores, state.case_id))[-1] == "compensation_done"


async def test_a_compensation_that_failed_is_a_persons_task(
    stores: Stores, case: CaseState, number: str
) -> None:
    await asked(stores, case, number)
    assert await stores.tasks.end_compensation(case.case_id, MAIN, "withdraw_request", "no luck")
    found = await task_of(stores, f"{case.case_id}/main/withdraw_request")

    assert found
    assert (found.kind, found.detail) == (TaskKind.COMPENSATION_FAILED, "no luck")
    assert (await events(stores, case.case_id))[-2:] == ["compensation_failed", "task_opened"]


async def test_what_was_never_stored_is_nothing_to_undo(stores: Stores, case: CaseState) -> None:
    assert not await stores.tasks.end_compensation(case.case_id, MAIN, "revoke_reset", "")


async def test_the_end_of_a_case_leaves_nothing_to_be_undone(
    stores: Stores, case: CaseState, number: str
) -> None:
    state = await asked(stores, case, number)
    await commit(stores.cases, state, step("end", status=CaseStatus.ANSWERED))

    assert await stores.tasks.open_compensations(case.case_id, MAIN) == []


async def test_nobody_finishes_a_task_about_their_own_account(
    stores: Stores, case: CaseState, number: str
) -> None:
    task = await stores.tasks.open(
        TaskKind.UNLOCK_ACCOUNT, case.case_id, "asked", case=(case.case_id, MAIN)
    )
    own = await stores.approvers.add(f"sam-{number}", {}, customer_id=case.customer_id)
    assert task
    assert own
    with pytest.raises(Forbidden, match="own account"):
        await stores.tasks.finish(task, own, "it is me")

    assert await task_of(stores, case.case_id)
