"""How well a model understands messages: `python -m benchmarks.understanding --data FILE`.

Beside the configured model stands the keyword rule of the usual recipes. The offline model learned
from routing_dev.jsonl: on that file only `--cross-validate` says what it makes of new messages.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from time import perf_counter
from typing import Any, Final

from benchmarks.asked_models import Unlimited, asked_model
from benchmarks.cross_validation import FOLDS, answer_in_folds, answer_unseen_sources
from benchmarks.messages import FREE_PROBE, PROBE, Message, read_file, read_messages
from benchmarks.scores import Answer, Certainty, Scores, by_source, certainty, keyword_answer, score
from benchmarks.train_router import NO_LEARNER, learner_is_installed
from cases.errors import InvalidInput
from cases.model_ports import LanguageModel
from cases.understanding import Topic
from gateways.offline.router import WEIGHTS_FILE
from runtime.settings import Settings

_BOUNDS: Final = (55, 60, 65, 70, 80, 90, 95, 99)


@dataclass(frozen=True)
class Measured:
    """One model on one file."""

    scores: Scores
    sources: dict[str, Scores]
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True)
class CrossValidated:
    """The offline model, trained anew without what it is asked."""

    folds: Scores
    unseen_sources: dict[str, Scores]
    folds_certainty: list[Certainty]
    unseen_certainty: list[Certainty]

    @property
    def unseen_mean(self) -> float:
        """The mean macro-F1 over the sources."""
        return sum(each.macro_f1 for each in self.unseen_sources.values()) / len(
            self.unseen_sources
        )

    def as_lines(self) -> list[str]:
        """Give what was found for people."""
        return [
            *_table(f"{FOLDS} grouped folds", self.folds),
            *_certainty_table(self.folds_certainty),
            *(
                line
                for name, s in self.unseen_sources.items()
                for line in _table(f"unseen {name}", s)
            ),
            f"unseen sources, mean macro-F1 {self.unseen_mean:.3f}",
            *_certainty_table(self.unseen_certainty),
        ]


@dataclass(frozen=True)
class Report:
    """All that one run found out."""

    model: str
    load_ms: float
    size_bytes: int
    measured: Measured
    keyword_rule: Scores
    probe: Scores
    free_probe: Scores
    cross_validated: CrossValidated | None

    def as_document(self) -> dict[str, Any]:
        """Give the report for programs, the macro-F1 of the model on the file at its top."""
        document = asdict(self)
        if self.cross_validated:
            document["cross_validated"]["unseen_mean"] = self.cross_validated.unseen_mean
        return {"macro_f1": self.measured.scores.macro_f1, **document}

    def as_page(self) -> str:
        """Give the report for people."""
        measured = self.measured
        lines = [
            f"{self.model}: loads in {self.load_ms:.0f} ms, {self.size_bytes:,} bytes",
            f"a message takes {measured.p50_ms:.2f} ms (p50), {measured.p95_ms:.2f} ms (p95)",
            "",
            *_table("the file", measured.scores),
            *(line for name, each in measured.sources.items() for line in _table(name, each)),
            *_table("our probe messages", self.probe),
            *_table("our free probe messages", self.free_probe),
            *_table("keyword rule, the file", self.keyword_rule),
        ]
        if self.cross_validated:
            lines += self.cross_validated.as_lines()
        return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    try:
        options = _options(arguments)
        report = measure(options.model or Settings().model, options.data, options.cross_validate)
    except InvalidInput as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    print(json.dumps(report.as_document(), indent=2) if options.json else report.as_page())


def measure(name: str, data: Sequence[Path], cross_validate: bool) -> Report:
    """Read the messages, ask the model about each of the first file, and score its answers."""
    if cross_validate and not learner_is_installed():
        raise InvalidInput("--cross-validate", NO_LEARNER)
    messages, count = read_messages(data)
    asked = messages[:count]
    started = perf_counter()
    model = asked_model(name)
    load_ms = (perf_counter() - started) * 1000
    measured, probe, free_probe = asyncio.run(
        _measured_all(model, [asked, read_file(PROBE), read_file(FREE_PROBE)])
    )
    weights = files("gateways.offline").joinpath(WEIGHTS_FILE).read_bytes()
    return Report(
        model=name,
        load_ms=load_ms,
        size_bytes=len(weights) if name == "offline" else 0,
        measured=measured,
        keyword_rule=score(asked, [keyword_answer(message.text) for message in asked]),
        probe=probe.scores,
        free_probe=free_probe.scores,
        cross_validated=_cross_validated(messages, count) if cross_validate else None,
    )


async def _measured_all(
    model: LanguageModel, files_of: Sequence[Sequence[Message]]
) -> list[Measured]:
    """One file after the other, in one loop: a real model keeps its connections."""
    async with AsyncExitStack() as stack:
        if isinstance(model, Unlimited):
            await stack.enter_async_context(aclosing(model))
        return [await _measured(model, messages) for messages in files_of]


async def _measured(model: LanguageModel, messages: Sequence[Message]) -> Measured:
    answers: list[Answer] = []
    took: list[float] = []
    for message in messages:
        started = perf_counter()
        reply = await model.understand([message.text])
        took.append((perf_counter() - started) * 1000)
        needs = reply.understanding.needs
        answers.append(Answer(Topic.BILLING in needs, Topic.ACCOUNT in needs))
    took.sort()
    return Measured(
        scores=score(messages, answers),
        sources=by_source(messages, answers),
        p50_ms=took[len(took) // 2],
        p95_ms=took[len(took) * 95 // 100],
    )


def _cross_validated(messages: Sequence[Message], count: int) -> CrossValidated:
    folds = answer_in_folds(messages, count)
    unseen = list(answer_unseen_sources(messages, count))
    strangers = [message for _, asked, _ in unseen for message in asked]
    guesses = [answer for _, _, answers in unseen for answer in answers]
    return CrossValidated(
        folds=score(messages[:count], folds),
        unseen_sources={source: score(asked, answers) for source, asked, answers in unseen},
        folds_certainty=certainty(messages[:count], folds, _BOUNDS),
        unseen_certainty=certainty(strangers, guesses, _BOUNDS),
    )


def _certainty_table(rows: Sequence[Certainty]) -> list[str]:
    return [
        f"  confidence below {row.below}: {row.share_below:.3f} of the messages,"
        f" {row.right_below:.3f} of them right, of the others {row.right_from_there:.3f}"
        for row in rows
    ]


def _table(title: str, scores: Scores) -> list[str]:
    return [
        f"{title}: {scores.messages} messages, macro-F1 {scores.macro_f1:.3f}",
        *(
            f"  {name:8} F1 {each.f1:.3f}  precision {each.precision:.3f}"
            f"  recall {each.recall:.3f}  of {each.labelled}"
            for name, each in scores.classes.items()
        ),
    ]


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.understanding", description=__doc__)
    parser.add_argument(
        "--data",
        type=Path,
        action="append",
        required=True,
        help="JSON lines; the first file is measured, further ones only train the folds",
    )
    parser.add_argument("--model", help="which model; without it CASEKEEPER_MODEL")
    parser.add_argument(
        "--cross-validate", action="store_true", help="train anew without what is asked; minutes"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
