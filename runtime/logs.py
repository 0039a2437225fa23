"""Logs: one flat JSON object an event on standard error, through the standard library's logging.

docs/logs.md lists the fields. What is private is taken out last, whoever logged it.
"""

import json
import logging
import sys
import traceback
from contextlib import suppress
from typing import Any, cast

import structlog
from structlog.typing import EventDict, ExcInfo
from temporalio import activity, workflow
from temporalio.runtime import LogForwardingConfig, LoggingConfig, Runtime, TelemetryConfig

from cases.ids import parse_workflow_id, promotion_of
from runtime.redaction import redact

#: Which workflows belong to a case, and what stands before it in their ids.
CASE_WORKFLOWS = {
    "SupportCase": "",
    "Promote": promotion_of(""),
    "UnlockAccount": "unlock-",
}
_WHERE = ("workflow", "workflow_id", "run_id", "activity", "attempt", "task_queue")
#: They name things of ours and are left as they are: an id is no telephone number.
_OURS = frozenset(("timestamp", "level", "logger", "case_id", "branch", *_WHERE))
#: At lower levels they tell whole messages to models and providers.
_TALKATIVE = ("anthropic", "httpcore", "httpcore2", "httpx", "httpx2", "openai", "stripe")


def set_up_logs(level: str = "INFO") -> None:
    """Send all logging through structlog. Call once, at the start of a process.

    Code logs by `workflow.logger` (silent on replay), `activity.logger` or `logging`; what it
    passes as `extra` becomes fields. Customers' texts and personal data are never logged.
    """
    # Fields, not a suffix of the message: the case and the run can be searched for.
    activity.logger.activity_info_on_message = False
    workflow.logger.workflow_info_on_message = False
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _say_where,
            _say_what_failed,
            _without_private,
            structlog.processors.JSONRenderer(),
        ],
    )
    handler = _Handler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(capture=True)
    # Below INFO the SDK tells whole payloads, and so what customers wrote.
    logging.getLogger("temporalio").setLevel(max(logging.INFO, root.level))
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    Runtime.set_default(
        Runtime(telemetry=TelemetryConfig(logging=sdk_logs())), error_if_already_set=False
    )


def sdk_logs() -> LoggingConfig:
    """Lets the SDK's core, which is no Python, log through us: it would print lines of its own."""
    forwarding = LogForwardingConfig(
        logging.getLogger("temporalio.core"),
        append_target_to_name=False,
        append_log_fields_to_message=False,  # there are failures among them, with their texts
    )
    return LoggingConfig(filter=LoggingConfig.default.filter, forwarding=forwarding)


class _Handler(logging.StreamHandler[Any]):
    """A line that cannot be written is no reason to print what it was about."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        line = {"event": "a log line could not be written", "level": "error", "logger": record.name}
        with suppress(OSError, ValueError):
            self.stream.write(json.dumps(line) + "\n")


def _say_where(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Say which case, run and activity this is about, as far as it is known."""
    event.pop("temporal_activity", None)
    event.pop("__temporal_error_identifier", None)
    told = event.pop("temporal_workflow", None)
    core = event.pop("temporal_log", None)
    if activity.in_activity():
        event.update(_of_activity(activity.info()))
    elif told:
        event.update({name: told[name] for name in ("workflow_id", "run_id", "task_queue")})
        event.update(workflow=told["workflow_type"], attempt=told["attempt"])
    elif core:
        event.update(
            {name: core.fields[name] for name in ("run_id", "error") if name in core.fields}
        )
    prefix = CASE_WORKFLOWS.get(event.get("workflow", ""))
    if prefix is not None:
        event["case_id"], event["branch"] = parse_workflow_id(
            event["workflow_id"].removeprefix(prefix)
        )
    return event


def _of_activity(info: activity.Info) -> dict[str, object]:
    return {
        "workflow": info.workflow_type,
        "workflow_id": info.workflow_id,
        "run_id": info.workflow_run_id,
        "activity": info.activity_type,
        "attempt": info.attempt,
        "task_queue": info.task_queue,
    }


def _say_what_failed(_logger: object, _method: str, event: EventDict) -> EventDict:
    """The exception as its type, its message, and where it came from; no local variables."""
    failed = cast("ExcInfo | None", event.pop("exc_info", None))
    if failed:
        told = traceback.TracebackException(*failed)
        event.update(error_type=failed[0].__name__, error=str(told), stack="".join(told.format()))
    return event


def _without_private(_logger: object, _method: str, event: EventDict) -> EventDict:
    return {name: one if name in _OURS else redact(one) for name, one in event.items()}
