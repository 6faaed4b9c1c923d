"""`generate`: the sources of a design alone, where a build would put them too."""

from __future__ import annotations

from pathlib import Path

from edgemoe_gen.config import DEFAULT_OUTPUT, Config
from edgemoe_gen.design import Design
from edgemoe_gen.flow.kit import refuse_results
from edgemoe_gen.pipeline.artefacts import write_design
from edgemoe_gen.pipeline.stages import digest_text, open_stages


def generate_sources(design: Design, config: Config) -> tuple[Path, int]:
    """Writes OUTPUT/accelerator; returns the folder and how many files it holds.

    Raises:
        ConfigError: the folder can't be written to, a build is at work in it, or a tool's results lie in it.
    """
    output = config.output or Path(DEFAULT_OUTPUT)
    folder = output / "accelerator"

    def render(place: Path) -> str:
        write_design(design, place / "accelerator")
        return "sources only"

    with open_stages(output, lambda _: None) as stages:
        inputs = digest_text("sources only", design.identity, design.knobs, design.board)
        stages.run("render", inputs, ["accelerator"], render, before=lambda: refuse_results(folder))
    return folder, sum(path.is_file() for path in folder.rglob("*"))
