"""The page in headless Chromium: frames appear, clicks switch source and tasks, and it comes back by itself."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Generator
from pathlib import Path

import numpy as np
import pytest

aiohttp = pytest.importorskip("aiohttp", reason="the live view needs aiohttp")

from edgemoe_gen.serving import SourceError, make_sources  # noqa: E402
from edgemoe_gen.serving.sources import Shot  # noqa: E402
from tests.serving.csim_backend import NAMES, SIZE, Server, csim_backend, write_pictures  # noqa: E402
from tests.serving.headless_chromium import browser, find_chromium  # noqa: E402

pytestmark = pytest.mark.skipif(find_chromium() is None, reason="there is no Chromium on this machine")
DRAWN = "Number(document.body?.dataset.frame) >= 0"
PIXELS = "[...document.querySelector('{} canvas').getContext('2d').getImageData(0, 0, 64, 32).data].join()"


def shots(folder: Path) -> Path:
    """Where screenshots go: the test's folder, or one that the developer wants to look at."""
    chosen = Path(os.environ.get("EDGEMOE_SCREENSHOTS", folder))
    chosen.mkdir(parents=True, exist_ok=True)
    return chosen


def test_frames_appear_and_clicks_switch_source_and_task(tmp_path: Path) -> None:
    write_pictures(tmp_path / "streets")
    write_pictures(tmp_path / "yard", count=1)
    sources = make_sources([str(tmp_path / "streets"), str(tmp_path / "yard")], SIZE, 20)

    async def look(server: Server) -> None:
        async with browser(tmp_path) as page:
            await page.call("Page.navigate", url=server.address)
            await page.until(DRAWN)
            assert await page.value("document.querySelectorAll('figure').length") == 3
            assert await page.value("location.search") == ""
            legend = await page.value("document.querySelector('figure[data-task=semseg] .legend').innerText")
            assert legend.split() == list(NAMES)
            assert "C simulation" in await page.value("document.getElementById('tier').textContent")
            await page.until("document.getElementById('status').textContent === 'live: streets'")
            for figure in ("#input", "[data-task=semseg]", "[data-task=depth]"):
                colours = await page.value(PIXELS.format(figure))
                assert len(set(colours.split(","))) > 3, f"{figure} is blank"
            await page.screenshot(shots(tmp_path) / "light.png")

            await page.click("#sources button:nth-child(2)")
            await page.until("document.body.dataset.source === '1'")
            await page.until("document.getElementById('status').textContent === 'live: yard'")
            pressed = (
                "[...document.querySelectorAll('#sources button')].map(b => b.getAttribute('aria-pressed')).join()"
            )
            assert await page.value(pressed) == "false,true"
            assert server.view.feed.chosen == 1

            await page.click("#tasks button:nth-child(1)")
            await page.until("!document.querySelector('figure[data-task=semseg]')")
            before = len(server.backend.frames)
            await page.until(f"Number(document.body.dataset.frame) > {server.view.frames + 2}")
            assert set(server.backend.frames[before + 2 :]) == {"depth"}
            await page.click("#tasks button:nth-child(2)")  # the last one stays on
            await page.until("document.getElementById('status').textContent.startsWith('one task stays on')")
            assert await page.value("document.querySelectorAll('figure[data-task]').length") == 1
            await page.click("#tasks button:nth-child(1)")
            order = "[...document.querySelectorAll('figure[data-task]')].map(f => f.dataset.task).join()"
            await page.until(f"{order} === 'semseg,depth'")

            dark = [{"name": "prefers-color-scheme", "value": "dark"}]
            await page.call("Emulation.setEmulatedMedia", features=dark)
            await page.screenshot(shots(tmp_path) / "dark.png")
            await page.call("Emulation.setEmulatedMedia", features=[])
            narrow = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
            await page.call("Emulation.setDeviceMetricsOverride", **narrow)
            assert await page.value("document.documentElement.scrollWidth") <= 360, "wider than a telephone"
            await page.screenshot(shots(tmp_path) / "narrow.png")
            assert page.complaints == []

    with Server(csim_backend(), sources) as server:
        asyncio.run(look(server))


class DyingCamera:
    """A camera that is pulled out after a frame."""

    name, live, interval = "camera:0", True, 0.0

    def frames(self) -> Generator[Shot, None, None]:
        yield Shot(np.full((*SIZE, 3), 80, np.uint8), time.perf_counter())
        raise SourceError("camera:0 gives no pictures any more", "is it still plugged in?")


def test_a_source_that_dies_is_told_and_the_next_one_is_a_click_away(tmp_path: Path) -> None:
    sources = [DyingCamera(), *make_sources([str(write_pictures(tmp_path / "yard"))], SIZE, 20)]

    async def look(server: Server) -> None:
        async with browser(tmp_path) as page:
            await page.call("Page.navigate", url=server.address)
            await page.until("document.getElementById('status')?.textContent.startsWith('camera:0 gives no pictures')")
            assert await page.value("document.getElementById('status').getAttribute('aria-live')") == "polite"
            assert await page.value("document.querySelector('#sources button').classList.contains('failed')")
            await page.until(DRAWN)
            await page.screenshot(shots(tmp_path) / "failed.png")
            await page.click("#sources button:nth-child(2)")
            await page.until("document.body.dataset.source === '1'")
            await page.until("document.getElementById('status').textContent === 'live: yard'")
            assert page.complaints == []

    with Server(csim_backend(), sources) as server:
        asyncio.run(look(server))


def test_buttons_work_by_keyboard_and_keep_the_focus(tmp_path: Path) -> None:
    sources = make_sources([str(write_pictures(tmp_path / "a")), str(write_pictures(tmp_path / "b"))], SIZE, 20)

    async def look(server: Server) -> None:
        async with browser(tmp_path) as page:
            await page.call("Page.navigate", url=server.address)
            await page.until(DRAWN)
            for key in ("Tab", "Tab", "Enter"):
                text = {"Enter": "\r"}.get(key, "")
                await page.call("Input.dispatchKeyEvent", type="keyDown", key=key, code=key, text=text,
                                windowsVirtualKeyCode={"Tab": 9, "Enter": 13}[key])  # fmt: skip
                await page.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=key)
            await page.until("document.body.dataset.source === '1'")
            assert await page.value("document.activeElement.textContent") == "b"

    with Server(csim_backend(), sources) as server:
        asyncio.run(look(server))


def test_the_page_comes_back_when_the_server_restarts(tmp_path: Path) -> None:
    sources = make_sources([str(write_pictures(tmp_path / "streets"))], SIZE, 20)
    token = "a-token-of-the-test"

    async def look(first: Server) -> None:
        async with browser(tmp_path) as page:
            await page.call("Page.navigate", url=first.address)
            await page.until(DRAWN)
            await page.until("document.cookie === '' && location.search === ''")  # HttpOnly, and out of the address
            port = int(first.origin.rpartition(":")[2])
            await asyncio.to_thread(first.__exit__)
            await page.until("document.getElementById('status').textContent.includes('trying again')")
            assert await page.value("document.querySelector('#sources button').disabled")
            await page.screenshot(shots(tmp_path) / "lost.png")
            await page.value("delete document.body.dataset.frame")
            with Server(csim_backend(), sources, port=port, token=token):
                await page.until(DRAWN)
                await page.until("document.getElementById('status').textContent === 'live: streets'")
            await page.until("document.getElementById('status').textContent.includes('trying again')")
            with Server(csim_backend(), sources, port=port, token="another-token-now"):
                await page.until("document.getElementById('status').textContent.includes('new token')")

    with Server(csim_backend(), sources, token=token) as server:
        asyncio.run(look(server))
