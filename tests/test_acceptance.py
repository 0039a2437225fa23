"""The cases in tests/cases/, each from its customer's message to its answer, on real servers."""

import functools
import inspect
import json
import os
import re
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cases import policy
from cases.answer_texts import TEXTS
from cases.answers import AnswerFacts
from cases.model_ports import OpeningReply, UnderstandingReply
from starters.session import Session
from tests.acceptance import (
    FOLDER,
    Case,
    Decision,
    Expected,
    Seen,
    differences,
    load_case,
    load_cases,
)
from tests.acceptance_play import Play, play
from tests.conftest import WorkerFactory
from tests.gateways.llm_script import OPENING, scripted_provider
from workers.composition import sandbox_gateways

_NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
_PAGE = Path(__file__).parents[1] / "docs" / "acceptance-cases.md"

#: Rules for what no customer's words can bring about: a model that gives no answer, an agent that
#: was never asked.
_WITHOUT_A_CASE = {"not_understood", "billing_missing"}

Plays = dict[str, Play]


@pytest.fixture(scope="module")
async def plays(session: Session, run_worker: WorkerFactory) -> Plays:
    """All cases, played side by side."""
    return await play(load_cases(), session, run_worker, f"acceptance-{os.getpid()}")


@pytest.fixture(scope="module")
async def paid_plays(session: Session, run_worker: WorkerFactory) -> Plays:
    """The same with a model behind HTTP in place of the offline one, which is not to be asked."""
    async with scripted_provider() as provider:
        own = {"model": "openai-compatible:any", "model_url": provider.url}
        settings = session.settings.model_copy(update=own)
        gateways = sandbox_gateways(session.stores, settings)
        paid = functools.partial(run_worker, gateways=replace(gateways, model=NoModel()))
        async with aclosing(gateways):
            return await play(load_cases(), session, paid, f"paid-{os.getpid()}")


class NoModel:
    """Answers nothing, so that whatever is answered came from another one."""

    async def understand(self, messages: Sequence[str]) -> UnderstandingReply:
        raise AssertionError(f"the offline model was asked about {len(messages)} messages")

    async def pick_opening(self, messages: Sequence[str], facts: AnswerFacts) -> OpeningReply:
        raise AssertionError(f"the offline model was asked about {len(messages)} {facts}")


@pytest.mark.parametrize("name", _NAMES)
async def test_the_case_comes_out_as_its_file_says(name: str, plays: Plays) -> None:
    _comes_out(name, plays)


@pytest.mark.parametrize("name", _NAMES)
async def test_the_case_comes_out_the_same_with_a_real_model(name: str, paid_plays: Plays) -> None:
    _comes_out(name, paid_plays)


def _comes_out(name: str, plays: Plays) -> None:
    case, played = load_case(FOLDER / f"{name}.json"), plays[name]

    found = [played.problem] if played.seen is None else differences(case.expected, played.seen)
    if found:
        lines = "\n  ".join(map(str, found))
        pytest.fail(f"tests/cases/{name}.json ({case.why})\n  {lines}", pytrace=False)


async def test_every_answer_of_a_paid_play_has_the_opening_that_the_model_picked(
    paid_plays: Plays,
) -> None:
    ours = {texts.openings[OPENING] for texts in TEXTS.values()}
    for name, played in paid_plays.items():
        answers = played.seen.answers if played.seen else ()
        cancelled = load_case(FOLDER / f"{name}.json").cancelled
        assert cancelled or all(any(text in answer for text in ours) for answer in answers), name


def _broken(expected: Expected) -> dict[str, Expected]:
    """By what the report must name: the expectations with one of them made wrong."""
    wrong: dict[str, dict[str, Any]] = {
        "status": {"status": "received"},
        "refunds": {"refunds": expected.refunds[:-1] or ({"charge_id": "x", "amount": "1 JPY"},)},
        "reset_mails": {"reset_mails": expected.reset_mails + 1},
        "answers": {"answers": expected.answers + 1},
        "answer_names": {"answer_names": (*expected.answer_names, "never said")},
    }
    for path in expected.sections:
        other = {**expected.sections, path: "wrong" if "." in path else None}
        if other[path] != expected.sections[path]:
            wrong[f"sections.{path}"] = {"sections": other}
    said = expected.answer_names
    if said:
        wrong["answer_never_names"] = {
            "answer_never_names": (*expected.answer_never_names, said[0])
        }
    if said and said[0].endswith(" USD"):
        wrong["an amount that is not listed"] = {"answer_names": said[1:]}
    return {
        what: Expected.model_validate({**dict(expected), **change}, strict=False)
        for what, change in wrong.items()
    }


async def test_each_expectation_that_is_made_wrong_is_reported_and_no_other(plays: Plays) -> None:
    kinds: set[str] = set()
    for case in load_cases():
        seen = plays[case.name].seen
        if seen is None or differences(case.expected, seen):
            continue  # its own test tells
        for what, expected in _broken(case.expected).items():
            found = differences(expected, seen)
            assert len(found) == 1, (case.name, what, found)
            kinds.add(found[0].partition(":")[0].partition(".")[0])

    assert kinds == {*Expected.model_fields}


