"""The one place that connects to Temporal."""

from collections.abc import Sequence
from datetime import timedelta

from google.protobuf.duration_pb2 import Duration
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.namespace.v1 import NamespaceConfig
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.api.workflowservice.v1 import UpdateNamespaceRequest
from temporalio.client import Client, Interceptor
from temporalio.runtime import Runtime
from temporalio.service import RPCError, RPCStatusCode

from runtime.codec import data_converter
from runtime.keys import KeyFile
from runtime.servers import Servers, ServerUnreachable


async def connect(
    servers: Servers,
    *,
    runtime: Runtime | None = None,
    interceptors: Sequence[Interceptor] = (),
) -> Client:
    """A client that speaks our typed messages, encrypted where there are keys.

    Raises ServerUnreachable; NoKeyFile or InvalidInput for a file of keys that cannot be used.
    """
    keys = KeyFile(servers.payload_keys) if servers.payload_keys else None
    try:
        return await Client.connect(
            **servers.temporal,
            data_converter=data_converter(keys),
            runtime=runtime,
            interceptors=interceptors,
        )
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
