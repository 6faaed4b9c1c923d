"""Builds whose stages take no time: what a stage makes is made up from its inputs, everything around it is real.

So the project is opened, the sources are rendered and every hash is computed as ever, but nothing is calibrated,
compiled, simulated or synthesised. The same inputs give the same bytes, as in a real build.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgemoe_gen.flow.tools import Command, Tool, Toolset
from edgemoe_gen.model import read_spec_file
from edgemoe_gen.pipeline.stages.table import STAGES, stage_of
from edgemoe_gen.pipeline.support import artefacts
from edgemoe_gen.pipeline.support.context import Context, OpenedProject
from edgemoe_gen.pipeline.support.stage import Made, Stage
from edgemoe_gen.pipeline.support.state import digest_text
from edgemoe_gen.project.config import Config
from tests.factory import write_checkpoint, write_spec
from tests.flow.reports import vendor_reports

Make = Callable[[Context, Path], Made]
CHECKPOINTS = ("checkpoint.pth.tar", "other.pth.tar")
KNOBS = {"tokens_parallel": 2, "out_parallel": 8, "in_parallel": 8, "weight_ports": 1, "weight_fifo_beats": 256}
LARGEST = {
    "max_map_width": 0,
    "max_tokens": 33,
    "max_dim": 32,
    "max_query": 32,
    "max_cache": 64,
    "max_hidden": 192,
    "max_experts": 64,
}


def make_project(folder: Path) -> Config:
    """A small project: two checkpoints, two pictures, of which it is built for the first."""
    folder.mkdir(parents=True)
    for i in range(2):
        write_checkpoint(folder / CHECKPOINTS[i], seed=i)
        picture = np.random.default_rng(i).integers(0, 256, (32, 64, 3), dtype=np.uint8)
        Image.fromarray(picture).save(folder / f"scene_{i}.png")
    write_spec(folder / "spec.toml")
    return config_of(folder)


def config_of(folder: Path) -> Config:
    """The project in a folder."""
    picture = folder / "scene_0.png"
    return Config(
        checkpoint=folder / CHECKPOINTS[0], images=(picture,), calibrate=(picture,), output=folder / "build",
        model=read_spec_file(folder / "spec.toml"), board="zcu104", knobs=KNOBS | LARGEST,
    )  # fmt: skip


def _write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def _short(project: OpenedProject) -> dict[str, bytes]:
    said = digest_text(*project.sources.values())
    return {f"{name}.bin": f"{name} {said}".encode() for name in ("program", "weights", "image")}


def _kit(project: OpenedProject, cosim: bool) -> dict[str, str | bytes]:
    short = {f"data/cosim/{name}": data for name, data in _short(project).items()} if cosim else {}
    return {**project.sources, **short}


def _render(context: Context, folder: Path) -> Made:
    accelerator, project = folder / "accelerator", context.project
    artefacts.write_design(project.design, accelerator)
    _write(accelerator, project.sources)
    _write(accelerator, {"data/weights.bin": project.digest})
    (accelerator / "data/cosim").mkdir()
    for name, data in _short(project).items():
        (accelerator / "data/cosim" / name).write_bytes(data)
    return Made("rendered")


def _csim(context: Context, folder: Path) -> Made:
    project = context.project
    _write(folder, {"csim/kernels.json": project.pictures_digest, "accelerator/data/expected.bin": project.digest})
    _write(folder, {"accelerator/data/cosim/expected.bin": digest_text(*project.sources.values())})
    return Made("simulated")


def _run_tool(stage: str, command: Command, kit: Path, *_: object) -> None:
    assert command.tool.path.name
    read = {p.name: p.read_text() for p in sorted((kit / "src").iterdir())} | {"": (kit / "hls.cfg").read_text()}
    said = digest_text(*read.values())
    if stage == "hls":
        _write(kit, {"hls_project/solution/syn/report/edgemoe_engine_csynth.xml": vendor_reports.csynth(name=said)})
    elif stage == "cosim":
        _write(kit, {"hls_project/solution/sim/report/edgemoe_engine_cosim.rpt": vendor_reports.cosim()})
    elif stage == "ip":
        _write(kit, {"hls_project/solution/impl/ip/component.xml": said})
    else:
        vendor_reports.write_bitstream(kit / "bitstream")
        _write(kit / "bitstream", {"edgemoe.bit": (kit / "ip/component.xml").read_text(), "edgemoe.hwh": "hwh"})


def use_quick_stages(patch: pytest.MonkeyPatch, tools: bool) -> None:
    """From now on builds and plans are quick; `tools`: whether this machine seems to have the vendor's."""
    hls, vivado = (Tool(name, Path("/opt") / name, "2022.1", "PATH") for name in ("vitis_hls", "vivado"))
    found = Toolset(hls, vivado=vivado) if tools else Toolset()
    patch.setattr("edgemoe_gen.pipeline.support.vendor.find_tools", lambda: found)
    patch.setattr("edgemoe_gen.pipeline.support.vendor.run_command", _run_tool)
    patch.setattr("edgemoe_gen.pipeline.stages.compile.compiled", lambda *_: Path())
    patch.setattr("edgemoe_gen.pipeline.plan.rendered_kit", _kit)
    patch.setattr("edgemoe_gen.pipeline.stages.report._document", lambda _: {"headline": "quick"})
    set_make(patch, "render", _render)
    set_make(patch, "compile", lambda *_: Made("compiled"))
    set_make(patch, "csim", _csim)
    for stage in STAGES:
        if isinstance(stage, Stage) and stage.name not in ("render", "compile", "csim", "rtlsim"):
            files = [path if Path(path).suffix else f"{path}/manifest.json" for path in stage.outputs]
            set_make(patch, stage.name, _writer(stage.name, files))


def set_make(patch: pytest.MonkeyPatch, name: str, make: Make) -> None:
    """Lets a stage be made otherwise: the object that all have is frozen, so it is changed where it stands."""
    patch.setitem(stage_of(name).__dict__, "make", make)


def _writer(name: str, made: list[str]) -> Make:
    def write(context: Context, folder: Path) -> Made:
        said = json.dumps({"passed": True, "stage": name, "of": context.project.pictures_digest})
        _write(folder, dict.fromkeys(made, said))
        return Made(name)

    return write