async def test_a_case_that_cannot_be_played_is_told_and_the_others_go_on(
    session: Session, run_worker: WorkerFactory
) -> None:
    small = load_case(FOLDER / "duplicate_small.json")
    hasty = small.model_copy(update={"name": "hasty", "decision": Decision.APPROVE})
    played = await play([small, hasty], session, run_worker, f"hasty-{os.getpid()}")

    assert played["duplicate_small"].problem is None
    assert played["hasty"].seen is None
    assert "ended as answered and did not wait for a person" in str(played["hasty"].problem)


def test_every_rule_of_the_policy_has_a_case_and_a_line_on_the_page() -> None:
    source = inspect.getsource(policy)
    rules = set(re.findall(r'(?:_human\(|Decision\.[A-Z_]+,)\s*"(\w+)"', source))
    shown = {str(case.expected.sections.get("policy.rule")) for case in load_cases()}

    assert len(rules) > 10
    assert rules - _WITHOUT_A_CASE <= shown
    page = _PAGE.read_text("utf-8")
    assert [rule for rule in sorted(rules - _WITHOUT_A_CASE) if f"| `{rule}` |" not in page] == []


def test_every_end_of_a_case_has_a_case() -> None:
    ends = {case.expected.status for case in load_cases()}

    assert ends >= {"answered", "rejected", "manual_review", "cancelled", "awaiting_approval"}
    assert len(_NAMES) >= 36


def _file(**changes: Any) -> str:
    """The text of a case file with other values, each named by its path."""
    data = json.loads((FOLDER / "follow_up_adds_the_login.json").read_text("utf-8"))
    for path, value in changes.items():
        *parents, last = (int(part) if part.isdigit() else part for part in path.split("__"))
        place = data
        for part in parents:
            place = place[part]
        place[last] = value
    return json.dumps(data)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"decison": "approve"}, "decison"),
        ({"decision": "maybe"}, "decision"),
        ({"why": "no full stop"}, "why"),
        ({"messages": []}, "messages"),
        ({"messages__0__when": "awaiting_approval"}, "the first message opens the case"),
        ({"messages__1__when": "soon"}, "messages.1.when"),
        ({"cancelled": "awaiting_approval"}, "a cancelled case is not decided"),
        ({"charges__0__amount_minor": "50001"}, "charges.0.amount_minor"),
        ({"charges__0__created_at": "2026-11-01T00:00:00Z"}, "hours_ago"),
        ({"charges__0__hours_ago": "6"}, "hours_ago"),
        ({"charges__0__colour": "red"}, "charges.0.colour"),
        ({"charges__0__customer_id": "cus_nobody"}, "not in the file"),
        ({"charges__0__id": "ch_2"}, "ch_2 stands in the file twice"),
        ({"customers__0__locked_up": True}, "customers.0.locked_up"),
        ({"expected__status": "done"}, "expected.status"),
        ({"expected__reset_mails": "1"}, "expected.reset_mails"),
        ({"expected__reset_mails": True}, "expected.reset_mails"),
        ({"expected__mails": 1}, "expected.mails"),
        ({"expected__sections": {}}, "expected.sections"),
        ({"expected__sections__policy.ruel": "above_limit"}, "policy.ruel is not a field"),
        ({"expected__sections__police.rule": "above_limit"}, "police is not a section"),
        ({"expected__sections__account": True}, '"account": null'),
        ({"expected__refunds__0__charge_id": "ch_9"}, "ch_9 is refunded and not in the file"),
        ({"expected__refunds__0__amount": "500 dollars"}, "expected.refunds.0.amount"),
    ],
)
def test_a_slip_in_a_case_file_is_named(changes: dict[str, Any], told: str) -> None:
    assert Case.parse(_file())
    with pytest.raises(ValueError, match=re.escape(told)):
        Case.parse(_file(**changes))


def test_a_key_that_stands_twice_is_an_error_as_the_first_would_be_forgotten() -> None:
    text = _file().replace('"reset_mails": 1', '"reset_mails": 0, "reset_mails": 1')

    with pytest.raises(ValueError, match="stands twice"):
        Case.parse(text)


def test_a_file_is_named_as_its_case(tmp_path: Path) -> None:
    path = tmp_path / "another.json"
    path.write_text(_file(), "utf-8")

    with pytest.raises(ValueError, match=r"another\.json: its name is follow_up_adds_the_login"):
        load_case(path)


def test_an_amount_inside_a_larger_one_is_another_amount() -> None:
    expected = load_case(FOLDER / "claims_a_larger_amount.json").expected
    sections: dict[str, Any] = {"policy": {}, "refund": {}}
    names = expected.model_copy(update={"sections": {"account": None}, "refunds": ()})
    for text, missing in (("149.99 USD", True), ("It is 49.99 USD.", False)):
        seen = Seen(status="answered", sections=sections, answers=(text,))
        assert bool(differences(names, seen)) is missing


def test_the_case_that_the_page_shows_is_one() -> None:
    [shown] = re.findall(r"```json\n(\{\n.*?)```", _PAGE.read_text("utf-8"), flags=re.DOTALL)

    assert Case.parse(shown).name not in _NAMES
