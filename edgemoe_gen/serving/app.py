"""The web server: a page of four fixed files and one websocket, and nothing else.

Every answer has headers that allow the page only its needs. No route leads to the file system.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from edgemoe_gen.serving.access import Access
from edgemoe_gen.serving.gate import Gate
from edgemoe_gen.serving.hub import Mailbox
from edgemoe_gen.serving.live import LiveView

PAGE = Path(__file__).parent / "page"
FILES = {
    "/": ("index.html", "text/html"),
    "/live.css": ("live.css", "text/css"),
    "/live.js": ("live.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
STREAM = "/stream"
LONGEST_COMMAND = 4096
LONGEST_LINE = 4096  # of a request: our addresses are short, cookies of other servers at this host may not be
LONGEST_HEADER = 8192
HEARTBEAT_SECONDS = 15.0
SENDING_SECONDS = 30.0  # a viewer who has not taken a frame by then is gone
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
    "Server": "edgemoe-gen",
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_app(view: LiveView, access: Access, gate: Gate) -> web.Application:
    """The application.

    Args:
        view: the started live view.
        access: rules of access.
        gate: gate of connections, which is told while they are answered.
    """
    site = _Site(view, access, gate)
    app = web.Application(middlewares=[site.guard], client_max_size=1024)
    for path, (file, kind) in FILES.items():
        app.router.add_get(path, site.file((PAGE / file).read_bytes(), kind))
    app.router.add_get(STREAM, site.stream)
    app.on_response_prepare.append(_harden)
    app.on_startup.append(site.start)
    app.on_shutdown.append(site.shut)
    return app


async def _harden(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)


class _Site:
    def __init__(self, view: LiveView, access: Access, gate: Gate) -> None:
        self._view, self._access, self._gate = view, access, gate
        self._sockets: set[web.WebSocketResponse] = set()

    async def start(self, _: web.Application) -> None:
        self._view.hub.start()

    async def shut(self, _: web.Application) -> None:
        self._view.hub.stop()
        for socket in tuple(self._sockets):
            with contextlib.suppress(asyncio.TimeoutError, ConnectionError, RuntimeError):
                await asyncio.wait_for(socket.close(code=WSCloseCode.GOING_AWAY, message=b"the server ends"), 2)

    def file(self, data: bytes, kind: str) -> Handler:
        async def send(_: web.Request) -> web.StreamResponse:
            return web.Response(body=data, content_type=kind, charset="utf-8")

        return send

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuses who must not look, and puts the token into a cookie."""
        with self._gate.answering(request.transport):
            return await self._guarded(request, handler)

    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        access = self._access
        if not access.knows_host(request.headers.get("Host", "")):
            return _refusal(403, "This server is not known by that name.\n")
        if not access.guarded:
            return await handler(request)
        name = f"edgemoe_{_port(request)}"
        if request.path == "/" and "token" in request.query:
            if not access.accepts_token(request.query["token"]):
                return _refusal(401, "This is not the token. The address with the right one is printed at the start.\n")
            # Not a redirect: behind a link from another site that would come without the new cookie. The page takes
            # the token out of the address bar itself.
            response = await handler(request)
            response.set_cookie(name, access.cookie_value, httponly=True, samesite="Strict", path="/")
            return response
        if not access.accepts_cookie(request.cookies.get(name, "")):
            return _refusal(401, "A token is needed: open the address that edgemoe-gen serve has printed.\n")
        return await handler(request)

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Frames and states to a viewer, commands from it."""
        if not self._access.same_origin(request.headers.get("Origin"), request.headers.get("Host", "")):
            return _refusal(403, "Only the page of this server may open the stream.\n")
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT_SECONDS, max_msg_size=LONGEST_COMMAND, compress=False)
        if not socket.can_prepare(request):
            return _refusal(400, "This address takes websockets only.\n")
        mailbox = self._view.hub.join()
        if mailbox is None:
            return _refusal(503, "There are too many viewers.\n")
        self._sockets.add(socket)
        sender: asyncio.Task[None] | None = None
        try:
            await socket.prepare(request)
            sender = asyncio.create_task(_send(socket, mailbox, request.transport))
            await self._receive(socket, mailbox)
        finally:
            self._view.hub.leave(mailbox)
            self._sockets.discard(socket)
            if sender is not None:
                sender.cancel()
                await asyncio.gather(sender, return_exceptions=True)
        return socket

    async def _receive(self, socket: web.WebSocketResponse, mailbox: Mailbox) -> None:
        async for message in socket:
            try:
                if message.type is not WSMsgType.TEXT:
                    raise ValueError("commands are text")
                self._command(json.loads(message.data), mailbox)
            except (ValueError, RecursionError) as error:
                reason = str(error).encode()[:100]
                await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=reason)
                return

    def _command(self, command: Any, mailbox: Mailbox) -> None:
        match command:
            case {"drawn": int()}:
                mailbox.drawn()
            case {"source": int(number)} if not isinstance(number, bool):
                self._view.choose_source(number)
            case {"tasks": list(tasks)} if all(isinstance(task, str) for task in tasks):
                self._view.choose_tasks(tasks)
            case _:
                raise ValueError("there is no such command")


async def _send(socket: web.WebSocketResponse, mailbox: Mailbox, transport: asyncio.Transport | None) -> None:
    try:
        while not socket.closed:
            item = await mailbox.take()
            sending = socket.send_str(item) if isinstance(item, str) else socket.send_bytes(item)
            await asyncio.wait_for(sending, SENDING_SECONDS)
    except (asyncio.TimeoutError, ConnectionError, RuntimeError):
        # Gone without a word, or stuck: closing properly would wait for what it does not take.
        if transport is not None:
            transport.abort()


def _refusal(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=text)


def _port(request: web.Request) -> int:
    # Cookies do not know ports; two servers on one host must not take each other's.
    name = None if request.transport is None else request.transport.get_extra_info("sockname")
    return int(name[1]) if name else 0
