"""Which build a worker is, and where new cases go: Temporal's worker versioning.

A case stays with the build that began it; `docs/upgrading.md` says what that asks of people.
"""

from datetime import timedelta

from temporalio.api.deployment.v1 import WorkerDeploymentInfo
from temporalio.api.enums.v1 import WorkerDeploymentVersionStatus
from temporalio.api.workflowservice.v1 import (
    DescribeWorkerDeploymentRequest,
    SetWorkerDeploymentCurrentVersionRequest,
)
from temporalio.client import Client
from temporalio.common import WorkerDeploymentVersion
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import WorkerDeploymentConfig

from cases.errors import Conflict
from cases.records import Record

DEPLOYMENT = "casekeeper"

_ANSWER_WITHIN = timedelta(seconds=10)
_STATUS = "WORKER_DEPLOYMENT_VERSION_STATUS_"
#: What waits for a person keeps its build; the short workflows move on by themselves.
_BOUND = (
    "TemporalWorkerDeploymentVersion = '{version}' AND ExecutionStatus = 'Running'"
    " AND TemporalWorkflowVersioningBehavior = 'Pinned'"
)


class BuildNotReady(Conflict):
    def __init__(self, build_id: str, reason: str) -> None:
        super().__init__(
            f"Build {build_id} cannot be the current one before a worker of it polls: start one. "
            f"Temporal says: {reason}"
        )


class Build(Record):
    """A build that workers had, and how many open workflows it must finish."""

    build_id: str
    #: "inactive", "current", "ramping", "draining" or "drained".
    status: str
    open: int


class Deployment(Record):
    """All builds, newest first. New cases go to the current one; None: to unversioned workers."""

    current: str | None = None
    builds: tuple[Build, ...] = ()


def deployment_config(build_id: str) -> WorkerDeploymentConfig | None:
    """What makes a worker one of this build; None for an unversioned worker.

    There is no default behaviour: a workflow that does not say its own keeps the worker from
    starting.
    """
    if not build_id:
        return None
    version = WorkerDeploymentVersion(deployment_name=DEPLOYMENT, build_id=build_id)
    return WorkerDeploymentConfig(version=version, use_worker_versioning=True)


async def make_current(client: Client, build_id: str) -> str | None:
    """Let new cases go to this build; the build before it. Raises BuildNotReady."""
    request = SetWorkerDeploymentCurrentVersionRequest(
        namespace=client.namespace,
        deployment_name=DEPLOYMENT,
        build_id=build_id,
        identity=client.identity,
    )
    set_current = client.workflow_service.set_worker_deployment_current_version
    try:
        answer = await set_current(request, timeout=_ANSWER_WITHIN)
    except RPCError as error:
        if error.status in (RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION):
            raise BuildNotReady(build_id, error.message) from error
        raise
    return answer.previous_deployment_version.build_id or None


async def describe(client: Client) -> Deployment:
    """The builds that the namespace knows."""
    request = DescribeWorkerDeploymentRequest(
        namespace=client.namespace, deployment_name=DEPLOYMENT
    )
    try:
        answer = await client.workflow_service.describe_worker_deployment(
            request, timeout=_ANSWER_WITHIN
        )
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return Deployment()
        raise
    info = answer.worker_deployment_info
    oldest_first = sorted(info.version_summaries, key=lambda one: one.create_time.ToNanoseconds())
    return Deployment(
        current=info.routing_config.current_deployment_version.build_id or None,
        builds=tuple([await _build(client, one) for one in reversed(oldest_first)]),
    )


async def _build(
    client: Client, summary: WorkerDeploymentInfo.WorkerDeploymentVersionSummary
) -> Build:
    version = f"{DEPLOYMENT}:{summary.deployment_version.build_id}"
    counted = await client.count_workflows(_BOUND.format(version=version))
    status = WorkerDeploymentVersionStatus.Name(summary.status)
    return Build(
        build_id=summary.deployment_version.build_id,
        status=status.removeprefix(_STATUS).lower(),
        open=counted.count,
    )
