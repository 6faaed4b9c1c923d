"""What the stages of a build make: the opened project, and one method a stage that fills an empty folder.

In: a project. Out: files; and the hashes of everything that a stage depends on. What no stage asks for is never made.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

from edgemoe_gen.base.documents import write_json
from edgemoe_gen.base.installed import PACKAGE, resource_folder
from edgemoe_gen.base.version import __version__
from edgemoe_gen.codegen import render_sources
from edgemoe_gen.estimate import check_fits, estimate_cycles
from edgemoe_gen.linting import lint, refuse_findings
from edgemoe_gen.overlay.package import OverlayFacts, check_name, default_name, write_overlay
from edgemoe_gen.overlay.preview import write_preview
from edgemoe_gen.overlay.programs import pass_groups, split_tasks
from edgemoe_gen.pictures.found import pixels
from edgemoe_gen.pipeline.artefacts import (
    ESTIMATE,
    ShortProgram,
    data_files,
    read_numerics,
    write_cosim,
    write_design,
    write_network,
)
from edgemoe_gen.pipeline.csim import COSIM, EXPECTED, simulate, simulate_short
from edgemoe_gen.pipeline.kernels import check_kernels
from edgemoe_gen.pipeline.simulate import FILE, not_timed, pass_facts, refuse_failed, time_network, timed_words
from edgemoe_gen.pipeline.state import digest_of, digest_text
from edgemoe_gen.program.compile import Program, check_capacity, compile_groups, compile_network
from edgemoe_gen.program.short import compile_short
from edgemoe_gen.project.config import Config
from edgemoe_gen.project.opening import (
    Numerics,
    Progress,
    open_calibration,
    open_design,
    open_hooks,
    open_model,
    open_numerics,
    open_pictures,
    open_tasks,
)
from edgemoe_gen.report.document import make_document
from edgemoe_gen.report.html import write_report
from edgemoe_gen.sim.cache import find_library
from edgemoe_gen.sim.compiler import Build, compile_library, library_name
from edgemoe_gen.sim.engine import Engine
from edgemoe_gen.timing.facts import TimedRun, timing_facts
from edgemoe_gen.timing.instrument import Instrumented
from edgemoe_gen.timing.library import timed_sources
from edgemoe_gen.timing.run import without_depths
from edgemoe_gen.timing.table import NoTableError, Timing, load_timing

SIMULATED = ("csim", f"accelerator/data/{EXPECTED}", f"accelerator/data/{COSIM}/{EXPECTED}")


class Work:
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
        self.hooks = open_hooks(config)
        self.overlay_name = config.name or default_name(self.design.board)
        check_name(self.overlay_name)
        self.accelerator = Path()
        self.simulation = Path()
        self.clock_mhz = self.design.knobs.clock_mhz  # a retry may have implemented it at a slower one
        self.done: Sequence[str] = ()
        self.stopped_before = ""
        self.failed_stage = ""
        self.timing: dict[str, Any] | None = None  # of a timed run that failed, which leaves no file

    # What each stage depends on

    @cached_property
    def render_inputs(self) -> str:
        images = hashlib.sha256(b"".join(image.tobytes() for image in self.calibration)).hexdigest()
        first = hashlib.sha256(self.pictures[0].values.tobytes()).hexdigest()
        return digest_text(
            _package_digest(), *self.sources.values(),
            digest_of([self.model.source]), self.model.weights, self.config.model.ignore or (),
            self.model.spec.without_names(), self.design.knobs,
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

    @cached_property
    def timing_inputs(self) -> str:
        depths = sorted(self.design.fifo_depths.items())
        return digest_text(self.render_inputs, depths, *self.timed_sources.sources.values())

    @property
    def lint_inputs(self) -> str:
        return digest_text(_package_digest(), *self.sources.values())

    def report_inputs(self, output: Path) -> str:
        """Depends on what earlier stages have left in the output folder, so it is asked for when they have run."""
        return digest_text(
            self.simulation_inputs,
            digest_of([self.simulation]),
            digest_of([output / FILE]) if "simulate" in self.done else json.dumps(self.timing),
            *(digest_of([output / stage]) for stage in ("hls", "cosim", "bitstream") if stage in self.done),
            self.model.spec,
            self.model.spec.image.origin,
            sorted(self.config.knobs),
            self.model.source,
            self.done,
            self.stopped_before,
            self.failed_stage,
        )

    @property
    def preview_inputs(self) -> str:
        return digest_text(
            # What `render` and `csim` leave in accelerator/data/ depends on these inputs alone.
            self.simulation_inputs, digest_of([resource_folder("templates") / "overlay"]),
            self.model.spec, self.overlay_name,
        )  # fmt: skip

    def package_inputs(self, output: Path) -> str:
        """Depends on the bitstream, so it is asked for when that has been made."""
        return digest_text(self.preview_inputs, digest_of([output / "bitstream"]), self.clock_mhz)

    # Things that several stages use

    @cached_property
    def sources(self) -> dict[str, str]:
        return render_sources(self.design, self.hooks)

    @cached_property
    def timed_sources(self) -> Instrumented:
        return timed_sources(without_depths(self.design))

    @cached_property
    def numerics(self) -> Numerics:
        return read_numerics(self.accelerator, self.model)

    @cached_property
    def program(self) -> Program:
        """All tasks, one frame each. Not before `render`, which makes the numerics."""
        return compile_network(self.design, self.model, self.numerics.network, self.numerics.formats, self.tasks)

    @cached_property
    def passes(self) -> Program | None:
        """The same network for full passes of the weights; None where a pass is one frame's."""
        full = self.design.knobs.frames_per_pass
        if full == 1:
            return None
        n = self.numerics
        return compile_groups(self.design, self.model, n.network, n.formats, pass_groups(self.tasks, full))

    @cached_property
    def short(self) -> ShortProgram:
        return compile_short(self.design)

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
            results=self.simulation.parent,
            stages=self.done,
            stopped_before=self.stopped_before,
            failed_stage=self.failed_stage or None,
            timing=self.timing,
        )

    def forget_document(self) -> None:
        """A later stage has something to add."""
        self.__dict__.pop("document", None)

    def kit_files(self, cosim: bool) -> dict[str, str | bytes]:
        """The kit as rendering writes it, path to content, without what simulation adds.

        Args:
            cosim: with the short program, which takes a while to compile.
        """
        files: dict[str, str | bytes] = {**self.sources}
        if cosim:
            files |= {f"data/{COSIM}/{name}": data for name, data in data_files(*self.short).items()}
        return files

    # Stages

    def render(self, folder: Path) -> str:
        target = folder / "accelerator"
        write_design(self.design, target, self.hooks)
        self.numerics = open_numerics(
            self.config, self.model, self.design.knobs, self.calibration, self.tasks, self.progress
        )
        write_network(self.program, self.numerics, self.model.spec, self.pictures[0].values, target)
        write_cosim(self.short, target / "data" / COSIM)
        return f"{len(self.sources)} sources, program of {len(self.program.operations):,} operations"

    def compile(self, _: Path) -> str:
        compiled: list[str] = []

        def on_compile(name: str) -> None:
            compiled.append(name)
            self.progress("compiling the engine", 0, 1)

        with ThreadPoolExecutor() as pool:  # each waits for its compilers
            timed = pool.submit(
                compile_library, self.timed_sources.sources, Build(timed=True), lambda: on_compile("timed")
            )
            compile_library(self.sources, on_compile=lambda: on_compile("plain"))
            timed.result()
        if compiled:
            self.progress("compiling the engine", 1, 1)
        found = 2 - len(compiled)
        parts = (f"{len(compiled)} compiled" if compiled else "", f"{found} found in the cache" if found else "")
        return f"simulation libraries: {', '.join(filter(None, parts))}"

    @property
    def libraries(self) -> tuple[str, ...]:
        """Names of these libraries, where they are compiled by now."""
        names = library_name(self.sources, Build()), library_name(self.timed_sources.sources, Build(timed=True))
        return tuple(name for name in names if find_library(name))

    def csim(self, folder: Path) -> str:
        engine = Engine(self.design, compile_library(self.sources))
        kernels = check_kernels(
            engine, self.model, self.numerics, self.pictures[0].values, self.tasks[0], folder / "csim", self.progress
        )
        frames = simulate(engine, self.model, self.numerics, self.program, self.pictures, folder, self.progress)
        simulate_short(engine, self.short, folder)
        return f"{kernels}; {frames}"

    def simulate(self, folder: Path) -> str:
        try:
            timing = load_timing(self.design, self.sources)
        except NoTableError as error:
            write_json(folder / FILE, not_timed(error.message))
            return f"not timed: {error.message}"
        images = [self.pictures[0].values] * len(self.tasks)
        run = time_network(self.program, self.model, self.numerics.network, images, timing, self.progress)
        facts = timing_facts(run)
        self.timing = None if run.result.passed else facts
        refuse_failed(run)
        whole = self._timed_pass(timing)
        if whole is not None:
            refuse_failed(whole)
            facts["pass"] = pass_facts(whole)
        write_json(folder / FILE, facts)
        return timed_words(run, whole)

    def _timed_pass(self, timing: Timing) -> TimedRun | None:
        """A full pass of the first task; None where that is one frame."""
        frames = self.design.knobs.frames_per_pass
        if frames == 1:
            return None
        n = self.numerics
        program = compile_network(self.design, self.model, n.network, n.formats, self.tasks[:1] * frames)
        images = [self.pictures[i % len(self.pictures)].values for i in range(frames)]
        return time_network(program, self.model, n.network, images, timing, self.progress)

    def lint(self, folder: Path) -> str:
        result = lint(self.sources)
        refuse_findings(result)
        write_json(folder / "lint.json", asdict(result))
        return f"{result.rules} rules, {result.pragmas} pragmas: no findings"

    def preview(self, folder: Path) -> str:
        write_preview(self.overlay_name, self.accelerator, folder / "preview", self.overlay_facts())
        return f"{self.overlay_name}/, for the simulated board"

    def package(self, folder: Path) -> str:
        bitstream = self.accelerator.parent / "bitstream"
        facts = self.overlay_facts()
        written = write_overlay(self.overlay_name, self.accelerator, bitstream, folder / "overlay", facts)
        return f"{written.folder.name}/ and {written.wheel.name}"

    def overlay_facts(self) -> OverlayFacts:
        """What an overlay of this project is made from, beside the accelerator's files and the bitstream."""
        picture = pixels(self.pictures[0].values, self.model.spec.image)
        times = {
            part.task: estimate_cycles(part.program).milliseconds(self.clock_mhz) for part in split_tasks(self.program)
        }
        return OverlayFacts(
            self.design, self.model.spec, self.program, self.clock_mhz, picture,
            decoders=self.model.decoders, head=self.model.head,
            estimate={"milliseconds_per_frame": times, "tier": ESTIMATE}, passes=self.passes,
        )  # fmt: skip

    def report(self, folder: Path) -> str:
        write_report(self.document, self.simulation, self.model.spec.class_names, folder)
        return "report.html, report.json"


def _package_digest() -> str:
    """A change of the tool itself makes everything anew."""
    files = sorted(path for pattern in ("*.py", "*.j2", "*.toml") for path in PACKAGE.rglob(pattern))
    return digest_text(__version__, *(path.relative_to(PACKAGE) for path in files), digest_of(files))
