"""The benchmark of understanding: its figures, its messages, and what it says to a bad file."""

import asyncio
import json
import random
from importlib.resources import files
from pathlib import Path
from string import ascii_lowercase

import pytest

from benchmarks import cross_validation, understanding
from benchmarks.cross_validation import (
    NEAR_DUPLICATE,
    answer_in_folds,
    answer_unseen_sources,
    belong_together,
)
from benchmarks.messages import (
    EVERYDAY,
    FREE_PROBE,
    PROBE,
    Message,
    everyday_messages,
    read_file,
    read_messages,
)
from benchmarks.scores import Answer, Certainty, by_source, certainty, keyword_answer, score
from benchmarks.train_router import learner_is_installed
from cases.errors import InvalidInput
from gateways.offline.features import clause_features, clauses, fold
from gateways.offline.router import WEIGHTS_FILE
from tests.gateways.llm_script import scripted_provider

ROW = {"text": "hi", "billing": False, "account": False, "source": "ours"}


def message(text: str, billing: bool = False, account: bool = False, source: str = "s") -> Message:
    return Message(text, billing, account, source)


def written(path: Path, *rows: object) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


def test_scores_count_both_as_billing_and_as_account() -> None:
    messages = [message("a", True, True), message("b", True), message("c"), message("d")]
    answers = [Answer(True, False), Answer(True, True), Answer(False, False), Answer(True, False)]

    scores = score(messages, answers)

    billing, account, neither = (scores.classes[n] for n in ("billing", "account", "neither"))
    assert (billing.precision, billing.recall, billing.labelled) == (2 / 3, 1.0, 2)
    assert (account.precision, account.recall, account.f1) == (0.0, 0.0, 0.0)
    assert (neither.precision, neither.recall, neither.labelled) == (1.0, 0.5, 2)
    assert scores.macro_f1 == pytest.approx((0.8 + 0 + 2 / 3) / 3)
    assert scores.messages == 4


def test_each_source_is_scored_for_itself() -> None:
    messages = [message("a", source="one"), message("b", source="two"), message("c", source="two")]
    answers = [Answer(False, False), Answer(True, False), Answer(False, False)]

    scores = by_source(messages, answers)

    assert {name: each.messages for name, each in scores.items()} == {"one": 1, "two": 2}
    assert scores["one"].classes["neither"].recall == 1.0
    assert scores["two"].classes["neither"].recall == 0.5


def test_the_keyword_rule_knows_its_words_and_nothing_else() -> None:
    assert keyword_answer("Refund me, I can't log in") == Answer(True, True)
    assert keyword_answer("I was overcharged and my passcode is gone") == Answer(False, False)


def test_certainty_compares_the_less_sure_answers_with_the_others() -> None:
    messages = [message("a", True), message("b"), message("c", True, True), message("d")]
    answers = [
        Answer(True, False, 90),
        Answer(False, True, 59),
        Answer(True, False, 60),
        Answer(False, False, 40),
    ]

    assert certainty(messages, answers, [60, 10]) == [
        Certainty(60, 0.5, 0.5, 0.5),
        Certainty(10, 0.0, 0.0, 0.5),
    ]


@pytest.mark.parametrize(("path", "name"), [(PROBE, "probe"), (FREE_PROBE, "free_probe")])
def test_the_offline_model_understands_our_probes_far_better_than_keywords(
    capsys: pytest.CaptureFixture[str], path: Path, name: str
) -> None:
    understanding.main(["--data", str(path), "--json", "--model", "offline"])

    document = json.loads(capsys.readouterr().out)
    assert next(iter(document)) == "macro_f1"
    assert document["macro_f1"] == document[name]["macro_f1"] >= 0.95
    classes = document[name]["classes"]
    assert min(classes[need]["precision"] for need in ("billing", "account")) >= 0.95
    assert document["keyword_rule"]["macro_f1"] < 0.75
    assert document["measured"]["sources"]["probe"]["messages"] == document[name]["messages"]
    assert 0 < document["measured"]["p50_ms"] <= document["measured"]["p95_ms"]
    assert document["load_ms"] > 0
    assert 0 < document["size_bytes"] <= 700 * 1024
    assert document["cross_validated"] is None


