"""C synthesis of a design alone, without a network, in a folder that a build of the same design can continue."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edgemoe_gen.base.build_files import ACCELERATOR, COSIM_DATA, EXPECTED
from edgemoe_gen.base.errors import ToolError
from edgemoe_gen.codegen import render_sources
from edgemoe_gen.design import Design
from edgemoe_gen.flow.kit import files_of, read_kit, refuse_results
from edgemoe_gen.flow.reports import SynthesisFacts, read_synthesis
from edgemoe_gen.hardware.names import TOP
from edgemoe_gen.pipeline.stages.hls import HLS
from edgemoe_gen.pipeline.stages.render import RENDER
from edgemoe_gen.pipeline.support.artefacts import design_files, write_cosim, write_design
from edgemoe_gen.pipeline.support.folders import open_stages
from edgemoe_gen.pipeline.support.frames import simulate_short
from edgemoe_gen.pipeline.support.state import digest_files, digest_text
from edgemoe_gen.pipeline.support.vendor import LOGS, StageUnavailableError, VendorStages, missing_tool
from edgemoe_gen.program.short import compile_short
from edgemoe_gen.sim.engine import Engine

DIGITS = 16  # of a folder's name


def synthesis_folder(design: Design, parent: Path) -> Path:
    """Folder of a design's synthesis below `parent`: only designs of the same sources and clock share a folder."""
    return parent / digest_files(files_of(HLS.name, render_sources(design)))[:DIGITS]


def synthesise(design: Design, folder: Path, on_step: Callable[[str], None]) -> SynthesisFacts:
    """Renders a design into a folder and runs the stage `hls` there, unless it has run before; returns its report.

    Args:
        design: the design to synthesise.
        folder: folder in the form of a build's, so `build --output FOLDER` with the same knobs continues from it.
        on_step: called with a few words whenever another step begins.

    Raises:
        BusyError: another build is at work in the folder.
        ConfigError: the tool is missing here, or the folder can't be written to.
        ToolError: the tool failed, or its report can't be read.
    """
    with open_stages(folder, lambda _: None, force=None) as stages:
        accelerator = folder / ACCELERATOR
        if not _is_rendered(design, accelerator):
            on_step("rendering")
            stages.run(
                RENDER.name, digest_text("synthesis only", digest_files(design_files(design))), RENDER.outputs,
                lambda place: _render(design, place), anew=True, guard=lambda: refuse_results(accelerator),
            )  # fmt: skip
        vendor = VendorStages(
            stages, lambda _, step: on_step(step), lambda _: on_step("starting the tool"),
            design.knobs.clock_mhz, retry=False, files=lambda: read_kit(accelerator),
        )  # fmt: skip
        try:
            vendor.run(HLS)
        except StageUnavailableError as error:
            raise missing_tool(error.stage, error.why) from error
    place = folder / HLS.name
    facts = read_synthesis(place / "reports", TOP)
    if facts.top is None:
        why = facts.warnings[0] if facts.warnings else "it has no figures of the engine"
        raise ToolError(
            f"the report of C synthesis in {place / 'reports'} cannot be read: {why}",
            f"remove {place}, then it is made anew; the log is in {folder / LOGS}",
        )
    return facts


def _is_rendered(design: Design, accelerator: Path) -> bool:
    """Whether the very sources are there, from here or a build that has gone on, with all that co-simulation reads."""
    if not (accelerator / "data" / COSIM_DATA / EXPECTED).is_file():
        return False
    paths = {accelerator / name: text for name, text in render_sources(design).items()}
    return all(path.is_file() and path.read_text(encoding="utf-8") == text for path, text in paths.items())


def _render(design: Design, place: Path) -> str:
    """All that the scripts name: they list what co-simulation reads among a project's files."""
    accelerator = place / ACCELERATOR
    write_design(design, accelerator)
    (accelerator / "data").mkdir()
    short = compile_short(design)
    write_cosim(short, accelerator / "data" / COSIM_DATA)
    simulate_short(Engine.compile(design), short, place)
    return "sources and the short program"
