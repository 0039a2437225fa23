"""The one place that connects to Temporal."""

from datetime import timedelta

from google.protobuf.duration_pb2 import Duration
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.namespace.v1 import NamespaceConfig
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.api.workflowservice.v1 import UpdateNamespaceRequest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError, RPCStatusCode

from runtime.servers import Servers, ServerUnreachable


async def connect(servers: Servers) -> Client:
    """A client that speaks our typed messages; raises ServerUnreachable."""
    try:
        return await Client.connect(**servers.temporal, data_converter=pydantic_data_converter)
    except (RuntimeError, OSError, RPCError) as error:
        problem = f"nothing answers at {servers.temporal_address}"
        raise ServerUnreachable("Temporal", problem) from error


async def register_search_attributes(client: Client, wanted: dict[str, str]) -> None:
    """Make the attributes known to the namespace; those it knows are left alone."""
    types = {name: IndexedValueType.Value(_constant(kind)) for name, kind in wanted.items()}
    try:
        await client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(namespace=client.namespace, search_attributes=types),
            timeout=timedelta(seconds=10),
        )
    except RPCError as error:
        if error.status is not RPCStatusCode.ALREADY_EXISTS:
            raise


def _constant(kind: str) -> str:
    return f"INDEXED_VALUE_TYPE_{kind.upper()}"


async def keep_closed_runs(client: Client, days: int) -> None:
    """Let the namespace keep closed workflows so long; the dev server would drop them in a day."""
    await client.workflow_service.update_namespace(
        UpdateNamespaceRequest(
            namespace=client.namespace,
            config=NamespaceConfig(workflow_execution_retention_ttl=Duration(seconds=days * 86400)),
        ),
        timeout=timedelta(seconds=10),
    )