async def test_a_real_model_is_measured_in_the_same_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(tmp_path / "a.jsonl", ROW, ROW | {"text": "I can't log in", "account": True})
    async with scripted_provider() as provider:
        monkeypatch.setenv("CASEKEEPER_MODEL", "openai-compatible:any")
        monkeypatch.setenv("CASEKEEPER_MODEL_URL", provider.url)
        await asyncio.to_thread(understanding.main, ["--data", str(file), "--json"])
        paid = json.loads(capsys.readouterr().out)
        arguments = ["--data", str(file), "--json", "--model", "offline"]
        await asyncio.to_thread(understanding.main, arguments)

    offline = json.loads(capsys.readouterr().out)
    assert paid["model"] == "openai-compatible:any"
    assert (paid["measured"]["scores"], paid["probe"]) == (
        offline["measured"]["scores"],
        offline["probe"],
    )
    assert len(provider.requests) == 2 + 80 + 120


def test_the_page_for_people_says_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path / "a.jsonl", ROW, ROW | {"text": "I can't log in", "account": True})

    understanding.main(["--data", str(file)])

    page = capsys.readouterr().out
    assert "offline: loads in " in page
    assert "the file: 2 messages" in page
    assert "our probe messages: 80 messages" in page
    assert "our free probe messages: 120 messages" in page
    assert "keyword rule, the file: 2 messages" in page


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "holds no messages"),
        ("\n \n", "holds no messages"),
        ("no json", "line 1: is not JSON"),
        (json.dumps(ROW) + "\n[1]", "line 2: is not a JSON object"),
        (json.dumps({k: v for k, v in ROW.items() if k != "account"}), 'line 1: has no "account"'),
        (json.dumps(ROW | {"billing": 1}), 'line 1: "billing" is not true or false'),
        (json.dumps(ROW | {"text": None}), 'line 1: "text" is not a text'),
    ],
)
def test_a_bad_file_is_refused_with_the_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, problem: str
) -> None:
    file = tmp_path / "bad.jsonl"
    file.write_text(content, encoding="utf-8")

    with pytest.raises(SystemExit, match="2"):
        understanding.main(["--data", str(file)])

    assert problem in capsys.readouterr().err


def test_a_missing_file_other_bytes_and_an_unknown_model_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    good = str(written(tmp_path / "good", ROW))
    for arguments, problem in (
        (["--data", str(tmp_path / "none")], "cannot be read"),
        (["--data", str(tmp_path)], "cannot be read"),
        (["--data", str(tmp_path / "bytes")], "is not text in UTF-8"),
        (
            ["--data", good, "--model", "psychic"],
            "'psychic' is not known: use 'offline'",
        ),
    ):
        with pytest.raises(SystemExit, match="2"):
            understanding.main(arguments)
        assert problem in capsys.readouterr().err


def test_a_row_without_a_source_has_none(tmp_path: Path) -> None:
    row = {key: value for key, value in ROW.items() if key != "source"}

    [only], _ = read_messages([written(tmp_path / "a", row)])

    assert only.source == "unnamed"


def test_only_the_first_file_is_measured_and_each_text_counts_once(tmp_path: Path) -> None:
    first = written(tmp_path / "a", ROW, ROW | {"text": "ho", "source": "synthetic_join:nlupp_x"})
    more = written(tmp_path / "b", ROW | {"source": "more"}, ROW | {"text": "hey"})

    messages, measured = read_messages([first, more])

    assert [(m.text, m.source) for m in messages] == [
        ("hi", "ours"),
        ("ho", "nlupp"),
        ("hey", "ours"),
    ]
    assert measured == 2


