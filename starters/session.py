"""What a command works with: the servers, the stores and a Temporal client."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from cases.errors import CaseClosed, CaseError
from cases.ids import MAIN, workflow_id
from cases.messages import CaseOutcome
from cases.state import CaseState
from runtime.servers import Servers, find_servers
from runtime.settings import Settings, read_settings
from runtime.temporal import connect
from runtime.tracing import tracing_interceptors
from workers.composition import Stores, open_stores
from workers.profile import refuse_unsafe
from workflows.support_case import SupportCaseWorkflow

#: How often a waiting command looks whether a person must decide, in seconds.
_LOOK_AGAIN_S = 2.0

CaseHandle = WorkflowHandle[SupportCaseWorkflow, CaseOutcome]


@dataclass(frozen=True)
class Session:
    """Connections that a command may use."""

    settings: Settings
    servers: Servers
    stores: Stores
    temporal: Client

    def handle(self, case_id: str, branch: str = MAIN) -> CaseHandle:
        """The case's workflow."""
        return self.temporal.get_workflow_handle_for(
            SupportCaseWorkflow.run, workflow_id(case_id, branch)
        )

    def link(self, case_id: str, branch: str, run_id: str | None) -> str | None:
        """Where the Temporal Web UI shows the case."""
        if self.servers.web_url is None:
            return None
        run = f"/{run_id}/timeline" if run_id else ""
        return (
            f"{self.servers.web_url}/namespaces/{self.servers.namespace}"
            f"/workflows/{workflow_id(case_id, branch)}{run}"
        )

    async def run_id(self, case_id: str, branch: str = MAIN) -> str | None:
        """The id of the case's newest run; None where Temporal has none (any more)."""
        try:
            return (await self.handle(case_id, branch).describe()).run_id
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise

    async def until_ended(
        self, case_id: str, say: Callable[[str], None], *, branch: str = MAIN
    ) -> CaseState:
        """The case once its run has ended; tells, once, when a person must decide meanwhile.

        Raises RunFailed if the run ended and the case did not.
        """
        ended = asyncio.ensure_future(self.handle(case_id, branch).result())
        told = False
        while not ended.done():
            await asyncio.wait({ended}, timeout=_LOOK_AGAIN_S)
            state = await self.stores.cases.load(case_id, branch)
            if state.pending_approvals and branch == MAIN and not told:
                say(f"{case_id} waits for a person: `casekeeper approve {case_id}`, or `deny`.")
                told = True
        problem = ended.exception()
        if problem is not None and not isinstance(problem, WorkflowFailureError):
            raise problem
        state = await self.stores.cases.load(case_id, branch)
        if not state.status.closed:
            raise RunFailed(case_id, problem.cause if problem else None)
        return state

    async def open_case(self, case_id: str, branch: str = MAIN) -> CaseState:
        """The case's state; raises CaseNotFound, and CaseClosed once it has ended."""
        state = await self.stores.cases.load(case_id, branch)
        if state.status.closed:
            raise CaseClosed(case_id, state.status)
        return state


class RunFailed(CaseError):
    """The case's workflow has ended without an end of the case."""

    def __init__(self, case_id: str, cause: BaseException | None) -> None:
        super().__init__(f"The run of case {case_id} has failed: {cause or 'it is not known why'}.")


@asynccontextmanager
async def open_session(servers: Servers | None = None) -> AsyncGenerator[Session]:
    """Connect to all servers; raises ServerUnreachable, SchemaMismatch, UnsafeInProduction."""
    settings = read_settings()
    servers = servers or find_servers(settings)
    await refuse_unsafe(settings, servers)
    temporal = await connect(servers, interceptors=tracing_interceptors(settings.traces))
    async with open_stores(servers) as stores:
        yield Session(settings, servers, stores, temporal)


@asynccontextmanager
async def open_records() -> AsyncGenerator[Stores]:
    """Connect to the stores only, for commands that look at the record."""
    async with open_stores(find_servers(read_settings())) as stores:
        yield stores
