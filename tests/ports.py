"""Addresses of this machine that nothing listens at."""

import socket


def free_address() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return f"127.0.0.1:{port}"
