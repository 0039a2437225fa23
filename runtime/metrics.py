"""Metrics: those of the Temporal SDK and our own, at one address that Prometheus scrapes."""

from collections.abc import Mapping, Sequence

from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig

from cases.errors import InvalidInput
from runtime.logs import sdk_logs

_MINUTE, _HOUR = 60.0, 3600.0
#: A person takes minutes to days; the SDK's own bounds end at seconds.
_BUCKETS: Mapping[str, Sequence[float]] = {
    "casekeeper_approval_wait": [
        _MINUTE, 5 * _MINUTE, 15 * _MINUTE, _HOUR, 4 * _HOUR, 12 * _HOUR, 24 * _HOUR, 72 * _HOUR,
    ]
}  # fmt: skip


def start_metrics(address: str) -> Runtime | None:
    """Serve /metrics at that address for the rest of the process; None where it is empty.

    The names end as Prometheus wants them, in `_total` and `_seconds`. Raises InvalidInput.
    """
    if not address:
        return None
    prometheus = PrometheusConfig(
        bind_address=address,
        counters_total_suffix=True,
        unit_suffix=True,
        durations_as_seconds=True,
        histogram_bucket_overrides=_BUCKETS,
    )
    try:
        return Runtime(telemetry=TelemetryConfig(metrics=prometheus, logging=sdk_logs()))
    except ValueError as error:
        raise InvalidInput("CASEKEEPER_METRICS_ADDRESS", str(error)) from error
