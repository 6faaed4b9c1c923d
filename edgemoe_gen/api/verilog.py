"""`rtl`: the Verilog of a design, its simulation, and its open synthesis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgemoe_gen.api.arguments import RtlArguments, RtlKeywords
from edgemoe_gen.api.common import compile_frames, open_network
from edgemoe_gen.base.arguments import split, takes
from edgemoe_gen.base.brief import Brief
from edgemoe_gen.base.build_files import RTL_FOLDER
from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.base.names import meant
from edgemoe_gen.codegen import render_sources
from edgemoe_gen.codegen.synthesis import budget_ns
from edgemoe_gen.design import Design
from edgemoe_gen.estimate.synthesised import PROCESSES, compare, processes_of, synthesise_process
from edgemoe_gen.estimate.synthesised import Compared as Estimated
from edgemoe_gen.model import Model
from edgemoe_gen.pipeline.rtl import generate_rtl_folder
from edgemoe_gen.program.compile import Program, pack_image
from edgemoe_gen.program.pack import Bytes
from edgemoe_gen.program.short import compile_short
from edgemoe_gen.project.arguments import PROJECT, PathText, ProjectArguments, project_arguments
from edgemoe_gen.project.config import DEFAULT_OUTPUT, Config
from edgemoe_gen.project.early import Needs, open_checked
from edgemoe_gen.project.opening import Progress, no_progress, open_design, open_model, open_tasks
from edgemoe_gen.rtl.against_csim import Compared, memory_of, need_simulator, run_against_csim, waves_of
from edgemoe_gen.rtl.compile import compile_kernels
from edgemoe_gen.rtl.synthesis import TIER as SYNTHESIS
from edgemoe_gen.rtl.synthesis import Synthesis, need_yosys
from edgemoe_gen.scheduling.compiler import need_compiler

if TYPE_CHECKING:
    from typing_extensions import Unpack

ALL = "all"  # processes


@dataclass(frozen=True, repr=False)
class RtlResult(Brief):
    """Outcome of `rtl`.

    Attributes:
        design: the design of the Verilog.
        folder: folder of the Verilog.
        facts: facts of its modules, as in `rtl.json`.
        simulation: Verilator's result beside C simulation; None without `simulate`.
        synthesis: Yosys' counts of the chosen processes.
        compared: these counts beside the estimate of the same parts.
        notes: notes for the user.
    """

    design: Design
    folder: Path
    facts: dict[str, Any]
    simulation: Compared | None = None
    synthesis: tuple[Synthesis, ...] = ()
    compared: tuple[Estimated, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the simulation, if any, gave the bytes of C simulation."""
        return self.simulation is None or self.simulation.passed

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON."""
        return {
            **self.facts,
            "folder": str(self.folder),
            "simulation": None if self.simulation is None else self.simulation.document(),
            "synthesis": {
                "tier": SYNTHESIS,
                "processes": [{**asdict(one), "luts": one.luts} for one in self.synthesis],
                "compared": [
                    {**asdict(row), "ratio": row.ratio, "ratio_with_between": row.ratio_with_between}
                    for row in self.compared
                ],
            }
            if self.synthesis
            else None,
            "notes": list(self.notes),
        }


@takes(RtlKeywords, *PROJECT, RtlArguments)
def rtl(
    checkpoint: PathText | None = None, *, progress: Progress = no_progress, **keywords: Unpack[RtlKeywords]
) -> RtlResult:
    """Writes a design's kernels as SystemVerilog to OUTPUT/rtl, and simulates them; see docs/rtl.md.

    Args:
        checkpoint: the network of the design; without one the knobs give its sizes.
        output: folder to write to; default: that of the project, or "build".
        force: move OUTPUT/rtl to rtl.edited-N where files in it were changed or added by hand; otherwise it is refused.
        simulate: run a program with Verilator and in C simulation, and compare every byte.
        image: pictures of the simulated frames, in turn; without one a short program runs.
        calibrate: pictures for choosing binary points; default: those of `image`.
        task: tasks, one frame for each, in this order, repeats included; default: a full pass of the weights for the
            first task.
        latency: cycles from a request to its first beat; default: that of the timed simulation.
        ready: percentage of the cycles in which a bus moves.
        seed: seed of these cycles, and of registers without an initial value.
        trace: VCD file to write.
        trace_cycles: cycles of the run to trace: "FROM:TO", "FROM:" or ":TO".
        synthesise: a process, or "all", for Yosys to synthesise.
        progress: called with text, steps done and steps in all.

    Raises:
        ConfigError: a package is not installed, or files in the folder are not of our making.
        SimulationError: a kernel has a form without hardware; names file and line.
    """
    how, left = split(RtlArguments, keywords)
    arguments = project_arguments(left, checkpoint)
    _refuse_contradictions(how, arguments.config)
    waves = None if how.trace is None else waves_of(Path(how.trace), how.trace_cycles)
    if how.simulate:
        need_simulator()
    _check_process(how.synthesise)
    project = open_checked(arguments, Needs(output=True, pictures=bool(arguments.config.images), compiler=how.simulate))
    need_compiler("Verilog", "rtl")
    config, notes = project.config, list(project.notes)
    model = open_model(config) if config.checkpoint is not None else None
    if model is None and arguments.config.images:
        model = open_network(config, notes)
    design = open_design(config, None if model is None else model.spec)
    wanted = _processes(design, how.synthesise)
    sources = render_sources(design)
    memory = memory_of(design, sources, how.latency, how.ready, how.seed)
    program = _program(arguments, config, model, design, notes, progress) if how.simulate else None
    output = config.output or Path(DEFAULT_OUTPUT)
    verilog, facts, moved = generate_rtl_folder(design, sources, output, progress, how.force)
    notes += moved
    found = None
    if program is not None:
        found = run_against_csim(verilog, facts["top"], *program, memory, waves=waves, progress=progress)
    made = _synthesised(design, sources, wanted, progress)
    compared = compare(design, made) if made else ()
    return RtlResult(design, output / RTL_FOLDER, facts, found, tuple(made.values()), compared, tuple(notes))


def _refuse_contradictions(how: RtlArguments, said: Config) -> None:
    """Refuses options that only a simulation reads, where none is asked for."""
    given: Mapping[str, object] = {
        "--image": said.images,
        "--calibrate": said.calibrate,
        "--task": said.tasks,
        "--trace": how.trace,
        "--latency": how.latency is not None,
        "--ready": how.ready != RtlArguments.ready,
        "--seed": how.seed != RtlArguments.seed,
    }
    named = [name for name, value in given.items() if value]
    if named and not how.simulate:
        verb = "says" if len(named) == 1 else "say"
        raise ConfigError(f"{' and '.join(named)} {verb} how to simulate, but nothing is simulated", "add --simulate")
    if how.trace_cycles is not None and how.trace is None:
        raise ConfigError("--trace-cycles says what to trace, but there is no file for it", "add --trace FILE.vcd")
    for name, value in (("--task", said.tasks), ("--calibrate", said.calibrate)):
        if value and not said.images:
            raise ConfigError(f"{name} is given without a picture, and the short program takes none", "add --image")


def _check_process(named: str | None) -> None:
    """Refuses a name that is no process, before any file is read.

    Raises:
        ConfigError: there is no such process, or Yosys is not installed.
    """
    if named is None:
        return
    if named != ALL and named not in PROCESSES:
        hint = f"{meant(named, PROCESSES)}processes are {', '.join(PROCESSES)}; or say {ALL}"
        raise ConfigError(f"there is no process '{named}'", hint)
    need_yosys()


def _processes(design: Design, named: str | None) -> tuple[str, ...]:
    """Processes to synthesise.

    Raises:
        ConfigError: the design has no such process.
    """
    there = processes_of(design)
    if named is not None and named != ALL and named not in there:
        raise ConfigError(
            f"the design has no process '{named}': its max_experts is 0", f"its processes are {', '.join(there)}"
        )
    return () if named is None else there if named == ALL else (named,)


def _synthesised(
    design: Design, sources: Mapping[str, str], wanted: Sequence[str], progress: Progress
) -> dict[str, Synthesis]:
    if not wanted:
        return {}
    kernels = compile_kernels(sources, design.board.part, budget_ns(design.knobs.clock_mhz))
    return {name: synthesise_process(kernels, name, progress) for name in wanted}


def _program(
    arguments: ProjectArguments, config: Config, model: Model | None, design: Design, notes: list[str],
    progress: Progress,
) -> tuple[Program, Bytes, str]:  # fmt: skip
    """The simulated program, its pictures as they lie in memory, and a description."""
    if model is None or not arguments.config.images:
        program, spec, image = compile_short(design)
        return program, pack_image(program, spec, [image] * len(program.frames)), "the short program"
    # The caller's own, which may repeat a task; those of the project's file are what it is built for.
    tasks: Sequence[str] = arguments.config.tasks or open_tasks(config, model.spec)[:1] * design.knobs.frames_per_pass
    program, images, _ = compile_frames(config, model, design, tasks, notes, progress)
    words = " + ".join(tasks) if len(tasks) < 5 else f"{len(tasks)} frames"
    return program, pack_image(program, model.spec, images), words
