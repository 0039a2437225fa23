"""Logs: one JSON line an event on standard error, through the standard library's logging."""

import logging
import sys

import structlog
from temporalio import activity, workflow


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
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(default=str),
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # Below INFO the SDK tells whole payloads, and so what customers wrote.
    logging.getLogger("temporalio").setLevel(max(logging.INFO, root.level))
