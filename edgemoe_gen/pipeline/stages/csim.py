"""The stage `csim`: every kernel against float64, then every picture and task beside the float reference."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgemoe_gen.base import build_files
from edgemoe_gen.base.build_files import ACCELERATOR, COSIM_DATA, EXPECTED
from edgemoe_gen.pipeline.stages.render import rendered
from edgemoe_gen.pipeline.support.stage import Made, Stage

if TYPE_CHECKING:
    from edgemoe_gen.pipeline.support.context import Context


def make(context: Context, folder: Path) -> Made:
    """Runs the compiled engine."""
    from edgemoe_gen.pipeline.support.frames import simulate, simulate_short
    from edgemoe_gen.pipeline.support.kernels import check_kernels
    from edgemoe_gen.sim.compiler import compile_library
    from edgemoe_gen.sim.engine import Engine

    project, network = context.project, rendered(context)
    engine = Engine(project.design, compile_library(project.sources))
    place = folder / build_files.CSIM
    kernels = check_kernels(
        engine, project.model, network.numerics, project.pictures[0].values, project.tasks[0], place, context.progress
    )
    frames = simulate(
        engine, project.model, network.numerics, network.program, project.pictures, folder, context.progress
    )
    simulate_short(engine, project.short, folder)
    return Made(f"{kernels}; {frames}")


CSIM = Stage(
    name="csim",
    summary="every kernel against float64, then the project's pictures",
    outputs=(build_files.CSIM, f"{ACCELERATOR}/data/{EXPECTED}", f"{ACCELERATOR}/data/{COSIM_DATA}/{EXPECTED}"),
    inputs=lambda context: context.project.pictures_digest,
    make=make,
    needs=("render", "compile"),
    uses=("torch", "C++ compiler"),
)
