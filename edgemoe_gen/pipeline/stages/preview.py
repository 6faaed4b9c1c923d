"""The stage `preview`: an overlay without a bitstream, so that host code need not wait for synthesis."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgemoe_gen.base import build_files
from edgemoe_gen.base.installed import resource_folder
from edgemoe_gen.pipeline.stages.render import full_passes, rendered, together, variants
from edgemoe_gen.pipeline.support.stage import Made, Stage
from edgemoe_gen.pipeline.support.state import digest_of, digest_text

if TYPE_CHECKING:
    from edgemoe_gen.overlay.package import OverlayFacts
    from edgemoe_gen.pipeline.support.context import Context


def inputs(context: Context) -> str:
    """Hash of all that an overlay depends on beside its bitstream."""
    project = context.project
    return digest_text(
        # What `render` and `csim` leave in accelerator/data/ depends on these inputs alone.
        project.pictures_digest, digest_of([resource_folder("templates") / "overlay"]),
        project.model.spec, project.overlay_name,
    )  # fmt: skip


def make(context: Context, folder: Path) -> Made:
    """Writes the overlay."""
    write(context, folder / build_files.PREVIEW)
    return Made(f"{context.project.overlay_name}/, for the simulated board")


def write(context: Context, folder: Path) -> Path:
    """Writes the preview of a build into a folder; returns the overlay's."""
    from edgemoe_gen.overlay.preview import write_preview

    return write_preview(context.project.overlay_name, context.accelerator, folder, overlay_facts(context))


def overlay_facts(context: Context) -> OverlayFacts:
    """What an overlay of this project is made from, beside the accelerator's files and the bitstream."""
    from edgemoe_gen.estimate import estimate_cycles
    from edgemoe_gen.numerics.placing import decoder_places
    from edgemoe_gen.overlay.package import OverlayFacts
    from edgemoe_gen.overlay.programs import split_tasks
    from edgemoe_gen.pictures.found import pixels
    from edgemoe_gen.pipeline.support.artefacts import TIER

    project, clock_mhz = context.project, context.clock_mhz
    knobs = project.design.knobs
    program = rendered(context).program
    picture = pixels(project.pictures[0].values, project.model.spec.image)
    times = {part.task: estimate_cycles(part.program).milliseconds(clock_mhz) for part in split_tasks(program)}
    estimate: dict[str, Any] = {"milliseconds_per_frame": times, "tier": TIER}
    joint = together(context).program
    if joint is not None:
        estimate["milliseconds_all_tasks"] = estimate_cycles(joint).milliseconds(clock_mhz)
    return OverlayFacts(
        project.design, project.model.spec, program, clock_mhz, picture,
        decoders=project.model.decoders, head=project.model.head,
        estimate=estimate, passes=full_passes(context).program,
        variants=variants(context).program,
        places=decoder_places(project.model, project.tasks, knobs.max_map_width, knobs.max_map_channels),
    )  # fmt: skip


PREVIEW = Stage(
    name="preview",
    summary="an overlay for the simulated board, to write host code against",
    outputs=(build_files.PREVIEW,),
    inputs=inputs,
    make=make,
    needs=("render", "csim"),
    uses=("torch",),
)
