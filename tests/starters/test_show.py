"""`casekeeper show`: the case exactly as it was, and how much it holds."""

import itertools

import pytest

from cases.sizes import WARN_BYTES
from cases.state import CaseState, StepUpdate
from starters.session import Session
from tests.starters.conftest import CommandLine
from tests.stores.support import commit, later_steps, opened, probe, request, step


async def grown(session: Session, case_id: str, *updates: StepUpdate) -> CaseState:
    """A case with these steps on record."""
    state = await opened(session.stores, case_id)
    for update in updates:
        await commit(session.stores.cases, state, update)
        state = await session.stores.cases.load(case_id, "main")
    return state


async def test_at_a_checkpoint_it_shows_that_state_and_the_step_that_made_it(
    casekeeper: CommandLine, session: Session, case_id: str
) -> None:
    state = await opened(session.stores, case_id)
    steps = later_steps(state)
    states = [*itertools.accumulate(steps, lambda was, made: was.after(*made), initial=state)]
    await grown(session, case_id, *(update for update, _ in steps))

    for then in states:
        at = then.checkpoint_id
        view = (await casekeeper("show", case_id, "--at", at, "--json")).json()
        expected = then.model_dump(mode="json", exclude={"section_versions"})
        sections = expected.pop("sections")
        assert {key: view[key] for key in expected} == expected
        assert {name: body for name, body in view["sections"].items() if body} == sections
        assert view["checkpoint_id"] == at
        assert view["step"] == then.completed_steps[-1]

    shown = " ".join((await casekeeper("show", case_id, "--at", "main.4")).out.split())
    assert "As of checkpoint main.4, after 4 steps. The last was other 1." in shown
    assert "“more" in shown
    assert "“more" not in (await casekeeper("show", case_id, "--at", "main.2")).out


async def test_parts_are_measured_largest_first(
    casekeeper: CommandLine, session: Session, case_id: str
) -> None:
    state = await grown(session, case_id, probe("日" * 1000))

    done = await casekeeper("show", case_id, "--json")

    assert done.json()["sizes"] == [
        {"name": "probe", "bytes": len(state.sections["probe"].model_dump_json().encode())},
        {"name": "messages", "bytes": len(state.messages[0].model_dump_json().encode())},
    ]


@pytest.mark.parametrize(("size", "warns"), [(WARN_BYTES - 1000, False), (WARN_BYTES, True)])
async def test_people_are_warned_of_a_state_above_1_mb(
    size: int, warns: bool, casekeeper: CommandLine, session: Session, case_id: str
) -> None:
    await grown(session, case_id, probe("x" * size))

    done = await casekeeper("show", case_id)
    as_json = await casekeeper("show", case_id, "--json")

    assert (done.code, as_json.code, as_json.err) == (0, 0, "")
    assert done.err.count("\n") == int(warns)
    if warns:
        assert done.err.startswith("casekeeper: this state has 1.0 MB")
        assert "1.0 MB of it are its probe." in done.err


async def test_messages_that_were_pruned_are_counted(
    casekeeper: CommandLine, session: Session, case_id: str
) -> None:
    messages = [request(f"No. {n}").model_copy(update={"message_id": f"m{n}"}) for n in range(60)]
    steps = [step(f"message:m{n}", owner="intake", messages=(m,)) for n, m in enumerate(messages)]
    state = await opened(session.stores, case_id)
    await commit(session.stores.cases, state, *steps)

    view = (await casekeeper("show", case_id, "--json")).json()
    shown = (await casekeeper("show", case_id)).out

    assert [message["text"] for message in view["messages"]] == [f"No. {n}" for n in range(10, 60)]
    assert view["messages_pruned"] == 11
    assert shown.index("11 earlier messages") < shown.index("“No. 10”")
    assert "earlier" not in (await casekeeper("show", case_id, "--at", "main.50")).out
    one = (await casekeeper("show", case_id, "--at", "main.51")).out
    assert "received 1 earlier message “No. 0”" in " ".join(one.split())


async def test_an_agents_scratch_stays_private(
    casekeeper: CommandLine, session: Session, case_id: str
) -> None:
    note = {"prober.scratch": {"text": "the customer sounds upset"}}
    update = {"step": "probe:1", "owner": "prober", "sections": note}
    state = await grown(session, case_id, StepUpdate.model_validate(update))
    assert "prober.scratch" in state.sections

    for line in ((), ("--json",), ("--at", "main.2")):
        done = await casekeeper("show", case_id, *line)
        assert done.code == 0
        assert "scratch" not in done.out
        assert "upset" not in done.out
