"""The durable record of a case: what was committed is what is read, at every version."""

import asyncio
import json

import pytest

from cases.approvals import ApprovalSection, ApprovalState
from cases.errors import (
    CaseAlreadyExists,
    CaseNotFound,
    CheckpointNotFound,
    InvalidInput,
)
from cases.ids import MAIN
from cases.state import CaseState, CaseStatus, Message, StepUpdate
from stores.cases import committed
from stores.seals import SEAL_BYTES
from tests.stores.support import (
    HARD_VALUES,
    ProbeSection,
    commit,
    opened,
    other,
    probe,
    request,
    step,
    usd,
)
from workers.composition import Stores


async def test_opening_a_case_again_with_the_same_request_changes_nothing(
    stores: Stores, case_id: str
) -> None:
    first = await stores.cases.open(case_id, MAIN, "cus_1", request())
    second = await stores.cases.open(case_id, MAIN, "cus_1", request())

    assert (first.version, first.repeated) == (1, False)
    assert (second.version, second.repeated) == (1, True)
    state = await stores.cases.load(case_id, MAIN)
    assert (state.version, len(state.messages)) == (1, 1)


async def test_opening_a_case_at_once_makes_it_once(stores: Stores, case_id: str) -> None:
    answers = await asyncio.gather(
        *(stores.cases.open(case_id, MAIN, "cus_1", request()) for _ in range(8))
    )

    assert sorted(answer.repeated for answer in answers) == [False, *[True] * 7]
    assert len((await stores.cases.load(case_id, MAIN)).messages) == 1


@pytest.mark.parametrize(("customer_id", "text"), [("cus_1", "Else"), ("cus_2", None)])
async def test_an_id_that_is_taken_by_another_request_is_refused(
    stores: Stores, case_id: str, customer_id: str, text: str | None
) -> None:
    await stores.cases.open(case_id, MAIN, "cus_1", request())
    other_request = request(text) if text else request()

    with pytest.raises(CaseAlreadyExists, match=case_id):
        await stores.cases.open(case_id, MAIN, customer_id, other_request)
    assert (await stores.cases.load(case_id, MAIN)).customer_id == "cus_1"


async def _five_steps(stores: Stores, case_id: str) -> list[CaseState]:
    """The states that five commits make, as the reducers have it."""
    state = await opened(stores, case_id)
    states = [state]
    asked = ApprovalSection(
        approval_id="apr_x", state=ApprovalState.PENDING, amount=usd(60_000), digest="d"
    )
    more = Message(message_id="m2", text="Also אני", received_at=state.messages[0].received_at)
    for update in (
        probe({"round": 1}).model_copy(update={"status": CaseStatus.INVESTIGATING}),
        other([1], name="other:1").model_copy(update={"retries": {"other": 2}}),
        step("message:m2", owner="intake", messages=(more,)),
        probe({"round": 2}, name="probe:2").model_copy(update={"error": "broke", "retries": {}}),
        step("ask", asked, retries={"other": 1, "ask": 1}),
    ):
        done = await commit(stores.cases, state, update)
        state = state.after(update, done.version)
        states.append(state)
    return states


async def test_the_state_is_what_the_reducers_made_now_and_at_each_version(
    stores: Stores, case_id: str
) -> None:
    states = await _five_steps(stores, case_id)

    assert await stores.cases.load(case_id, MAIN) == states[-1]
    for state in states:
        assert await stores.cases.load(case_id, MAIN, at=state.version) == state
    assert [state.version for state in states] == [1, 2, 3, 4, 5, 6]


async def test_the_history_has_a_line_per_step_with_its_parent(
    stores: Stores, case_id: str
) -> None:
    await _five_steps(stores, case_id)

    lines = await stores.cases.history(case_id, MAIN)

    steps = ["open", "probe:1", "other:1", "message:m2", "probe:2", "ask"]
    assert [line.step for line in lines] == steps
    assert [line.checkpoint_id for line in lines] == [f"main.{n}" for n in range(1, 7)]
    parents = [line.parent_checkpoint_id for line in lines]
    assert parents == [None, *(f"main.{n}" for n in range(1, 6))]
    sealed = len(ProbeSection(content={"round": 1}).model_dump_json()) + SEAL_BYTES
    assert lines[1].size == sealed


