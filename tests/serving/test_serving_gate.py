"""Connections that hold on to the server: requests that never end lock nobody out, and failed accepts stop nothing."""

from __future__ import annotations

import asyncio
import errno
import resource
import socket
import time
from asyncio.selector_events import BaseSelectorEventLoop
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("aiohttp")

from edgemoe_gen.serving import gate, make_sources
from tests.serving.csim_backend import SIZE, Server, csim_backend, write_pictures
from tests.serving.live_client import viewer

HALF = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server of few places, where a request's head has little time."""
    monkeypatch.setattr(gate, "HEAD_SECONDS", 1.0)
    monkeypatch.setattr(gate, "PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(gate, "MOST_CONNECTIONS", 8)
    with Server(csim_backend(), make_sources([str(write_pictures(tmp_path))], SIZE)) as found:
        yield found


def connect(server: Server, source: str = "127.0.0.1") -> socket.socket:
    port = int(server.origin.rpartition(":")[2])
    return socket.create_connection(("127.0.0.1", port), 5, source_address=(source, 0))


def status(connection: socket.socket, rest: bytes = b"") -> bytes:
    """What the server answers to a request that ends here."""
    connection.sendall(rest + b"\r\nConnection: close\r\n\r\n")
    return connection.recv(100).split(b"\r\n")[0]


def ended(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def test_requests_that_never_end_lock_nobody_out_and_are_ended(server: Server) -> None:
    with ExitStack() as held:
        half = [held.enter_context(connect(server)) for _ in range(40)]
        for connection in half:
            with suppress(OSError):
                connection.sendall(HALF)
        last = held.enter_context(connect(server))
        assert status(last, HALF) == b"HTTP/1.1 200 OK"
        until = time.monotonic() + 10
        for connection in half:
            connection.settimeout(max(0.1, until - time.monotonic()))
            assert ended(connection)


def test_who_opens_many_connections_shuts_out_himself_and_not_another_address(server: Server) -> None:
    with ExitStack() as held:
        other = held.enter_context(connect(server, "127.0.0.2"))
        other.sendall(HALF)
        for _ in range(30):
            held.enter_context(connect(server))
        assert status(other) == b"HTTP/1.1 200 OK"


def test_a_viewer_is_no_idle_connection(server: Server) -> None:
    async def look() -> None:
        async with viewer(server.origin) as shown:
            await shown.frame()
            await asyncio.sleep(2 * gate.HEAD_SECONDS)
            with ExitStack() as held:
                for _ in range(20):
                    held.enter_context(connect(server))
                for _ in range(3):
                    await shown.frame()

    asyncio.run(look())


def test_failed_accepts_are_told_once_and_the_server_goes_on(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    accept = BaseSelectorEventLoop.sock_accept
    failed: list[Any] = []

    async def fails_at_first(loop: Any, listener: socket.socket) -> Any:
        if len(failed) < 5:
            failed.append(listener)
            raise OSError(errno.EMFILE, "Too many open files")
        return await accept(loop, listener)

    monkeypatch.setattr(BaseSelectorEventLoop, "sock_accept", fails_at_first)
    for _ in range(2):
        with connect(server) as connection:
            assert status(connection, HALF) == b"HTTP/1.1 200 OK"
    assert len(failed) == 5
    assert [text for text in server.messages if "Too many open files" in text] == [
        "a connection could not be let in: Too many open files; the server goes on"
    ]


def test_connections_leave_descriptors_to_the_rest_of_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    for limit, most in ((10_000, gate.MOST_CONNECTIONS), (gate.SPARE_FILES + 100, 100), (10, 1)):
        monkeypatch.setattr(resource, "getrlimit", lambda _, limit=limit: (limit, limit))
        assert 1 <= gate.most_connections() <= most
