"""`generate`: only the sources of a design, in the folder of a build."""

from __future__ import annotations

from pathlib import Path

from edgemoe_gen.base.build_files import ACCELERATOR
from edgemoe_gen.codegen import write_files
from edgemoe_gen.design import Design
from edgemoe_gen.flow.kit import refuse_results
from edgemoe_gen.pipeline.stages.render import RENDER
from edgemoe_gen.pipeline.support.artefacts import design_files
from edgemoe_gen.pipeline.support.folders import open_stages
from edgemoe_gen.pipeline.support.state import digest_files, digest_text
from edgemoe_gen.project.config import DEFAULT_OUTPUT, Config
from edgemoe_gen.project.opening import open_hooks


def generate_sources(design: Design, config: Config, force: bool = False) -> tuple[Path, int, tuple[str, ...]]:
    """Writes OUTPUT/accelerator; returns the folder, the number of its files, and notes for the user.

    Args:
        design: the design to render.
        config: names the output folder.
        force: move a folder aside that was changed by hand.

    Raises:
        ConfigError: the folder can't be written to, a build is at work in it, a tool's results lie in it, or files in
            it were changed or added by hand.
    """
    output = config.output or Path(DEFAULT_OUTPUT)
    folder = output / ACCELERATOR

    files = design_files(design, open_hooks(config))

    def render(place: Path) -> str:
        write_files(files, place / ACCELERATOR)
        return "sources only"

    with open_stages(output, lambda _: None, force) as stages:
        inputs = digest_text("sources only", digest_files(files))
        stages.run(RENDER.name, inputs, RENDER.outputs, render, guard=lambda: refuse_results(folder))
    return folder, sum(path.is_file() for path in folder.rglob("*")), tuple(stages.notes)
