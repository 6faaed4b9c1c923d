"""C synthesis of a design alone, without a network: in a folder that a build of the same design can go on from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edgemoe_gen.base.errors import ToolError
from edgemoe_gen.codegen import render_sources
from edgemoe_gen.design import Design
from edgemoe_gen.flow.kit import files_of, read_kit, refuse_results
from edgemoe_gen.flow.reports import SynthesisFacts, read_synthesis
from edgemoe_gen.hardware.names import TOP
from edgemoe_gen.pipeline.artefacts import design_files, write_cosim, write_design
from edgemoe_gen.pipeline.csim import COSIM, EXPECTED, simulate_short
from edgemoe_gen.pipeline.selection import Selection
from edgemoe_gen.pipeline.stages import open_stages
from edgemoe_gen.pipeline.state import digest_files, digest_text
from edgemoe_gen.pipeline.vendor import LOGS, StageUnavailableError, VendorStages, missing_tool
from edgemoe_gen.program.short import compile_short
from edgemoe_gen.sim.engine import Engine

DIGITS = 16  # of a folder's name


def synthesis_folder(design: Design, parent: Path) -> Path:
    """Where a design is synthesised below `parent`: only designs of the same sources and clock share a folder."""
    return parent / digest_files(files_of("hls", render_sources(design)))[:DIGITS]


def synthesise(design: Design, folder: Path, on_step: Callable[[str], None]) -> SynthesisFacts:
    """Renders a design into a folder and runs the stage `hls` there, unless it has run before; returns its report.

    Args:
        design: what to synthesise.
        folder: as that of a build, so `build --output FOLDER` with the same knobs goes on from it.
        on_step: called with a few words whenever another step begins.

    Raises:
        BusyError: another build is at work in the folder.
        ConfigError: the tool is not here, or the folder can't be written to.
        ToolError: the tool failed, or its report can't be read.
    """
    with open_stages(folder, lambda _: None, force=None) as stages:
        accelerator = folder / "accelerator"
        if not _is_rendered(design, accelerator):
            on_step("rendering")
            stages.run(
                "render", digest_text("synthesis only", digest_files(design_files(design))), ["accelerator"],
                lambda place: _render(design, place), anew=True, guard=lambda: refuse_results(accelerator),
            )  # fmt: skip
        vendor = VendorStages(
            stages, Selection(), lambda _, step: on_step(step), lambda _: on_step("starting the tool"),
            design.knobs.clock_mhz, retry=False, files=lambda: read_kit(accelerator),
        )  # fmt: skip
        try:
            vendor.run("hls")
        except StageUnavailableError as error:
            raise missing_tool(error.stage, error.why) from error
    facts = read_synthesis(folder / "hls" / "reports", TOP)
    if facts.top is None:
        why = facts.warnings[0] if facts.warnings else "it has no figures of the engine"
        raise ToolError(
            f"the report of C synthesis in {folder / 'hls' / 'reports'} cannot be read: {why}",
            f"remove {folder / 'hls'}, then it is made anew; the log is in {folder / LOGS}",
        )
    return facts


def _is_rendered(design: Design, accelerator: Path) -> bool:
    """Whether the very sources are there, from here or a build that has gone on, with all that co-simulation reads."""
    if not (accelerator / "data" / COSIM / EXPECTED).is_file():
        return False
    paths = {accelerator / name: text for name, text in render_sources(design).items()}
    return all(path.is_file() and path.read_text(encoding="utf-8") == text for path, text in paths.items())


def _render(design: Design, place: Path) -> str:
    """All that the scripts name: they list what co-simulation reads among a project's files."""
    accelerator = place / "accelerator"
    write_design(design, accelerator)
    (accelerator / "data").mkdir()
    short = compile_short(design)
    write_cosim(short, accelerator / "data" / COSIM)
    simulate_short(Engine.compile(design), short, place)
    return "sources and the short program"
