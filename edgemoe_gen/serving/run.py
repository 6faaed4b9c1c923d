"""Starts the live view with its web server, and ends both on request."""

from __future__ import annotations

import asyncio
import errno
import importlib
import ipaddress
import signal
import socket
from collections.abc import Callable, Sequence

from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.base.extras import installing
from edgemoe_gen.serving.access import LOOPBACK, Access, token_for
from edgemoe_gen.serving.backend import Opener
from edgemoe_gen.serving.live import LiveView
from edgemoe_gen.serving.sources import Source

DEFAULT_PORT = 8080
WAITING = 64  # connections
_NOWHERE = ("192.0.2.1", 9)  # RFC 5737: an address for examples


def serve(
    opener: Opener,
    sources: Sequence[Source],
    *,
    host: str = LOOPBACK,
    port: int = DEFAULT_PORT,
    token: str | None = None,
    tasks: Sequence[str] = (),
    ready: Callable[[str, LiveView], None] = lambda _, __: None,
    say: Callable[[str], None] = lambda _: None,
    stop: asyncio.Event | None = None,
) -> None:
    """Serves the live view until SIGINT or SIGTERM.

    Args:
        opener: opener of the accelerator.
        sources: the first is shown at the start.
        host: address to bind to; where it is not loopback, viewers need a token.
        port: 0 = any free one.
        token: token that viewers must know; None = a new one where one is needed.
        tasks: tasks that are on at the start; empty = all.
        ready: called with the page's address, token included, and the view when all is up.
        say: called with sentences about errors, from any thread.
        stop: ends the server from its own event loop, besides the signals.

    Raises:
        ConfigError: aiohttp is missing, or the address can't be bound to; nothing else has been opened then.
        EdgeMoEError: the accelerator can't be opened, or not be closed.
    """
    check_aiohttp()
    secret = token_for(host, token)
    with bind(host, port) as listener:
        view = LiveView(opener, sources, tasks, say)
        view.start()
        try:
            address = page_address(host, listener.getsockname()[1], secret)
            asyncio.run(_serve(view, Access(host, secret), listener, lambda: ready(address, view), say, stop))
        finally:
            view.stop()
        if view.error is not None:
            raise view.error


def check_aiohttp() -> None:
    """Refuses to continue without aiohttp.

    Raises:
        ConfigError: says how to get it.
    """
    try:
        importlib.import_module("aiohttp")
    except ImportError as error:
        raise ConfigError("the live view needs aiohttp, which is not installed", installing("serve")) from error


def bind(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        ConfigError: the port is taken, or the address is not this machine's.
    """
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"'{host}' is no address of this machine: {error}", "give another --host") from error
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
        listener.listen(WAITING)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise ConfigError(
                f"port {port} of {host} is in use", "choose another with --port, or 0 for any free one"
            ) from error
        hint = "ports below 1024 are the system's" if error.errno == errno.EACCES else "give another --host"
        raise ConfigError(f"can't listen on port {port} of {host}: {error.strerror}", hint) from error
    return listener


def page_address(host: str, port: int, token: str | None) -> str:
    """The address of the page, token included."""
    name = host
    try:
        parsed = ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        if parsed.is_unspecified:
            name = _own_address()
        elif parsed.version == 6:
            name = f"[{host}]"
    return f"http://{name}:{port}/" + (f"?token={token}" if token else "")


def _own_address() -> str:
    """The address that this machine has in its network; its name if there is no network. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_NOWHERE)
            return str(probe.getsockname()[0])
        except OSError:
            return socket.gethostname()


async def _serve(
    view: LiveView,
    access: Access,
    listener: socket.socket,
    ready: Callable[[], None],
    say: Callable[[str], None],
    stop: asyncio.Event | None,
) -> None:
    from aiohttp import web

    from edgemoe_gen.serving.app import LONGEST_HEADER, LONGEST_LINE, make_app
    from edgemoe_gen.serving.gate import Gate

    stop = stop or asyncio.Event()
    loop = asyncio.get_running_loop()
    gate = Gate(say)
    runner = web.AppRunner(
        make_app(view, access, gate),
        access_log=None,  # it would hold the token
        handle_signals=False,
        max_line_size=LONGEST_LINE,
        max_field_size=LONGEST_HEADER,
        shutdown_timeout=2.0,
    )
    await runner.setup()
    server = runner.server
    assert server is not None  # it is set up
    entering = loop.create_task(gate.run(listener, server))
    try:
        _on_signals(loop, stop.set)
        ready()
        await stop.wait()
    finally:
        _forget_signals(loop)
        entering.cancel()
        await asyncio.gather(entering, return_exceptions=True)
        await runner.cleanup()


def _on_signals(loop: asyncio.AbstractEventLoop, end: Callable[[], None]) -> None:
    def once() -> None:
        _forget_signals(loop)  # a second Ctrl-C does not wait
        end()

    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, once)
        except (NotImplementedError, ValueError, RuntimeError):  # not the main thread, or not Unix
            return


def _forget_signals(loop: asyncio.AbstractEventLoop) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.remove_signal_handler(number)
        except (NotImplementedError, ValueError, RuntimeError):
            return
