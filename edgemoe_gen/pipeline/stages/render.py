"""The stage `render`: sources, scripts, formats, program and packed weights of a project."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgemoe_gen.base.build_files import ACCELERATOR, COSIM_DATA, EXPECTED
from edgemoe_gen.flow.kit import refuse_results
from edgemoe_gen.pipeline.support.stage import Made, Stage

if TYPE_CHECKING:
    from edgemoe_gen.pipeline.support.context import Context, OpenedProject
    from edgemoe_gen.program.compile import Program
    from edgemoe_gen.project.opening import Numerics


@dataclass(frozen=True, eq=False)
class Rendered:
    """The network as it was rendered: its binary points, and the program of all tasks, one frame each."""

    numerics: Numerics
    program: Program


@dataclass(frozen=True, eq=False)
class Together:
    """All tasks of one picture in one program; None where each task has a backbone of its own."""

    program: Program | None


@dataclass(frozen=True, eq=False)
class FullPasses:
    """The same network for full passes of the weights; None where a pass is one frame's."""

    program: Program | None


@dataclass(frozen=True, eq=False)
class Variants:
    """The same tasks with other results, see `compile_variants`; None where no decoder runs on the engine."""

    program: Program | None


def make(context: Context, folder: Path) -> Made:
    """Calibrates, compiles and writes."""
    from edgemoe_gen.pipeline.support import artefacts
    from edgemoe_gen.pipeline.support.calibrated import note_calibration
    from edgemoe_gen.project.opening import open_numerics

    project = context.project
    target = folder / ACCELERATOR
    artefacts.write_design(project.design, target, project.hooks)
    numerics = open_numerics(
        project.config, project.model, project.design.knobs, project.calibration, project.tasks, context.progress,
        measure=True,
    )  # fmt: skip
    made, joint = _rendered(project, numerics), _together(project, numerics)
    picture = project.pictures[0].values
    artefacts.write_network(made.program, numerics, project.model.spec, picture, target, project.notes, joint.program)
    note_calibration(project.config, project.model, project.design.knobs, project.calibration, target)
    artefacts.write_cosim(project.short, target / "data" / COSIM_DATA)
    return Made(
        f"{len(project.sources)} sources, program of {len(made.program.operations):,} operations", (made, joint)
    )


def rendered(context: Context) -> Rendered:
    """What the stage has found, in this run or before."""

    def read() -> Rendered:
        from edgemoe_gen.pipeline.support.artefacts import read_numerics

        return _rendered(context.project, read_numerics(context.accelerator, context.project.model))

    return context.results.get(Rendered, read)


def _rendered(project: OpenedProject, numerics: Numerics) -> Rendered:
    from edgemoe_gen.program.compile import compile_network

    program = compile_network(
        project.design, project.model, numerics.network, numerics.formats, project.tasks, decoders=numerics.decoders
    )
    return Rendered(numerics, program)


def together(context: Context) -> Together:
    """All tasks of one picture in one program; without one where each has a backbone of its own."""
    return context.results.get(Together, lambda: _together(context.project, rendered(context).numerics))


def _together(project: OpenedProject, numerics: Numerics) -> Together:
    from edgemoe_gen.program.compile import compile_network

    if len(project.tasks) == 1 or not project.model.spec.shares_backbone:
        return Together(None)
    return Together(
        compile_network(
            project.design, project.model, numerics.network, numerics.formats, project.tasks,
            decoders=numerics.decoders, one_picture=True,
        )
    )  # fmt: skip


def full_passes(context: Context) -> FullPasses:
    """The network for full passes of the weights."""

    def compiled() -> FullPasses:
        from edgemoe_gen.overlay.programs import pass_groups
        from edgemoe_gen.program.compile import compile_groups

        project, numerics = context.project, rendered(context).numerics
        frames = project.design.knobs.frames_per_pass
        if frames == 1:
            return FullPasses(None)
        groups = pass_groups(project.tasks, frames, numerics.decoders)
        return FullPasses(compile_groups(project.design, project.model, numerics.network, numerics.formats, groups))

    return context.results.get(FullPasses, compiled)


def variants(context: Context) -> Variants:
    """The same tasks by other results; without a program where no decoder runs on the engine."""

    def compiled() -> Variants:
        from edgemoe_gen.overlay.programs import compile_variants

        project, made = context.project, rendered(context)
        return Variants(compile_variants(project.model, made.numerics.network, made.numerics.formats, made.program))

    return context.results.get(Variants, compiled)


def rendered_kit(project: OpenedProject, cosim: bool) -> dict[str, str | bytes]:
    """The kit as the stage will write it, path to content, without what simulation adds.

    Args:
        project: to render.
        cosim: with the short program, which takes a while to compile.
    """
    from edgemoe_gen.pipeline.support.artefacts import data_files

    files: dict[str, str | bytes] = {**project.sources}
    if cosim:
        files |= {f"data/{COSIM_DATA}/{name}": data for name, data in data_files(*project.short).items()}
    return files


RENDER = Stage(
    name="render",
    summary="C++ sources, scripts, program and packed weights",
    outputs=(ACCELERATOR,),
    inputs=lambda context: context.project.digest,
    make=make,
    uses=("torch",),
    ignoring=EXPECTED,
    guard=lambda context: refuse_results(context.accelerator),
)
