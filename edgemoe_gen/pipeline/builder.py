"""`build`: project in; rendered, compiled, simulated and reported accelerator out.

Stages: render, compile, csim, report; then come synthesis and the rest, which need the vendor's tools. Everything that
can be wrong with the inputs is found before the output folder is touched.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from edgemoe_gen import __version__
from edgemoe_gen.codegen import render_sources
from edgemoe_gen.config import DEFAULT_OUTPUT, Config
from edgemoe_gen.estimate import check_fits
from edgemoe_gen.pipeline.artefacts import read_numerics, write_design, write_network
from edgemoe_gen.pipeline.kernels import check_kernels
from edgemoe_gen.pipeline.simulate import EXPECTED, simulate
from edgemoe_gen.pipeline.stages import StageResult, digest_of, digest_text, open_stages
from edgemoe_gen.program.compile import check_capacity, compile_network
from edgemoe_gen.project import (
    Numerics,
    Progress,
    no_progress,
    open_calibration,
    open_design,
    open_model,
    open_numerics,
    open_pictures,
    open_tasks,
)
from edgemoe_gen.report.document import make_document
from edgemoe_gen.report.html import write_report
from edgemoe_gen.resources import PACKAGE
from edgemoe_gen.sim.compiler import Build, compile_library, compiled
from edgemoe_gen.sim.engine import Engine

STOPPED_BEFORE = "hls"


@dataclass(frozen=True)
class BuildResult:
    """What a build left.

    Attributes:
        output: its folder.
        headline: the important thing, in one line.
        stages: as they went, in order.
        stopped_before: the stage that comes next and could not run.
        report: contents of `report.json`.
        notes: what the user should know of how the project was put together.
    """

    output: Path
    headline: str
    stages: tuple[StageResult, ...]
    stopped_before: str
    report: dict[str, Any]
    notes: tuple[str, ...] = ()


def build(
    config: Config, progress: Progress = no_progress, on_stage: Callable[[StageResult], None] = lambda _: None
) -> BuildResult:
    """Runs all stages that this machine can run.

    Args:
        config: the project.
        progress: called with text, steps done, steps in all.
        on_stage: called after each stage.

    Raises:
        EdgeMoEError: of the inputs, before anything is written; or of a stage, whose outputs then stay as they were.
    """
    work = _Work(config, progress)
    output = config.output or Path(DEFAULT_OUTPUT)
    with open_stages(output, on_stage) as stages:
        stages.run("render", work.render_inputs, ["accelerator"], work.render, ignoring=EXPECTED)
        work.accelerator = output / "accelerator"
        cached = compiled(work.sources, Build()) is not None
        stages.run("compile", digest_text(*work.sources.values()), [], work.compile, still=cached)
        stages.run("csim", work.simulation_inputs, ["csim", f"accelerator/data/{EXPECTED}"], work.simulate)
        work.simulation = output / "csim"
        stages.run("report", work.report_inputs, ["report.json", "report.html"], work.report)
        return BuildResult(output, work.document["headline"], tuple(stages.results), STOPPED_BEFORE, work.document)


class _Work:
    """The opened project, and what its stages make on the way; what no stage asks for is never made."""

    def __init__(self, config: Config, progress: Progress) -> None:
        self.config = config
        self.progress = progress
        self.model = open_model(config)
        self.design = open_design(config, self.model.spec)
        self.tasks = open_tasks(config, self.model.spec)
        check_capacity(self.design, self.model.spec)
        check_fits(self.design)
        self.pictures = open_pictures(config, self.model.spec)
        self.calibration = open_calibration(config, self.model.spec, self.pictures)
        self.accelerator = Path()
        self.simulation = Path()

    # What each stage depends on

    @cached_property
    def render_inputs(self) -> str:
        images = hashlib.sha256(b"".join(image.tobytes() for image in self.calibration)).hexdigest()
        first = hashlib.sha256(self.pictures[0].values.tobytes()).hexdigest()
        return digest_text(
            _package_digest(), digest_of([self.model.source]), self.model.spec.without_names(), self.design.knobs,
            self.design.board,
            self.design.identity, self.tasks, sorted(self.config.pinned.items()), images, first,
        )  # fmt: skip

    @cached_property
    def simulation_inputs(self) -> str:
        digest = hashlib.sha256()
        for picture in self.pictures:
            digest.update(picture.name.encode() + picture.values.tobytes())
            for name, values in picture.truth.items():
                digest.update(name.encode() + values.tobytes())
        return digest_text(self.render_inputs, digest.hexdigest())

    @property
    def report_inputs(self) -> str:
        return digest_text(
            self.simulation_inputs,
            digest_of([self.simulation]),
            self.model.spec,
            sorted(self.config.knobs),
            self.model.source,
        )

    # Things that several stages use

    @cached_property
    def sources(self) -> dict[str, str]:
        return render_sources(self.design)

    @cached_property
    def numerics(self) -> Numerics:
        return read_numerics(self.accelerator, self.model)

    @cached_property
    def document(self) -> dict[str, Any]:
        return make_document(
            self.model,
            self.design,
            self.tasks,
            self.accelerator,
            self.simulation,
            len(self.calibration),
            self.config.knobs,
        )

    # Stages

    def render(self, folder: Path) -> str:
        target = folder / "accelerator"
        write_design(self.design, target)
        self.numerics = open_numerics(
            self.config, self.model, self.design.knobs, self.calibration, self.tasks, self.progress
        )
        program = compile_network(self.design, self.model, self.numerics.network, self.numerics.formats, self.tasks)
        write_network(program, self.numerics, self.model.spec, self.pictures[0].values, target)
        return f"{len(self.sources)} sources, program of {len(program.operations):,} operations"

    def compile(self, _: Path) -> str:
        self.progress("compiling the engine", 0, 1)
        compile_library(self.sources)
        self.progress("compiling the engine", 1, 1)
        return "simulation library in the cache"

    def simulate(self, folder: Path) -> str:
        engine = Engine(self.design, compile_library(self.sources))
        kernels = check_kernels(
            engine, self.model, self.numerics, self.pictures[0].values, self.tasks[0], folder / "csim", self.progress
        )
        frames = simulate(engine, self.model, self.numerics, self.tasks, self.pictures, folder, self.progress)
        return f"{kernels}; {frames}"

    def report(self, folder: Path) -> str:
        write_report(self.document, self.simulation, self.model.spec.class_names, folder)
        return "report.html, report.json"


def _package_digest() -> str:
    """A change of the tool itself makes everything anew."""
    return digest_text(__version__, digest_of(sorted(PACKAGE.rglob("*.py"))), digest_of(sorted(PACKAGE.rglob("*.j2"))))
