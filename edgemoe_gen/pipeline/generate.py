"""`generate`: the sources of a design alone, where a build would put them too."""

from __future__ import annotations

from pathlib import Path

from edgemoe_gen.codegen import write_files
from edgemoe_gen.design import Design
from edgemoe_gen.flow.kit import refuse_results
from edgemoe_gen.pipeline.artefacts import design_files
from edgemoe_gen.pipeline.stages import open_stages
from edgemoe_gen.pipeline.state import digest_files, digest_text
from edgemoe_gen.project.config import DEFAULT_OUTPUT, Config
from edgemoe_gen.project.opening import open_hooks


def generate_sources(design: Design, config: Config, force: bool = False) -> tuple[Path, int, tuple[str, ...]]:
    """Writes OUTPUT/accelerator; returns the folder, how many files it holds, and notes for the user.

    Args:
        design: what to render.
        config: names the output folder.
        force: move a folder that was changed by hand aside.

    Raises:
        ConfigError: the folder can't be written to, a build is at work in it, a tool's results lie in it, or files in
            it were changed or added by hand.
    """
    output = config.output or Path(DEFAULT_OUTPUT)
    folder = output / "accelerator"

    files = design_files(design, open_hooks(config))

    def render(place: Path) -> str:
        write_files(files, place / "accelerator")
        return "sources only"

    with open_stages(output, lambda _: None, force) as stages:
        inputs = digest_text("sources only", digest_files(files))
        stages.run("render", inputs, ["accelerator"], render, guard=lambda: refuse_results(folder))
    return folder, sum(path.is_file() for path in folder.rglob("*")), tuple(stages.notes)
