"""Spans by OpenTelemetry: which steps ran when and for which case, and not what was in them.

Everything is set by the standard variables, such as OTEL_EXPORTER_OTLP_ENDPOINT.
"""

from collections.abc import Sequence
from functools import cache

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Status
from temporalio.contrib.opentelemetry import TracingInterceptor

#: Ids of ours; whatever else a span may come to hold stays here.
_TOLD = frozenset(
    ("temporalWorkflowID", "temporalRunID", "temporalActivityID", "temporalActivityType")
)


@cache
def exporting_interceptor() -> TracingInterceptor:
    """The one of this process; what is not yet sent when it ends is sent then."""
    return interceptor(BatchSpanProcessor(Discreet(OTLPSpanExporter())))


def interceptor(processor: SpanProcessor) -> TracingInterceptor:
    """Tells spans to this processor; workflows are silent on replay."""
    resource = Resource({SERVICE_NAME: "casekeeper"}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(processor)
    return TracingInterceptor(provider.get_tracer("casekeeper"))


class Discreet(SpanExporter):
    """Leaves out errors' texts and traces, which may quote a customer."""

    def __init__(self, inner: SpanExporter) -> None:
        self._inner = inner

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return self._inner.export([_without_texts(span) for span in spans])

    def shutdown(self) -> None:
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._inner.force_flush(timeout_millis)


def _without_texts(span: ReadableSpan) -> ReadableSpan:
    attributes = {name: one for name, one in (span.attributes or {}).items() if name in _TOLD}
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=attributes,
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )
