"""The stage `rtlsim`: the Verilog of the stage `rtl` through Verilator, on the short program, beside C simulation.

It runs on request: compiling the simulation of a large design takes minutes. Bytes that differ end the build.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgemoe_gen.base.build_files import RTL_SIMULATION as FILE
from edgemoe_gen.base.documents import write_json
from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.pipeline.stages.rtl import RTL, rtl_inputs
from edgemoe_gen.pipeline.support.stage import Made, Stage
from edgemoe_gen.pipeline.support.state import digest_of, digest_text

if TYPE_CHECKING:
    from edgemoe_gen.pipeline.support.context import Context


def inputs(context: Context) -> str:
    """Hash of the Verilog, and of all that it was made of."""
    project = context.project
    files = [context.output / name for name in RTL.outputs]
    return digest_text(rtl_inputs(project.design, project.sources), digest_of(files))


def make(context: Context, folder: Path) -> Made:
    """Simulates it."""
    from edgemoe_gen.pipeline.rtl import read_sources
    from edgemoe_gen.program.compile import pack_image
    from edgemoe_gen.rtl.against_csim import memory_of, run_against_csim

    project = context.project
    verilog, facts = read_sources(context.output)
    program, spec, image = project.short
    memory = memory_of(project.design, project.sources)
    title = "the short program"
    picture = pack_image(program, spec, [image] * len(program.frames))
    found = run_against_csim(verilog, facts["top"], program, picture, title, memory, progress=context.progress)
    if not found.passed:
        raise SimulationError(found.headline, "see where: edgemoe-gen rtl --simulate --trace FILE.vcd")
    write_json(folder / FILE.name, FILE.stamped(found.document()))
    return Made(found.headline)


RTLSIM = Stage(
    name="rtlsim",
    summary="the same Verilog, simulated, with --rtlsim",
    outputs=(FILE.name,),
    inputs=inputs,
    make=make,
    needs=("rtl",),
    hashes=("rtl",),
    uses=("C++ compiler",),
    optional_extra="rtl",
    on_request=True,
)
