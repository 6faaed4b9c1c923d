"""A small project for every test: checkpoint, pictures, ground truth."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgemoe_gen.cli import main
from tests.cli.flow_runs import GENERATIONS, OPEN, in_process_of_its_own, install
from tests.conftest import Once
from tests.factory import write_checkpoint, write_spec

KNOBS = ("tokens_parallel=2", "out_parallel=8", "in_parallel=8", "weight_ports=1", "weight_fifo_beats=256")
# The largest network is fixed, so that all designs of these tests are one and compile once; decoders run on the host.
LARGEST = (
    "max_map_width=0",
    "max_tokens=33",
    "max_dim=32",
    "max_query=32",
    "max_cache=64",
    "max_hidden=192",
    "max_experts=64",
    "max_top_k=4",
)


@dataclass(frozen=True)
class Project:
    """Files of a small project, and the options that make a fast design of it."""

    folder: Path
    checkpoint: Path
    spec: Path
    images: Path

    @property
    def network(self) -> list[str]:
        """Arguments that name the network."""
        return [str(self.checkpoint), "--spec", str(self.spec)]

    @property
    def knobs(self) -> list[str]:
        """Arguments of a design that compiles in a few seconds."""
        return [part for knob in (*KNOBS, *LARGEST) for part in ("--knob", knob)]


@dataclass(frozen=True)
class Outcome:
    """What a command left."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session", autouse=True)
def no_vendor_tools() -> Iterator[None]:
    """Real tools that this machine may have must not run for hours; tests of the flow bring stand-ins."""
    names = ("vitis_hls", "vitis-run", "v++", "vivado")
    path = [p for p in os.environ["PATH"].split(os.pathsep) if not any((Path(p) / name).exists() for name in names)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", os.pathsep.join(path))
        patch.setenv("EDGEMOE_TOOLS", "")
        for name in ("XILINX_HLS", "XILINX_VITIS", "XILINX_VIVADO"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session")
def project(once: Once) -> Project:
    """Two tasks with decoders, two pictures of which the first has ground truth. Tests must not change it."""
    folder = once("project", _write_project)
    return Project(folder, folder / "small.pth.tar", folder / "spec.toml", folder / "images")


def _write_project(folder: Path) -> None:
    write_checkpoint(folder / "small.pth.tar")
    write_spec(folder / "spec.toml")
    images = folder / "images"
    images.mkdir()
    rng = np.random.default_rng(0)
    for i in range(2):
        Image.fromarray(rng.integers(0, 256, (32, 64, 3), dtype=np.uint8)).save(images / f"scene_{i}.png")
    labels, depth = rng.integers(0, 5, (32, 64), dtype=np.uint8), rng.uniform(0.1, 1, (32, 64)).astype(np.float16)
    labels[:4], depth[:2, :32], depth[2] = 255, 0, np.nan  # not every pixel has ground truth
    np.savez(images / "scene_0.npz", labels=labels, depth=depth)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(here: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:  # noqa: ARG001
    """Runs the command line in an empty folder."""

    def call(*arguments: object) -> Outcome:
        capfd.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        return Outcome(code, captured.out, captured.err)

    return call


@pytest.fixture(scope="session")
def built(project: Project, once: Once) -> Path:
    """Output of a build of the project. Tests must not change it."""

    def build(folder: Path) -> None:
        output = ["--output", str(folder / "out")]
        assert main(["build", *project.network, "--image", str(project.images), *project.knobs, *output]) == 0

    return once("built", build) / "out"


@pytest.fixture(scope="session")
def tools(once: Once) -> dict[str, Path]:
    def install_all(folder: Path) -> None:
        for generation in (*GENERATIONS, OPEN):
            install(folder / generation, generation)

    root = once("vendor tools", install_all)  # a path with a space, as on many machines
    return {generation: root / generation for generation in (*GENERATIONS, OPEN)}


@pytest.fixture
def with_tools(tools: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Puts stand-ins on PATH, and says how one fails."""

    def use(generation: str = "classic", fail: str = "") -> None:
        others = [part for part in os.environ["PATH"].split(os.pathsep) if Path(part) not in tools.values()]
        monkeypatch.setenv("PATH", os.pathsep.join([str(tools[generation]), *others]))
        monkeypatch.setenv("EDGEMOE_STANDIN_FAIL", fail)

    return use


@pytest.fixture(scope="session")
def packaged(project: Project, built: Path, tools: dict[str, Path], once: Once) -> Path:
    """An uninterrupted build of the project, up to the overlay. Tests must not change it."""

    def package(folder: Path) -> None:
        shutil.copytree(built, folder / "out")
        done = in_process_of_its_own(project, folder / "out", tools["classic"])
        assert done.wait(300) == 0, done.stderr.read() if done.stderr else ""

    return once("packaged", package) / "out"
