"""Cycles of a network on a design: a timed simulation, with its FIFOs and limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.api.arguments import SimulateArguments, SimulateKeywords
from edgemoe_gen.api.common import compile_frames, open_network
from edgemoe_gen.base.arguments import split, takes
from edgemoe_gen.base.brief import Brief
from edgemoe_gen.base.documents import json_text
from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.base.files import check_writable, write_text_whole
from edgemoe_gen.codegen import render_sources
from edgemoe_gen.design import Design
from edgemoe_gen.model import Model
from edgemoe_gen.pipeline.support.timed import time_network
from edgemoe_gen.program.compile import Program, pack_image
from edgemoe_gen.project.arguments import PROJECT, PathText, project_arguments
from edgemoe_gen.project.config import Config
from edgemoe_gen.project.early import Needs, open_checked
from edgemoe_gen.project.opening import (
    Progress,
    no_progress,
    open_design,
    open_tasks,
)
from edgemoe_gen.report.simulation import simulation_page
from edgemoe_gen.timing import sizing
from edgemoe_gen.timing.facts import TimedRun, full_facts, timing_facts
from edgemoe_gen.timing.result import TimedResult
from edgemoe_gen.timing.run import time_program
from edgemoe_gen.timing.scheduled import known_timing
from edgemoe_gen.timing.table import Timing
from edgemoe_gen.timing.trace import trace_document

if TYPE_CHECKING:
    from typing_extensions import Unpack

Float32 = NDArray[np.float32]


@dataclass(frozen=True, repr=False)
class SimulateResult(Brief):
    """Outcome of `simulate`.

    Attributes:
        design: the timed design.
        run: the timed run and its explanation.
        written: files that were written.
        notes: notes for the user on how the project was put together.
    """

    design: Design
    run: TimedRun
    written: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the run came to its end within the limits of the hardware."""
        return self.run.result.passed

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON."""
        return {
            "design": f"{self.design.identity:016x}",
            **full_facts(self.run),
            "written": [str(path) for path in self.written],
            "notes": list(self.notes),
        }


@takes(SimulateKeywords, *PROJECT, SimulateArguments)
def simulate(
    checkpoint: PathText | None = None,
    *,
    progress: Progress = no_progress,
    **keywords: Unpack[SimulateKeywords],
) -> SimulateResult:
    """Cycles of a network on a design, from the kernels themselves with clocks in them; see docs/simulate.md.

    Args:
        checkpoint: the network; without one, the typical network with random weights.
        image: pictures, one for each frame in turn; without one, noise.
        task: tasks, one frame for each, in this order, repeats included; default: a pass of the weights for the first
            task, which is one frame unless the design's `frames_per_pass` is more.
        trace: JSON file to write, for Perfetto.
        html: page to write with timeline and roofline.
        size_fifos: find the smallest depth of each FIFO that costs nothing, and write them to the project's file.
        csynth: the vendor's csynth XML, or its folder; its intervals and depths are used.
        depths: source of the depths of pipelines: "schedule", or "table".
        pipelines: behaviour of a pipeline that waits for an input: "flush" (older iterations go on) or "stall".
        ddr: rate of the memory in GB/s; default: the board's.
        efficiency: share of this rate that bursts reach; default: the board's.
        progress: called with text, steps done and steps in all.

    Raises:
        SimulationError: the timing table lacks the device, the clock or a loop; or an interval is impossible.
    """
    how, left = split(SimulateArguments, keywords)
    for path, option, suffix in ((how.trace, "--trace", ".json"), (how.html, "--html", ".html")):
        if path is not None:
            if Path(path).suffix.lower() != suffix:
                raise ConfigError(f"{option} is '{path}', but a {suffix} file is written", f"end it with {suffix}")
            check_writable(Path(path))
    arguments = project_arguments(left, checkpoint)
    project = open_checked(arguments, Needs(pictures=True, compiler=True, clock=True))
    config, notes = project.config, list(project.notes)
    model = open_network(config, notes)
    design = open_design(config, model.spec)
    timing, differences = known_timing(
        design,
        render_sources(design),
        depths=how.depths,
        pipelines=how.pipelines,
        ddr_gb_per_s=how.ddr,
        ddr_efficiency=how.efficiency,
        csynth=None if how.csynth is None else Path(how.csynth),
    )
    # The caller's own, which may repeat a task; those of the project's file are what it is built for.
    tasks = arguments.config.tasks or open_tasks(config, model.spec)[:1] * design.knobs.frames_per_pass
    program, images, network = compile_frames(config, model, design, tasks, notes, progress)
    run = time_network(program, model, network, images, timing, progress)
    run = replace(run, differences=differences)
    if how.size_fifos:
        run = replace(run, sizing=_sized(program, model, images, timing, config, notes, progress))
    written = _write(run, program.layers, how)
    return SimulateResult(design, run, written, tuple(notes))


def _sized(
    program: Program,
    model: Model,
    images: Sequence[Float32],
    timing: Timing,
    config: Config,
    notes: list[str],
    progress: Progress,
) -> sizing.Sizing:
    buffer = pack_image(program, model.spec, images)

    def run(depths: Mapping[str, int]) -> TimedResult:
        said = timing.with_depths({**timing.depths, **depths})
        flushing = time_program(program, buffer, replace(said, stalling=False), record=False)
        if not flushing.passed:
            return flushing
        # Depths must also do where synthesis makes pipelines that stall as a whole.
        stalling = time_program(program, buffer, replace(said, stalling=True), record=False)
        return flushing if stalling.passed else stalling

    least = {name: fifo.least for name, fifo in program.design.fifos.items()}
    found = sizing.size_fifos(run, least, progress=progress)
    if config.source is None:
        notes.append("there is no edgemoe.toml, so the depths are only shown: write one with edgemoe-gen init")
    else:
        sizing.write_depths(config.source, found.depths)
    return found


def _write(run: TimedRun, labels: Sequence[str], how: SimulateArguments) -> tuple[Path, ...]:
    texts: dict[Path, str] = {}
    if how.trace is not None:
        document = trace_document(run.result, labels, run.timing.clock_mhz, " + ".join(run.tasks))
        texts[Path(how.trace)] = json_text(document, None) + "\n"
    if how.html is not None:
        texts[Path(how.html)] = simulation_page(timing_facts(run))
    for path, text in texts.items():
        write_text_whole(path, text)
    return tuple(texts)
