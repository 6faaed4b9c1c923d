"""A real server, real viewers, a real engine: frames, choices, slow viewers, those who leave, sources that die."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Generator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("aiohttp", reason="the live view needs aiohttp")
import aiohttp

from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.report.colours import class_colour
from edgemoe_gen.serving import SourceError, make_sources, serve
from edgemoe_gen.serving.hub import FRAMES_ON_THE_WAY
from edgemoe_gen.serving.sources import Shot
from tests.serving.csim_backend import NAMES, SIZE, Server, csim_backend, write_pictures
from tests.serving.live_client import opened, unpack, viewer


class Camera:
    """A live source of noise that has a frame every few milliseconds; `alive` says how many."""

    live, interval = True, 0.005

    def __init__(self, alive: int = 10**9) -> None:
        self.name, self.alive = "camera:0", alive

    def frames(self) -> Generator[Shot, None, None]:
        random = np.random.default_rng(0)
        for _ in range(self.alive):
            yield Shot(random.integers(0, 256, (*SIZE, 3), np.uint8), time.perf_counter())
        raise SourceError("camera:0 gives no pictures any more", "is it still plugged in?")


async def next_frame(connection: aiohttp.ClientWebSocketResponse) -> int:
    """Number of the next frame of a viewer who says nothing."""
    while True:
        message = await asyncio.wait_for(connection.receive(), 10)
        if message.type is aiohttp.WSMsgType.BINARY:
            return int(unpack(message.data)[0]["frame"])


def test_a_frame_holds_what_the_engine_made_of_the_picture(tmp_path: Path) -> None:
    sources = make_sources([str(write_pictures(tmp_path / "a", count=1))], SIZE, 30)
    backend = csim_backend()

    async def look(server: Server) -> None:
        async with viewer(server.origin) as one:
            header, (picture, semseg, depth) = await one.frame()
        assert opened(picture).format == "JPEG"
        assert opened(picture).size == opened(semseg).size == opened(depth).size == (64, 32)
        assert [task["task"] for task in header["tasks"]] == ["semseg", "depth"]
        assert header["total_ms"] > header["engine_ms"] > 0
        assert header["engine_ms"] == pytest.approx(sum(task["engine_ms"] for task in header["tasks"]), abs=2e-3)
        shown = np.asarray(opened(semseg).convert("RGB"))
        values = np.asarray(opened(depth).convert("RGB"))
        first = next(sources[0].frames()).frame
        with csim_backend().opener() as (other, _):  # the engine is one, so its lock keeps the two apart
            classes = other.run(first, "semseg").output.argmax(axis=0)
            distances = other.run(first, "depth").output[0]
        assert (shown == np.array([class_colour(i) for i in range(5)], np.uint8)[classes]).all()
        assert header["tasks"][0]["present"] == np.unique(classes).tolist()
        assert header["tasks"][1]["low"] == pytest.approx(float(distances.min()))
        assert values[np.unravel_index(distances.argmax(), SIZE)].tolist() == [0xFD, 0xE7, 0x25]
        assert [name for _, name in one.state["tasks"][0]["classes"]] == list(NAMES)
        assert one.state["design"] == backend.facts.design
        assert one.state["simulated"] is True
        assert header["watts"] is None

    with Server(backend, sources) as server:
        asyncio.run(look(server))
    assert backend.threads == {"accelerator"}


def test_viewers_choose_source_and_tasks_for_all(tmp_path: Path) -> None:
    sources = make_sources([str(write_pictures(tmp_path / name)) for name in ("a", "b")], SIZE, 60)
    backend = csim_backend()

    async def look(server: Server) -> None:
        async with viewer(server.origin) as one, viewer(server.origin) as other:
            await one.frame_where(source=0)
            await one.socket.send_json({"source": 1})
            await other.frame_where(source=1)
            state = await other.state_where(1, "running")
            assert state["chosen"] == 1
            await other.socket.send_json({"tasks": ["depth"]})
            for _ in range(100):
                header, parts = await one.frame()
                if [task["task"] for task in header["tasks"]] == ["depth"]:
                    break
            assert [task["task"] for task in header["tasks"]] == ["depth"]
            assert len(parts) == 2
            assert [task["on"] for task in one.state["tasks"]] == [False, True]

    with Server(backend, sources, tasks=["semseg"]) as server:
        asyncio.run(look(server))
    assert backend.open is False


def test_twenty_slow_viewers_do_not_slow_the_stream() -> None:
    backend = csim_backend()
    backend.delay = 0.01  # as an engine that does not take this processor's time

    async def rate(server: Server) -> float:
        before, start = server.view.frames, time.monotonic()
        await asyncio.sleep(1)
        return (server.view.frames - before) / (time.monotonic() - start)

    async def look(server: Server) -> None:
        async with viewer(server.origin) as first:
            await first.frame()
        # Other work on this machine slows either rate down, so each is the best of a few.
        alone = max([await rate(server) for _ in range(2)])
        async with aiohttp.ClientSession() as session:
            # They take what comes, but never say that they have drawn it; half of them do not even read.
            headers = {"Origin": server.origin}
            slow = [await session.ws_connect(f"{server.origin}/stream", headers=headers) for _ in range(20)]
            mailboxes = set(server.view.hub._mailboxes)
            assert len(mailboxes) == 20
            crowded = max([await rate(server) for _ in range(2)])
            async with viewer(server.origin) as fast:
                numbers = [(await fast.frame())[0]["frame"] for _ in range(20)]
            newest = server.view.frames
            assert all(mailbox.skipped > 10 for mailbox in mailboxes)
            for connection in slow[:10]:
                old = [await next_frame(connection) for _ in range(FRAMES_ON_THE_WAY)]
                assert max(old) < newest - 10, "no more than these were sent"
                await connection.send_json({"drawn": old[0]})
            later = [await next_frame(connection) for connection in slow[:10]]
            for connection in slow:
                wire = connection._response.connection
                assert wire is not None and wire.transport is not None
                wire.transport.abort()
        assert numbers == sorted(numbers)
        assert numbers[-1] - numbers[0] < 60, "the fast one keeps up"
        assert min(later) >= newest - 2, "what a slow one gets after its rest is new"
        assert crowded > 0.6 * alone, f"{crowded:.1f} frames a second with 20 slow viewers, {alone:.1f} without"
        end = time.monotonic() + 10
        while server.view.hub.viewers:
            assert time.monotonic() < end, "those who left are forgotten"
            await asyncio.sleep(0.02)

    with Server(backend, [Camera()]) as server:
        asyncio.run(look(server))


def test_a_viewer_who_leaves_in_the_middle_of_a_frame_disturbs_nobody() -> None:
    async def look(server: Server) -> None:
        async with viewer(server.origin) as stays:
            await stays.frame()
            for _ in range(10):
                reader, writer = await asyncio.open_connection("127.0.0.1", int(server.origin.rpartition(":")[2]))
                host = server.origin.removeprefix("http://")
                writer.write(
                    f"GET /stream HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nUpgrade: websocket\r\n"
                    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
                )
                await reader.read(300)  # the answer, and a piece of what follows
                writer.transport.abort()
                await stays.frame()
            end = time.monotonic() + 10
            while server.view.hub.viewers > 1:
                assert time.monotonic() < end
                await stays.frame()
        assert server.messages == []

    with Server(csim_backend(), [Camera()]) as server:
        asyncio.run(look(server))


def test_a_source_that_dies_is_named_and_the_others_stay_usable(tmp_path: Path) -> None:
    sources = [Camera(alive=3), *make_sources([str(write_pictures(tmp_path / "yard"))], SIZE, 60)]

    async def look(server: Server) -> None:
        async with viewer(server.origin) as one:
            state = await one.state_where(0, "failed")
            assert state["sources"][0]["message"].startswith("camera:0 gives no pictures any more")
            await one.socket.send_json({"source": 1})
            await one.frame_where(source=1)
            await one.state_where(1, "running")
        assert server.messages == ["camera:0 gives no pictures any more: is it still plugged in?"]

    with Server(csim_backend(), sources) as server:
        asyncio.run(look(server))


def test_a_frame_that_fails_is_said_and_the_next_one_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgemoe_gen.serving.live.AFTER_FAILURE", 0.05)
    backend = csim_backend()

    async def look(server: Server) -> None:
        async with viewer(server.origin) as one:
            await one.frame()
            backend.fail = ConfigError("the engine does not end", "check the clock")
            while not one.state or not one.state["message"]:
                message = await asyncio.wait_for(one.socket.receive(), 10)
                if message.type is aiohttp.WSMsgType.TEXT:
                    one.state = message.json()
                else:
                    await one.socket.send_json({"drawn": 0})
            assert one.state["message"] == "the engine does not end: check the clock"
            failed_at = server.view.frames
            backend.fail = None
            header, _ = await one.frame()
            while header["frame"] <= failed_at:
                header, _ = await one.frame()
            assert one.state["message"] == ""
        assert server.messages == ["the engine does not end: check the clock"]

    with Server(backend, [Camera()]) as server:
        asyncio.run(look(server))


def test_an_accelerator_that_does_not_open_ends_the_start_with_its_error() -> None:
    class Broken:
        def __enter__(self) -> None:
            raise ConfigError("the chip holds another design")

        def __exit__(self, *_: object) -> None:
            raise AssertionError("it has never been open")

    with pytest.raises(ConfigError, match="another design"):
        serve(Broken, [Camera()], port=0)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="has no task 'surface'"):
        serve(csim_backend().opener, [Camera()], port=0, tasks=["surface"])


def test_a_port_that_is_in_use_is_an_error_before_anything_is_opened() -> None:
    backend = csim_backend()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} of 127.0.0.1 is in use") as caught:
            serve(backend.opener, [Camera()], port=port)
    assert "--port" in caught.value.hint
    assert not backend.threads
    with pytest.raises(ConfigError, match=r"198\.51\.100\.1"):
        serve(backend.opener, [Camera()], port=0, host="198.51.100.1")