def test_our_messages_have_the_size_and_labels_that_their_page_says() -> None:
    single = read_file(EVERYDAY)
    page = EVERYDAY.with_name("README.md").read_text("utf-8")
    for messages in (single, read_file(PROBE), read_file(FREE_PROBE)):
        both = sum(m.billing and m.account for m in messages)
        counts = (len(messages), sum(m.neither for m in messages),
                  sum(m.billing for m in messages) - both,
                  sum(m.account for m in messages) - both, both)  # fmt: skip
        assert "{}: neither {}, billing {}, account {}, both {}".format(*counts) in page
    assert len({m.text for m in single}) == len(single)


def test_nothing_of_the_probes_is_trained_on() -> None:
    def groups(text: str) -> set[str]:
        return {f for words in clauses(fold(text)) for f in clause_features(words) if f[0] == "#"}

    learned = [groups(m.text) for m in read_file(EVERYDAY)]
    for probe in [*read_file(PROBE), *read_file(FREE_PROBE)]:
        asked = groups(probe.text)
        nearest = max(len(asked & known) / len(asked | known) for known in learned)
        assert nearest < NEAR_DUPLICATE, probe.text


def test_joins_of_our_messages_hold_the_needs_of_their_parts_and_are_the_same_each_time() -> None:
    messages = everyday_messages()
    assert messages == everyday_messages()
    joined = messages[len(read_file(EVERYDAY)) :]
    assert sum(m.neither for m in joined) == 400
    assert sum(not m.neither for m in joined) == 300


def test_near_duplicates_and_the_halves_of_a_join_belong_together() -> None:
    assert belong_together(common=7, one=8, other=9)
    assert not belong_together(common=6, one=8, other=9)
    assert belong_together(common=20, one=20, other=90)
    assert not belong_together(common=19, one=20, other=90)
    assert not belong_together(common=19, one=19, other=90)


def test_cross_validation_without_the_learner_says_what_to_install(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(understanding, "learner_is_installed", lambda: False)
    with pytest.raises(SystemExit, match="2"):
        understanding.main(["--data", str(written(tmp_path / "a", ROW)), "--cross-validate"])
    assert "install it first" in capsys.readouterr().err


@pytest.mark.skipif(not learner_is_installed(), reason="scikit-learn is only needed to train")
def test_no_message_is_answered_by_a_router_that_learned_its_group_or_source(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chance = random.Random(8842)  # noqa: S311  # text for a test, not a secret
    texts = [" ".join("".join(chance.choices(ascii_lowercase, k=8)) for _ in range(5))
             for _ in range(12)]  # fmt: skip
    halves = [message(text, source=text[:2]) for text in texts]
    joins = [message(f"{a.text}. {b.text}", source=a.source)
             for a, b in zip(halves[::2], halves[1::2], strict=True)]  # fmt: skip
    messages = [*halves, *joins]
    learned: list[list[str]] = []
    shipped = files("gateways.offline").joinpath(WEIGHTS_FILE).read_bytes()

    def noted(train_on: list[Message]) -> bytes:
        learned.append([m.text for m in train_on])
        return shipped

    monkeypatch.setattr(cross_validation, "train", noted)
    answers = answer_in_folds(messages, len(messages))
    assert len(answers) == len(messages)
    assert all(answer.confidence < 100 for answer in answers)
    assert len(learned) == cross_validation.FOLDS
    for known in learned:
        for join in joins:
            parts = set(join.text.split(". "))
            assert (join.text in known) == parts.issubset(known) == bool(parts & set(known))
    learned.clear()
    for source, asked, _ in answer_unseen_sources(messages[:4], 4):
        assert {m.source for m in asked} == {source}
        assert not {m.text for m in asked} & set(learned[-1])


@pytest.mark.skipif(not learner_is_installed(), reason="scikit-learn is only needed to train")
def test_too_few_messages_for_the_folds_are_refused() -> None:
    with pytest.raises(InvalidInput, match="too few"):
        answer_in_folds([message("only one of them")], 1)
