"""Tracing: what Temporal clients and workers are given so that they tell spans; off by default."""

from typing import Literal

from temporalio.client import Interceptor

from cases.errors import InvalidInput


def tracing_interceptors(traces: Literal["", "otlp"]) -> list[Interceptor]:
    """For `connect`; a worker takes them over from its client. Raises InvalidInput."""
    if not traces:
        return []
    try:
        from runtime.spans import exporting_interceptor  # noqa: PLC0415  an extra
    except ImportError as error:
        problem = f"tracing needs the extra: pip install 'casekeeper[otel]' ({error.name})"
        raise InvalidInput("CASEKEEPER_TRACES", problem) from error
    return [exporting_interceptor()]
