"""`edgemoe-gen serve --simulated`: the driver, through PYNQ, on the simulated board, seen by a viewer."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgemoe_gen.numerics.placing import ENGINE
from edgemoe_gen.overlay.driver.manifest import read_manifest
from edgemoe_gen.report.colours import class_colour, paint_classes, paint_scale

aiohttp = pytest.importorskip("aiohttp", reason="the live view needs aiohttp")
if find_spec("pynq") is None:
    pytest.skip("PYNQ is not installed: install the extra `pynq`", allow_module_level=True)

from tests.numerics.decoded import TASKS  # noqa: E402
from tests.overlay.map_builds import map_build  # noqa: E402
from tests.overlay.small_builds import random_frame, small_build  # noqa: E402
from tests.serving.csim_backend import write_pictures  # noqa: E402
from tests.serving.live_client import opened, viewer  # noqa: E402

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.pynq


def serve(overlay: Path, pictures: Path, look: Callable[[str], Coroutine[None, None, None]], *said: str) -> None:
    """Runs the command while `look` is at its page, and ends it by an interrupt."""
    command = ["serve", str(overlay), "--simulated", "--source", str(pictures), "--port", "0", *said]
    process = subprocess.Popen(
        [sys.executable, "-m", "edgemoe_gen", *command],
        cwd=ROOT,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
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


def test_serve_shows_what_the_simulated_board_computes(tmp_path: Path) -> None:
    build = small_build()
    overlay = build.package(tmp_path / "overlay").folder

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

    serve(overlay, write_pictures(tmp_path / "pictures"), look, "--task", "depth")


def test_maps_that_the_engine_decodes_have_the_reports_colours(tmp_path: Path) -> None:
    """Class numbers as they leave the chip, and depths between their own extremes, of the very picture shown."""
    maps = map_build()
    overlay, frame = maps.package(tmp_path / "overlay"), random_frame(maps.build.spec, 8)
    assert {task.where for task in read_manifest(overlay).tasks.values()} == {ENGINE}
    (tmp_path / "pictures").mkdir()
    Image.fromarray(frame).save(tmp_path / "pictures/scene.png")
    ids, (depth,) = maps.csim(frame, "semseg").ids, maps.csim(frame, "depth").output
    assert len(np.unique(ids)) > 1

    async def look(origin: str) -> None:
        async with viewer(origin) as one:
            header, (_, scene, distance) = await one.frame()
            classes, values = header["tasks"]
            assert (classes["task"], classes["kind"], classes["classes"]) == ("semseg", "classes", TASKS["semseg"])
            assert classes["present"] == np.unique(ids).tolist()
            assert np.array_equal(np.asarray(opened(scene).convert("RGB")), paint_classes(ids.astype(np.int64)))
            assert (values["task"], values["kind"]) == ("depth", "values")
            low, high = float(depth.min()), float(depth.max())
            assert (values["low"], values["high"]) == (pytest.approx(low), pytest.approx(high)) and low < high
            steps = np.round((depth.astype(np.float64) - low) / (high - low) * 255)
            painted = np.asarray(opened(distance).convert("RGB"))
            assert np.array_equal(painted, paint_scale(steps, 0.0, 255.0))
            while len(one.state["tasks"][0]["classes"]) < TASKS["semseg"]:
                await one.frame()
            legend = [colour for colour, _ in one.state["tasks"][0]["classes"]]
            assert legend == ["#{:02x}{:02x}{:02x}".format(*class_colour(i)) for i in range(TASKS["semseg"])]

    serve(overlay, tmp_path / "pictures", look)
