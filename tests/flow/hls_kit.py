"""Kits as the tools get them, and the stand-ins of Vitis HLS run in them: for tests of the HLS scripts.

A kit stands in a folder with a space in its path. Its scripts are rendered as the package renders them.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from edgemoe_gen.codegen import render_sources
from edgemoe_gen.design import Design, Knobs, make_design
from edgemoe_gen.hardware.boards import load_board
from tests.flow.standin_vitis import install_classic, install_unified

BOARDS = ("zcu104", "zcu102", "kv260", "ultra96v2")
DATA = ("program", "weights", "image", "expected")
WORK = {"classic": "hls_project/solution", "unified": "hls_component/hls"}
RESULT = {
    "hls": "syn/report/edgemoe_engine_csynth.xml",
    "cosim": "sim/report/edgemoe_engine_cosim.rpt",
    "ip": "impl/ip/component.xml",
}
STEPS = tuple(RESULT)
SECONDS = 60


@cache
def small_design(board: str, weight_ports: int = 2, clock_mhz: float | None = None) -> Design:
    """A design with few MACs: what the scripts say does not depend on its size."""
    facts = load_board(board)
    knobs = Knobs(
        clock_mhz=clock_mhz or facts.clock_mhz,
        weight_ports=weight_ports,
        tokens_parallel=1,
        out_parallel=8,
        in_parallel=8,
        weight_fifo_beats=512,
    )
    return make_design(knobs, facts)


@dataclass(frozen=True)
class Kit:
    """A kit and the programs to run in it."""

    folder: Path
    generation: str
    programs: dict[str, Path]

    @property
    def work(self) -> Path:
        """Where the tool leaves everything."""
        return self.folder / WORK[self.generation]

    def result(self, step: str) -> Path:
        """The file that a step is run for."""
        return self.work / RESULT[step]

    def command(self, step: str) -> list[str]:
        """As in the contract between the scripts and the flow."""
        if self.generation == "classic":
            return [str(self.programs["vitis_hls"]), "-f", f"flow/{step}.tcl"]
        ends = ["--config", "hls.cfg", "--work_dir", "hls_component"]
        if step == "hls":
            return [str(self.programs["v++"]), "-c", "--mode", "hls", *ends]
        return [str(self.programs["vitis-run"]), "--mode", "hls", {"cosim": "--cosim", "ip": "--package"}[step], *ends]

    def run(self, step: str, fail: str = "") -> subprocess.CompletedProcess[str]:
        """Runs a step to its end; `fail` is a kind of failure."""
        environment = {**os.environ, "EDGEMOE_STANDIN_FAIL": f"{step}:{fail}"}
        return subprocess.run(
            self.command(step),
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    def until(self, step: str) -> None:
        """Runs what a step goes on from: co-simulation and packaging want a synthesis and nothing else."""
        if step != "hls":
            done = self.run("hls")
            assert done.returncode == 0, done.stdout + done.stderr

    def change(self, file: str, old: str, new: str) -> None:
        """Replaces text in a file, all places of it; it must be there."""
        path = self.folder / file
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{file} does not hold {old!r}"
        path.write_text(text.replace(old, new), encoding="utf-8")


def write_kit(
    folder: Path, design: Design, generation: str, release: str, hooks: Mapping[str, str] | None = None
) -> Kit:
    """A kit below `folder`, and the stand-ins beside it."""
    kit = folder / "a kit"
    for name, text in (render_sources(design, hooks) if hooks else _rendered(design)).items():
        path = kit / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (kit / "data/cosim").mkdir(parents=True)
    for number, name in enumerate(DATA, 1):
        (kit / f"data/cosim/{name}.bin").write_bytes(bytes(64 * number))
    return Kit(kit, generation, install(folder / "some tools", generation, release))


@cache
def _rendered(design: Design) -> dict[str, str]:
    return render_sources(design)


def install(root: Path, generation: str, release: str) -> dict[str, Path]:
    """Stand-ins in folders such as AMD's installer makes; by name."""
    if generation == "classic":
        return {"vitis_hls": install_classic(root / "Vitis_HLS" / release / "bin", release)}
    vpp, vitis_run = install_unified(root / "Vitis" / release / "bin", release)
    return {"v++": vpp, "vitis-run": vitis_run}
