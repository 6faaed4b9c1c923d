"""The stage `rtl`: the kernels as SystemVerilog, made without the vendor's tool.

No stage waits for it, so a design that has no Verilog yet does not end a build: one line says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from edgemoe_gen.base.build_files import RTL as FILE
from edgemoe_gen.base.build_files import RTL_FOLDER
from edgemoe_gen.base.documents import write_json
from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.pipeline.support.stage import Made, Stage
from edgemoe_gen.pipeline.support.state import digest_text

if TYPE_CHECKING:
    from edgemoe_gen.design import Design
    from edgemoe_gen.pipeline.support.context import Context
    from edgemoe_gen.project.opening import Progress
    from edgemoe_gen.rtl.generate import DesignRtl


def rtl_inputs(design: Design, sources: Mapping[str, str]) -> str:
    """Hash of all that the Verilog of a design depends on."""
    from edgemoe_gen.pipeline.support.context import package_digest
    from edgemoe_gen.rtl.library import library
    from edgemoe_gen.scheduling.compiler import compiler_version, shims

    kernels = [f"{name}\0{text}" for name, text in sorted(sources.items()) if name.startswith("src/")]
    modules = [module.text for module in library().values()]
    texts = [*shims().values(), *modules, *kernels]
    return digest_text(package_digest(), compiler_version(), design.board, design.knobs, design.identity, *texts)


def write_rtl(design: Design, sources: Mapping[str, str], folder: Path, progress: Progress) -> DesignRtl:
    """Makes the Verilog and writes it into a build's folder."""
    from edgemoe_gen.codegen import write_files
    from edgemoe_gen.rtl.generate import generate_rtl

    made = generate_rtl(design, sources, lambda what, done, total: progress(f"RTL: {what}", done, total))
    write_files(made.files(), folder / RTL_FOLDER)
    write_json(folder / FILE.name, made.document())
    return made


def make(context: Context, folder: Path) -> Made:
    """Writes it, or why there is none."""
    project = context.project
    try:
        return Made(write_rtl(project.design, project.sources, folder, context.progress).headline)
    except SimulationError as error:
        (folder / RTL_FOLDER).mkdir(exist_ok=True)
        write_json(folder / FILE.name, FILE.stamped({"not_generated": error.message}))
        return Made(f"not generated: {error.message}")


RTL = Stage(
    name="rtl",
    summary="the kernels as SystemVerilog, without the vendor's tool",
    outputs=(RTL_FOLDER, FILE.name),
    inputs=lambda context: rtl_inputs(context.project.design, context.project.sources),
    make=make,
    needs=("render",),
    optional_extra="rtl",
)
