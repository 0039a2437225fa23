"""Shorter time-outs of activities, so that a worker's death is noticed in seconds."""

from datetime import timedelta
from typing import Any

from temporalio.worker import (
    Interceptor,
    StartActivityInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)
from temporalio.workflow import ActivityHandle

#: How long an activity may be silent, instead of the 8 to 20 s of `activities/options.py`.
HEARTBEAT = timedelta(seconds=3)


class Haste(Interceptor):
    """For a worker of these tests: only the time changes, not what is done."""

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002, ARG002  its name upstream
    ) -> type[WorkflowInboundInterceptor]:
        return _Inbound


class _Inbound(WorkflowInboundInterceptor):
    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        super().init(_Outbound(outbound))


class _Outbound(WorkflowOutboundInterceptor):
    def start_activity(self, input: StartActivityInput) -> ActivityHandle[Any]:  # noqa: A002  its name upstream
        input.heartbeat_timeout = HEARTBEAT
        return super().start_activity(input)
