"""`edgemoe-gen serve --simulated`: the driver, through PYNQ, on the simulated board, seen by a viewer."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

aiohttp = pytest.importorskip("aiohttp", reason="the live view needs aiohttp")
if find_spec("pynq") is None:
    pytest.skip("PYNQ is not installed: install the extra `pynq`", allow_module_level=True)

from tests.overlay.small_builds import small_build  # noqa: E402
from tests.serving.csim_backend import write_pictures  # noqa: E402
from tests.serving.live_client import opened, viewer  # noqa: E402

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.pynq


def test_serve_shows_what_the_simulated_board_computes(tmp_path: Path) -> None:
    build = small_build()
    overlay = build.package(tmp_path / "overlay").folder
    pictures = write_pictures(tmp_path / "pictures")
    command = ["serve", str(overlay), "--simulated", "--source", str(pictures), "--port", "0", "--task", "depth"]
    process = subprocess.Popen(
        [sys.executable, "-m", "edgemoe_gen", *command],
        cwd=ROOT,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )

    async def look(origin: str) -> None:
        async with viewer(origin) as one:
            header, (picture, _) = await one.frame()
            assert opened(picture).size == (build.spec.image.width, build.spec.image.height)
            assert [task["task"] for task in header["tasks"]] == ["depth"]
            assert header["total_ms"] > header["engine_ms"] > 0
            assert header["watts"] is None
            await one.socket.send_json({"tasks": ["semseg", "depth"]})
            while len(header["tasks"]) < 2:
                header, _ = await one.frame()
            assert one.state["simulated"] is True
            assert "C simulation" in one.state["tier"]
            assert one.state["design"] == f"{build.design.identity:016x}"
            assert one.state["message"] == ""

    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            pytest.fail(process.communicate(timeout=10)[1])
        asyncio.run(look(line.split(" at ")[1].strip().rstrip("/")))
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, err
    assert out.splitlines() == ["stopped"]
    assert "Traceback" not in err
