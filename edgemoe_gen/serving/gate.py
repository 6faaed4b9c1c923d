"""Accepts connections: a bounded number, each with a time limit for a request's head; errors of accepting stop nothing.

A connection is idle while none of its requests is being answered. When all places are taken, the oldest idle connection
of the address with the most connections is closed. So a client that opens many shuts out itself first.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from edgemoe_gen.serving.hub import MOST_VIEWERS

HEAD_SECONDS = 10.0  # for the head of a request, from the connection or the answer before on
MOST_CONNECTIONS = 4 * MOST_VIEWERS  # a page takes more than one for a moment
SPARE_FILES = 64  # descriptors that are left to the rest of the program
PATIENCE_SECONDS = 2.0  # the same where descriptors are short, though there is a place
PAUSE_SECONDS = 0.5  # after an accept that failed


@dataclass(eq=False)
class _Connection:
    transport: asyncio.Transport
    address: str
    since: float  # when it became idle
    answering: int = 0


class Gate:
    """Connections of a server.

    Args:
        say: takes a sentence about trouble.
        most: connections at once; None: as many as this process has descriptors for, `MOST_CONNECTIONS` at most.
    """

    def __init__(self, say: Callable[[str], None], most: int | None = None) -> None:
        self._say = say
        self._most = most_connections() if most is None else most
        self._connections: dict[asyncio.BaseTransport, _Connection] = {}
        self._complained = False

    @property
    def count(self) -> int:
        """Connections that are there."""
        return len(self._connections)

    async def run(self, listener: socket.socket, factory: Callable[[], asyncio.Protocol]) -> None:
        """Lets connections in until it is cancelled.

        Args:
            listener: listening; stays open.
            factory: of the protocol that answers on a connection.
        """
        loop = asyncio.get_running_loop()
        listener.setblocking(False)
        sweeping = loop.create_task(self._sweep())
        try:
            while True:
                try:
                    accepted, where = await loop.sock_accept(listener)
                    await self._let_in(accepted, str(where[0]), factory)
                except ConnectionError:
                    continue  # it has gone again
                except OSError as error:  # no descriptor or memory is left for it
                    self._complain(error)
                    self._make_room(PATIENCE_SECONDS)
                    await asyncio.sleep(PAUSE_SECONDS)
        finally:
            sweeping.cancel()

    @contextlib.contextmanager
    def answering(self, transport: asyncio.BaseTransport | None) -> Iterator[None]:
        """While a request of a connection is answered: it is not idle."""
        connection = None if transport is None else self._connections.get(transport)
        if connection is None:
            yield
            return
        connection.answering += 1
        try:
            yield
        finally:
            connection.answering -= 1
            connection.since = asyncio.get_running_loop().time()

    async def _let_in(self, accepted: socket.socket, address: str, factory: Callable[[], asyncio.Protocol]) -> None:
        self._forget_closed()
        if len(self._connections) >= self._most and not self._make_room():
            accepted.close()
            return
        loop = asyncio.get_running_loop()
        try:
            accepted.setblocking(False)
            transport, _ = await loop.connect_accepted_socket(factory, accepted)
        except OSError:
            accepted.close()
            raise
        self._connections[transport] = _Connection(transport, address, loop.time())

    def _make_room(self, least: float = 0.0) -> bool:
        """Ends the oldest connection that is idle for `least` seconds, of the address with most; whether one was."""
        since = asyncio.get_running_loop().time() - least
        idle = [c for c in self._connections.values() if not c.answering and c.since <= since]
        if not idle:
            return False
        counts = Counter(connection.address for connection in idle)
        self._end(min(idle, key=lambda connection: (-counts[connection.address], connection.since)))
        return True

    async def _sweep(self) -> None:
        """Ends connections whose request does not come."""
        while True:
            await asyncio.sleep(HEAD_SECONDS / 10)
            self._forget_closed()
            late = asyncio.get_running_loop().time() - HEAD_SECONDS
            for connection in list(self._connections.values()):
                if not connection.answering and connection.since < late:
                    self._end(connection)

    def _forget_closed(self) -> None:
        for transport in [transport for transport in self._connections if transport.is_closing()]:
            del self._connections[transport]

    def _end(self, connection: _Connection) -> None:
        transport = connection.transport
        if transport.get_write_buffer_size():
            transport.abort()  # closing in order would wait for a peer that may never take what is left
        else:
            transport.close()
        self._connections.pop(transport, None)

    def _complain(self, error: OSError) -> None:
        """Once: whoever fills the descriptors must not fill the terminal too."""
        if not self._complained:
            self._complained = True
            self._say(f"a connection could not be let in: {error.strerror or error}; the server goes on")


def most_connections() -> int:
    """Connections that this process has descriptors for, besides those that it has open and some to spare."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    try:
        used = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    except OSError:
        used = 0
    return max(1, min(MOST_CONNECTIONS, limit - used - SPARE_FILES))
