"""Asks a worker what probes and Prometheus ask it."""

import asyncio
import json
from typing import Any


async def ask(address: str, request: str | bytes) -> tuple[int, Any]:
    """Send a path, or whole bytes; the status and the body."""
    host, _, port = address.rpartition(":")
    raw = request if isinstance(request, bytes) else f"GET {request} HTTP/1.1\r\n\r\n".encode()
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(raw)
        async with asyncio.timeout(20):
            answer = await reader.read()
    finally:
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    if b"application/json" not in head:
        return int(head.split()[1]), body.decode()
    return int(head.split()[1]), json.loads(body)