async def test_a_page_of_the_history_is_its_newest_part_oldest_first(
    stores: Stores, case_id: str
) -> None:
    await _five_steps(stores, case_id)

    async def page(limit: int, before: int | None) -> list[int]:
        lines = await stores.cases.history(case_id, MAIN, limit=limit, before=before)
        return [line.version for line in lines]

    assert await page(2, None) == [5, 6]
    assert await page(2, 5) == [3, 4]
    assert await page(9, 3) == [1, 2]
    assert await page(9, 1) == await page(9, 0) == []
    assert await page(1, 10**30) == [6]


@pytest.mark.parametrize("version", [-1, 0, 2, 10**30])
async def test_a_version_that_no_step_made_is_no_checkpoint(
    stores: Stores, case_id: str, version: int
) -> None:
    await opened(stores, case_id)

    with pytest.raises(CheckpointNotFound):
        await stores.cases.load(case_id, MAIN, at=version)


async def test_an_unknown_case_or_branch_is_not_found(stores: Stores, case_id: str) -> None:
    state = await opened(stores, case_id)
    strange = state.model_copy(update={"case_id": "case_nobody"})

    for call in (
        stores.cases.load("case_nobody", MAIN),
        stores.cases.load(case_id, "branch-1"),
        stores.cases.history("case_nobody", MAIN),
        stores.cases.history("case_nobody", MAIN, before=1),
        commit(stores.cases, strange, probe()),
    ):
        with pytest.raises(CaseNotFound):
            await call


@pytest.mark.parametrize("name", HARD_VALUES)
async def test_a_value_comes_back_byte_for_byte(stores: Stores, case_id: str, name: str) -> None:
    state = await opened(stores, case_id)
    section = ProbeSection(content=HARD_VALUES[name])
    await commit(stores.cases, state, step("probe:1", section))

    [row] = await stores.keys.opened(
        await stores.pool.fetch(
            "SELECT body FROM sections WHERE case_id = $1 AND name = 'probe'", case_id
        )
    )
    stored = row["body"]
    assert stored == section.model_dump_json().encode()
    loaded = await stores.cases.load(case_id, MAIN)
    assert loaded.sections["probe"].model_dump_json() == section.model_dump_json()
    assert json.loads(stored)["content"] == HARD_VALUES[name]


async def test_a_message_comes_back_byte_for_byte(stores: Stores, case_id: str) -> None:
    text = f"{HARD_VALUES['emoji']} {HARD_VALUES['right_to_left']} {HARD_VALUES['nul']} \\u0000"
    await stores.cases.open(case_id, MAIN, "cus_1", request(text))

    assert (await stores.cases.load(case_id, MAIN)).messages[0].text == text


async def test_words_that_no_text_column_holds_are_stored_with_a_replacement(
    stores: Stores, case_id: str
) -> None:
    state = await opened(stores, case_id)
    odd = "a\0b\ud800c \\u0000 d"
    update = probe().model_copy(update={"reason": odd, "error": odd, "provenance": {"model": odd}})
    await commit(stores.cases, state, update)

    assert (await stores.cases.load(case_id, MAIN)).error == "a\ufffdb\ufffdc \\u0000 d"
    detail = json.loads((await stores.audit.trail(case_id, MAIN))[0].detail)
    assert detail == dict.fromkeys(["reason", "model"], "a\ufffdb\ufffdc \\u0000 d")
    assert await stores.audit.verify(case_id, MAIN) == []


async def test_what_cannot_be_stored_at_all_is_invalid_and_never_retried(
    stores: Stores, case_id: str
) -> None:
    state = await opened(stores, case_id)
    surrogate = Message(message_id="m", text="a\ud800", received_at=state.messages[0].received_at)

    for update in (
        probe("lone \ud800 surrogate"),
        step("message:m", messages=(surrogate,)),
        probe(name="step with a \0"),
        probe(name="step with a \ud800"),
    ):
        with pytest.raises(InvalidInput):
            await commit(stores.cases, state, update)
    assert await stores.cases.load(case_id, MAIN) == state


async def test_without_an_answer_there_is_no_version() -> None:
    with pytest.raises(LookupError):
        committed(None)


async def test_a_step_without_a_section_is_on_record_too(stores: Stores, case_id: str) -> None:
    state = await opened(stores, case_id)
    nothing = StepUpdate(step="cancelled", owner="intake", status=CaseStatus.CANCELLED)
    await commit(stores.cases, state, nothing)

    loaded = await stores.cases.load(case_id, MAIN)
    assert (loaded.status, loaded.current_owner) == (CaseStatus.CANCELLED, "intake")
    closed = "SELECT closed_at IS NOT NULL FROM cases WHERE case_id = $1"
    assert await stores.pool.fetchval(closed, case_id)
