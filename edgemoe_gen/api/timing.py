"""Cycles of a network on a design: a timed simulation, and what it says of FIFOs and limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.api.common import Paths, PathText, Values, open_network, opened, said
from edgemoe_gen.base.documents import json_text
from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.base.files import check_writable, write_text_whole
from edgemoe_gen.codegen import render_sources
from edgemoe_gen.design import Design
from edgemoe_gen.model import Model, SpecOptions
from edgemoe_gen.model.random import random_picture
from edgemoe_gen.numerics.lower import LoweredNetwork
from edgemoe_gen.pictures.found import find_pictures, left_out, open_picture
from edgemoe_gen.pipeline.simulate import time_network
from edgemoe_gen.program.compile import Program, compile_network, pack_image
from edgemoe_gen.project.config import Config
from edgemoe_gen.project.early import Needs
from edgemoe_gen.project.opening import (
    Progress,
    no_progress,
    open_calibration,
    open_design,
    open_numerics,
    open_tasks,
)
from edgemoe_gen.report.simulation import simulation_page
from edgemoe_gen.timing import sizing
from edgemoe_gen.timing.facts import TimedRun, full_facts, timing_facts
from edgemoe_gen.timing.result import TimedResult
from edgemoe_gen.timing.run import time_program
from edgemoe_gen.timing.table import Timing, load_timing
from edgemoe_gen.timing.trace import trace_document
from edgemoe_gen.timing.vendor import with_csynth

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class SimulateResult:
    """Outcome of `simulate`.

    Attributes:
        design: what was timed.
        run: the timed run and its explanation.
        written: files that were written.
        notes: what the user should know of how the project was put together.
    """

    design: Design
    run: TimedRun
    written: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether it ran to its end within what the hardware can do."""
        return self.run.result.passed

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON."""
        return {
            "design": f"{self.design.identity:016x}",
            **full_facts(self.run),
            "written": [str(path) for path in self.written],
            "notes": list(self.notes),
        }


def simulate(
    checkpoint: PathText | None = None,
    *,
    spec: PathText | None = None,
    options: SpecOptions | None = None,
    config: PathText | None = None,
    board: str | None = None,
    knobs: Values | None = None,
    image: Paths = (),
    calibrate: Paths = (),
    task: Sequence[str] = (),
    trace: PathText | None = None,
    html: PathText | None = None,
    size_fifos: bool = False,
    csynth: PathText | None = None,
    ddr: float | None = None,
    efficiency: float | None = None,
    progress: Progress = no_progress,
) -> SimulateResult:
    """Cycles of a network on a design, from the kernels themselves with clocks in them; see docs/simulate.md.

    Args:
        checkpoint: the network; without one, the typical one with random weights.
        image: pictures, one a frame in turn; without one, noise.
        task: one frame each, in this order, repeats included; default: a pass of the weights for the first, which is
            one frame unless the design's `frames_per_pass` is more.
        trace: JSON file to write that Perfetto opens.
        html: page to write with timeline and roofline.
        size_fifos: find the smallest depth of each FIFO that costs nothing, and write them to the project's file.
        csynth: the vendor's csynth XML, or its folder; replaces the table's intervals and depths.
        ddr: rate of the memory in GB/s; default: the board's.
        efficiency: share of it that bursts reach; default: the board's.

    Raises:
        SimulationError: the timing table does not know the device, the clock or a loop; or an interval is impossible.
    """
    for path, option, suffix in ((trace, "--trace", ".json"), (html, "--html", ".html")):
        if path is not None:
            if Path(path).suffix.lower() != suffix:
                raise ConfigError(f"{option} is '{path}', but a {suffix} file is written", f"end it with {suffix}")
            check_writable(Path(path))
    project = opened(
        said(checkpoint, options, board, knobs, image, calibrate, task=task),
        spec,
        config,
        Needs(pictures=True, compiler=True),
    )
    words, notes = project.config, list(project.notes)
    model = open_network(words, notes)
    design = open_design(words, model.spec)
    timing = load_timing(design, render_sources(design), ddr_gb_per_s=ddr, ddr_efficiency=efficiency)
    timing, differences = (timing, ()) if csynth is None else with_csynth(timing, Path(csynth))
    tasks = tuple(task) or open_tasks(words, model.spec)[:1] * design.knobs.frames_per_pass
    program, images, network = _compiled(words, model, design, tasks, notes, progress)
    run = time_network(program, model, network, images, timing, progress)
    run = replace(run, differences=differences)
    if size_fifos:
        run = replace(run, sizing=_sized(program, model, images, timing, words, notes, progress))
    written = _write(run, program.layers, trace, html)
    return SimulateResult(design, run, written, tuple(notes))


def _compiled(
    words: Config, model: Model, design: Design, tasks: Sequence[str], notes: list[str], progress: Progress
) -> tuple[Program, list[Float32], LoweredNetwork]:
    for name in tasks:
        model.spec.task_index(name)
    if words.images:
        notes += left_out(words.images)
        found = find_pictures(words.images)[: len(tasks)]
        pictures = [open_picture(path, model.spec.image).values for path in found]
    else:
        pictures = [random_picture(model.spec)]
        notes.append("no picture is named, so noise is routed: give --image for the routes of a real one")
    calibration = open_calibration(words, model.spec, ()) if words.calibrate else pictures
    numerics = open_numerics(words, model, design.knobs, calibration, tuple(dict.fromkeys(tasks)), progress)
    program = compile_network(design, model, numerics.network, numerics.formats, tasks)
    return program, [pictures[i % len(pictures)] for i in range(len(tasks))], numerics.network


def _sized(
    program: Program,
    model: Model,
    images: Sequence[Float32],
    timing: Timing,
    words: Config,
    notes: list[str],
    progress: Progress,
) -> sizing.Sizing:
    buffer = pack_image(program, model.spec, images)

    def run(depths: Mapping[str, int]) -> TimedResult:
        return time_program(program, buffer, timing.with_depths({**timing.depths, **depths}), record=False)

    least = {name: fifo.least for name, fifo in program.design.fifos.items()}
    found = sizing.size_fifos(run, least, progress=progress)
    if words.source is None:
        notes.append("there is no edgemoe.toml, so the depths are only shown: write one with edgemoe-gen init")
    else:
        sizing.write_depths(words.source, found.depths)
    return found


def _write(run: TimedRun, labels: Sequence[str], trace: PathText | None, html: PathText | None) -> tuple[Path, ...]:
    texts: dict[Path, str] = {}
    if trace is not None:
        document = trace_document(run.result, labels, run.timing.clock_mhz, " + ".join(run.tasks))
        texts[Path(trace)] = json_text(document, None) + "\n"
    if html is not None:
        texts[Path(html)] = simulation_page(timing_facts(run))
    for path, text in texts.items():
        write_text_whole(path, text)
    return tuple(texts)
