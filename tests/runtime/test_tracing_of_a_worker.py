"""Traces of real processes, as a collector receives them."""

import asyncio
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.conftest import SmallWorld
from tests.e2e.shell import Shell
from tests.workers.process import worker_process
from tests.workflows.support import BILLING, finish

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


@contextmanager
def collector(bodies: list[bytes]) -> Generator[str]:
    """The address of a server that keeps what is sent to it."""

    class Keep(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Stay silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Keep) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


async def test_who_starts_a_case_and_who_runs_it_tell_one_trace(
    world: SmallWorld, home: Path, tmp_path: Path
) -> None:
    await world.twins()
    case_id = f"case_{world.number}"
    bodies: list[bytes] = []
    with collector(bodies) as url:
        given = {"CASEKEEPER_TRACES": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": url}
        async with worker_process(home, **given) as worker:
            start = ("start", "--customer", world.customer_id, "--case-id", case_id, BILLING)
            here = {"CASEKEEPER_HOME": str(home), **given}
            await asyncio.to_thread(lambda: Shell(tmp_path).casekeeper(*start, code=0, **here))
            assert await finish(world.session.handle(case_id)) == "answered"
            worker.signal(signal.SIGTERM)
            assert await worker.code() == 0

    sent = [
        one for body in bodies for one in ExportTraceServiceRequest.FromString(body).resource_spans
    ]
    spans = [span for one in sent for scope in one.scope_spans for span in scope.spans]
    [started] = [span for span in spans if span.name == "StartWorkflow:SupportCase"]
    paid = [span for span in spans if span.name == "RunActivity:issue_refund"]
    assert [span.trace_id for span in paid] == [started.trace_id]
    assert paid[0].end_time_unix_nano > paid[0].start_time_unix_nano
    assert all(
        fact.value.string_value == "casekeeper"
        for one in sent
        for fact in one.resource.attributes
        if fact.key == "service.name"
    )
    assert not any(world.customer_id.encode() in body or b"charged" in body for body in bodies)
