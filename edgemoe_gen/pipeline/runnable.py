"""The overlay for a script: an existing overlay, or a preview made of a build without a bitstream.

In: the folder that the user names. Out: the folder of an overlay, in a parent folder where Python finds it by name.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from edgemoe_gen.base.errors import OverlayError
from edgemoe_gen.overlay.builds import is_build, overlay_in
from edgemoe_gen.overlay.driver.manifest import MANIFEST
from edgemoe_gen.pipeline.stages import preview
from edgemoe_gen.pipeline.support.context import open_context
from edgemoe_gen.project.config import DEFAULT_OUTPUT, Config
from edgemoe_gen.project.opening import Progress, no_progress
from edgemoe_gen.simulated.designs import find_design


def runnable_overlay(where: Path, scratch: Path, config: Config, progress: Progress = no_progress) -> Path:
    """The overlay in a folder: for a build the packaged overlay, else the preview, if it is of the build's design.

    Args:
        where: folder of an overlay, or of a build.
        scratch: empty folder; a preview is written here where the build has no overlay.
        config: the project of the build; used only for a preview.
        progress: called with text, steps done, steps in all.

    Raises:
        OverlayError: the folder is no overlay or build, holds several overlays, or has another design than the project.
        EdgeMoEError: of the project.
    """
    if (where / MANIFEST).is_file():
        return where.resolve()
    found = overlay_in(where)
    if found is not None:
        return found.resolve()
    if not is_build(where):
        raise OverlayError(
            f"{where} is neither an overlay, which has a {MANIFEST}, nor the folder of a build",
            "give the folder that `edgemoe-gen build` wrote, or the overlay in it",
        )
    return _preview(where, scratch, config, progress)


def default_build(config: Config) -> Path | None:
    """The project's build, where there is one."""
    folder = config.output or Path(DEFAULT_OUTPUT)
    return folder if is_build(folder) else None


def _preview(build: Path, scratch: Path, config: Config, progress: Progress) -> Path:
    context = open_context(replace(config, output=build), progress)
    built = find_design(context.accelerator)
    if built is None or built.identity != context.project.design.identity:
        raise OverlayError(
            f"{build} is not a build of this project: its design is another one", "build the project again"
        )
    return preview.write(context, scratch)
