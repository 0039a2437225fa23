"""Traces on a real case: what is told, and what is not."""

import dataclasses
import sys
from collections import Counter
from collections.abc import Generator
from unittest.mock import patch

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from temporalio.contrib.opentelemetry import TracingInterceptor

from cases.approvals import Verdict
from cases.errors import InvalidInput
from runtime.spans import Discreet, interceptor
from runtime.temporal import connect
from runtime.tracing import tracing_interceptors
from starters.session import Session
from tests.conftest import SmallWorld, WorkerFactory
from tests.workflows.support import BILLING, decided, finish, parked
from tests.workflows.test_replay import replayer

Traced = tuple[TracingInterceptor, InMemorySpanExporter]


@pytest.fixture
def traced() -> Traced:
    kept = InMemorySpanExporter()
    return interceptor(SimpleSpanProcessor(Discreet(kept))), kept


async def test_a_case_is_one_trace_however_often_it_is_replayed(
    traced: Traced, session: Session, number: str, run_worker: WorkerFactory
) -> None:
    tracing, kept = traced
    client = await connect(session.servers, interceptors=[tracing])
    world = SmallWorld(dataclasses.replace(session, temporal=client), number)
    await world.twins(120_000)
    async with run_worker(client=client, max_cached_workflows=0):
        handle = await world.start(BILLING)
        await parked(handle)
        await decided(world, Verdict.APPROVED)
        await finish(handle)

    spans = kept.get_finished_spans()
    of_case = [s for s in spans if attribute(s, "temporalWorkflowID") == f"case_{number}"]
    # Who signals and asks from outside has a trace of his own.
    story = [s for s in of_case if not s.name.startswith(("Signal", "Query", "HandleQuery"))]
    assert len({span.context.trace_id for span in story if span.context}) == 1
    names = Counter(span.name for span in of_case)
    for once in ("StartWorkflow", "RunWorkflow", "CompleteWorkflow"):
        assert names[f"{once}:SupportCase"] == 1
    assert names["StartActivity:issue_refund"] == names["RunActivity:issue_refund"] == 1
    told = "".join(span.to_json() for span in spans)
    assert world.customer_id not in told
    assert BILLING not in told
    await replayer().replay_workflow(await handle.fetch_history())


def attribute(span: ReadableSpan, name: str) -> object:
    return (span.attributes or {}).get(name)


def test_an_error_is_told_without_its_text(traced: Traced) -> None:
    tracing, kept = traced
    with pytest.raises(ValueError, match="Alice"), tracing.tracer.start_as_current_span("step"):
        raise ValueError("Alice wrote")

    [span] = kept.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert "Alice" not in span.to_json()


def test_nothing_but_ids_of_ours_is_told(traced: Traced) -> None:
    tracing, kept = traced
    facts = {"temporalRunID": "run", "customer": "cus_1", "text": "Alice wrote"}
    with tracing.tracer.start_as_current_span("step", attributes=facts):
        pass

    [span] = kept.get_finished_spans()
    assert span.attributes == {"temporalRunID": "run"}


def test_no_trace_is_made_unless_asked_for() -> None:
    assert tracing_interceptors("") == []


@pytest.fixture
def _no_extra() -> Generator[None]:
    kept = {name: one for name, one in sys.modules.items() if name != "runtime.spans"}
    gone = {"opentelemetry.exporter.otlp.proto.http.trace_exporter": None}
    with patch.dict(sys.modules, {**kept, **gone}, clear=True):
        yield


@pytest.mark.usefixtures("_no_extra")
def test_without_the_extra_the_variable_is_named() -> None:
    with pytest.raises(InvalidInput, match=r"CASEKEEPER_TRACES: .*casekeeper\[otel\]"):
        tracing_interceptors("otlp")
