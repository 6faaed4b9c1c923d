"""`rtl`: the Verilog of a design, and what simulation and open synthesis say of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgemoe_gen.api.arguments import RtlArguments, RtlKeywords
from edgemoe_gen.base.arguments import split, takes
from edgemoe_gen.base.build_files import RTL_FOLDER
from edgemoe_gen.codegen import render_sources
from edgemoe_gen.design import Design
from edgemoe_gen.pipeline.rtl import generate_rtl_folder
from edgemoe_gen.project.arguments import PROJECT, PathText, project_arguments
from edgemoe_gen.project.config import DEFAULT_OUTPUT
from edgemoe_gen.project.early import Needs, open_checked
from edgemoe_gen.project.opening import Progress, no_progress, open_design, open_model
from edgemoe_gen.scheduling.compiler import need_compiler

if TYPE_CHECKING:
    from typing_extensions import Unpack


@dataclass(frozen=True)
class RtlResult:
    """Outcome of `rtl`.

    Attributes:
        design: whose Verilog this is.
        folder: that holds it.
        facts: of its modules, as in `rtl.json`.
        notes: what the user should know.
    """

    design: Design
    folder: Path
    facts: dict[str, Any]
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether what was simulated gives the bytes of C simulation."""
        return True

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON."""
        return {**self.facts, "folder": str(self.folder), "notes": list(self.notes)}


@takes(RtlKeywords, *PROJECT, RtlArguments)
def rtl(
    checkpoint: PathText | None = None, *, progress: Progress = no_progress, **keywords: Unpack[RtlKeywords]
) -> RtlResult:
    """Writes a design's kernels as SystemVerilog to OUTPUT/rtl; see docs/rtl.md.

    Args:
        checkpoint: the network that the design is for; without one the knobs say it.
        output: folder to write to; default: of the project, or "build".
        progress: called with text, steps done and all.

    Raises:
        ConfigError: the compiler is not installed, or files in the folder are not of our making.
        SimulationError: a kernel is of a form that has no hardware; names file and line.
    """
    how, left = split(RtlArguments, keywords)
    project = open_checked(project_arguments(left, checkpoint), Needs(output=True))
    need_compiler("Verilog", "rtl")
    config = project.config
    design = open_design(config, None if config.checkpoint is None else open_model(config).spec)
    output = config.output or Path(DEFAULT_OUTPUT)
    _, facts, notes = generate_rtl_folder(design, render_sources(design), output, progress, how.force)
    return RtlResult(design, output / RTL_FOLDER, facts, (*project.notes, *notes))
