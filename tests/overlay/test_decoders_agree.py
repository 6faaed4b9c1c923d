"""Trained networks with decoders on the engine: `run --backend csim`, the simulated board and the integer reference
give the same bytes, through an overlay that `build` made with stand-ins of the vendor's tools.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from edgemoe_gen import api
from edgemoe_gen.cli import main
from edgemoe_gen.measuring.session import look_up, opened
from edgemoe_gen.numerics.placing import ENGINE, LOGITS
from edgemoe_gen.overlay.driver import Accelerator
from edgemoe_gen.overlay.driver.manifest import Manifest, read_manifest
from edgemoe_gen.overlay.driver.maps import CLASSES, MapFinisher
from edgemoe_gen.project.arguments import project_arguments
from edgemoe_gen.project.early import open_checked
from edgemoe_gen.project.opening import open_calibration, open_design, open_model, open_numerics, open_pictures
from edgemoe_gen.sim.decoded import IntegerDecoder
from tests.cli.flow_runs import install
from tests.overlay.test_simulated_command import SCRIPT

if find_spec("pynq") is None:
    pytest.skip("PYNQ is not installed: install the extra `pynq`", allow_module_level=True)
pytest.importorskip("torch")
pytestmark = [
    pytest.mark.pynq,
    pytest.mark.nightly,
    pytest.mark.filterwarnings("ignore:Setting frequency"),
    pytest.mark.filterwarnings("ignore:pkg_resources"),
]
ROOT = Path(__file__).parents[2]
SCENES = ROOT / "examples/scenes"
SHARED = ROOT / "../shared"
TASKS = ("semseg", "depth")
NAME = "m3vit_zcu104"
FRAMES = 2_000
MAPS = "max_map_width=128"  # of both networks


@dataclass(frozen=True)
class Built:
    """A project with its build, complete up to the overlay."""

    config: Path
    picture: Path

    @property
    def output(self) -> Path:
        return self.config.parent / "build"

    @property
    def manifest(self) -> Manifest:
        return read_manifest(self.output / "overlay" / NAME)


def built(folder: Path, checkpoint: Path, said: list[str], images: Path, picture: Path) -> Built:
    """Inits and builds, in a process that finds the stand-ins."""
    config = folder / "edgemoe.toml"
    words = [str(checkpoint), *said, "--image", str(images), "--board", "zcu104", "--knob", MAPS]
    assert main(["init", *words, "--output", str(folder / "build"), "--file", str(config)]) == 0
    tools = install(folder / "tools", "unified")
    environment = os.environ | {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
    command = [sys.executable, "-m", "edgemoe_gen", "build", "--config", str(config), "--name", NAME]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return Built(config, picture)


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Patches of 8 pixels, so that the engine ends before the last doubling."""
    folder = tmp_path_factory.mktemp("example")
    said = ["--spec", str(SCENES / "spec.toml")]
    images = SCENES / "images"
    return built(folder, SCENES / "checkpoint.pth.tar", said, images / "scene_0.png", images / "scene_1.png")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """M3ViT-tiny, patches of 16 pixels: classes and values leave the engine."""
    maker = SHARED / "tools/make_checkpoint.py"
    if not maker.is_file():
        pytest.skip("the trained tensors are not beside the project")
    folder = tmp_path_factory.mktemp("trained")
    subprocess.run([sys.executable, str(maker), str(folder / "tiny.pth.tar")], check=True)
    with np.load(SHARED / "data/m3vit_tiny_cityscapes.npz") as data:
        Image.fromarray(data["image"].transpose(1, 2, 0)).save(folder / "scene.png")
    said = ["--image-height", "128", "--image-width", "256", "--heads", "3", "--top-k", "2"]
    said += ["--normalise", "unit256"]
    picture = folder / "scene.png"
    return built(folder, folder / "tiny.pth.tar", said, picture, picture)


def references(project: Built) -> dict[str, IntegerDecoder]:
    """The integer reference of each task, from the project's own model and calibration."""
    config = open_checked(project_arguments({"config": project.config}, None)).config
    model = open_model(config)
    design = open_design(config, model.spec)
    calibration = open_calibration(config, model.spec, open_pictures(config, model.spec))
    numerics = open_numerics(config, model, design.knobs, calibration, TASKS)
    return {task: IntegerDecoder.of(design, numerics.network, numerics.formats, task) for task in TASKS}


def check(project: Built, where: str, folder: Path) -> None:
    """All three on one picture, both tasks."""
    manifest = project.manifest
    assert {name: task.where for name, task in manifest.tasks.items()} == dict.fromkeys(TASKS, where)
    script = folder / "script.py"
    script.write_text(SCRIPT)
    before = Path.cwd()
    os.chdir(folder)
    try:
        asked = ["sim-board", "--output", str(project.output), "--config", str(project.config), str(script)]
        assert main([*asked, NAME, str(project.picture), *TASKS]) == 0
    finally:
        os.chdir(before)
    finish = MapFinisher((manifest.image.height, manifest.image.width))
    with np.load(folder / "results.npz") as results:
        for task, reference in references(project).items():
            layout = manifest.tasks[task].map
            assert layout is not None
            csim = api.run(config=project.config, image=project.picture, task=task, backend="csim")
            maps = reference(reference.tokens(csim.tokens.astype(np.float64)))
            if where == LOGITS:
                # They leave in the residual memory's finer steps.
                wanted = finish(maps.logits << reference.design.knobs.residual_tail_bits, layout)
            else:
                wanted = maps.classes if layout.kind == CLASSES else finish(maps.values, layout)
            part = "ids" if layout.kind == CLASSES else "output"
            assert set(results.files) >= {f"{task}.tokens", f"{task}.{part}"}
            assert np.array_equal(results[f"{task}.tokens"], csim.tokens)
            assert csim.shown is not None
            assert np.array_equal(csim.shown, wanted) and np.array_equal(results[f"{task}.{part}"], wanted)
            assert len(np.unique(wanted)) > 1


def test_c_simulation_board_and_integers_agree_on_the_example(example: Built, tmp_path: Path) -> None:
    check(example, LOGITS, tmp_path)


def test_c_simulation_board_and_integers_agree_on_the_trained_network(trained: Built, tmp_path: Path) -> None:
    check(trained, ENGINE, tmp_path)


def frames_of(folder: Path) -> list[NDArray[np.uint8]]:
    return [np.asarray(Image.open(path).convert("RGB")) for path in sorted(folder.glob("*.png"))]


@pytest.fixture
def accelerator(example: Built) -> Iterator[Accelerator]:
    with opened(look_up(example.output), simulated=True) as (accelerator, _):
        yield accelerator


def test_two_thousand_frames_of_the_example_with_task_switches_lose_nothing(accelerator: Any) -> None:
    """Seven pictures and two tasks, so that neighbours always differ and a frame in a wrong place is found."""
    pictures = frames_of(SCENES / "images")[:7]
    known = {task: [accelerator.run(picture, task).output for picture in pictures] for task in TASKS}
    assert len({one.tobytes() for outputs in known.values() for one in outputs}) == len(TASKS) * len(pictures)
    count = 0
    for result in accelerator.stream((pictures[i % 7] for i in range(FRAMES)), alternate=True):
        assert (result.frame, result.task) == (count, TASKS[count % 2])
        assert np.array_equal(result.output, known[result.task][count % 7])
        count += 1
    assert count == FRAMES
