"""A viewer without a browser: aiohttp's client with the page's protocol."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from PIL import Image


class Viewer:
    """One connection. `state` is the last that came."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.state: dict[str, Any] = {}

    async def frame(self, draw: bool = True) -> tuple[dict[str, Any], list[bytes]]:
        """The next frame: its header, and the source's and the tasks' pictures."""
        while True:
            message = await asyncio.wait_for(self.socket.receive(), 20)
            if message.type is aiohttp.WSMsgType.TEXT:
                self.state = json.loads(message.data)
                continue
            assert message.type is aiohttp.WSMsgType.BINARY, message
            if draw:
                await self.socket.send_json({"drawn": 0})
            return unpack(message.data)

    async def frame_where(self, **wanted: Any) -> dict[str, Any]:
        """The next frame whose header has these values."""
        for _ in range(500):
            header, _ = await self.frame()
            if all(header[key] == value for key, value in wanted.items()):
                return header
        raise AssertionError(f"no frame with {wanted}")

    async def state_where(self, source: int, state: str) -> dict[str, Any]:
        """The next state in which a source is so."""
        while not self.state or self.state["sources"][source]["state"] != state:
            message = await asyncio.wait_for(self.socket.receive(), 20)
            if message.type is aiohttp.WSMsgType.TEXT:
                self.state = json.loads(message.data)
            else:
                assert message.type is aiohttp.WSMsgType.BINARY, message
                await self.socket.send_json({"drawn": 0})
        return self.state


def unpack(data: bytes) -> tuple[dict[str, Any], list[bytes]]:
    """Header and pictures of a frame."""
    length = int.from_bytes(data[:4], "little")
    header = json.loads(data[4 : 4 + length])
    place, parts = 4 + length, []
    for size in header["parts"]:
        parts.append(data[place : place + size])
        place += size
    assert place == len(data)
    return header, parts


def opened(data: bytes) -> Image.Image:
    """A picture of a frame."""
    return Image.open(io.BytesIO(data))


@asynccontextmanager
async def viewer(origin: str, headers: Mapping[str, str] | None = None) -> AsyncIterator[Viewer]:
    """A viewer of the server at `origin`."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{origin}/stream", headers={"Origin": origin, **(headers or {})}) as socket,
    ):
        yield Viewer(socket)
