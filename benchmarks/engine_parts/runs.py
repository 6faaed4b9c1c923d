"""Timed runs of a case, and what the main table says of each.

Every figure of time and traffic is of the tier "timed simulation", every figure of resources an "estimate".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.codegen import render_sources
from edgemoe_gen.design import Design
from edgemoe_gen.estimate.resources import estimate_resources
from edgemoe_gen.pipeline.support.frames import needed_bytes
from edgemoe_gen.pipeline.support.timed import time_network
from edgemoe_gen.program.compile import Program, compile_network, pack_image
from edgemoe_gen.program.schedule import Schedule
from edgemoe_gen.timing.facts import TimedRun
from edgemoe_gen.timing.result import TIER as TIMED
from edgemoe_gen.timing.result import TimedResult
from edgemoe_gen.timing.run import time_program
from edgemoe_gen.timing.table import Timing, load_timing
from engine_parts.cases import Case

ESTIMATE = "estimate"
FREE = 0.85  # of every resource: what a design may take so that 15% stay free
BRAM_BYTES, URAM_BYTES = 36864 // 8, 294912 // 8


@dataclass(frozen=True)
class ResourceUse:
    """One resource of a design on its board. Tier: estimate."""

    name: str
    used: int
    available: int

    @property
    def share(self) -> float:
        """Of what the board has."""
        return self.used / self.available if self.available else 0.0


@dataclass(frozen=True)
class Frame:
    """One frame of a network on its default design.

    Attributes:
        key, title, weights, tokens: of the case.
        task: of the frame.
        macs: multiply-accumulates of the network.
        unit: tokens x outputs x inputs in parallel.
        widths: bits of activations and weights.
        tail_bits: finer bits that tokens keep between layers.
        clock_mhz: clock.
        cycles, milliseconds: of the run.
        bound_milliseconds: max(MACs / MACs a cycle, weight bytes / bandwidth).
        limit: which of both that is.
        ddr_bytes: what crossed the ports; `ddr_needed` is weights + image + result.
        resources: of the design.
        memory_mib: BRAM and UltraRAM that it takes.
        targets: sentences on each target: what is asked, what is, whether it holds.
        routes: least, mean, largest number of tokens of an expert, and mean over blocks of the standard deviation.
    """

    key: str
    title: str
    weights: str
    tokens: int
    task: str
    macs: int
    unit: tuple[int, int, int]
    widths: tuple[int, int]
    tail_bits: int
    clock_mhz: float
    cycles: int
    milliseconds: float
    bound_milliseconds: float
    limit: str
    ddr_bytes: int
    ddr_needed: int
    resources: tuple[ResourceUse, ...]
    memory_mib: float
    targets: tuple[Target, ...]
    routes: tuple[int, float, int, float] | None

    @property
    def bound_ratio(self) -> float:
        """Time as a multiple of the bound."""
        return self.milliseconds / self.bound_milliseconds

    @property
    def ddr_ratio(self) -> float:
        """Traffic as a multiple of what is needed."""
        return self.ddr_bytes / self.ddr_needed

    @property
    def multipliers(self) -> int:
        """Multiply-accumulates a cycle."""
        return self.unit[0] * self.unit[1] * self.unit[2]


@dataclass(frozen=True)
class Target:
    """A bar and whether it holds."""

    what: str
    at_most: float
    found: float

    @property
    def holds(self) -> bool:
        """Whether it does."""
        return self.found <= self.at_most


@dataclass(frozen=True)
class Outcome:
    """Cycles of a run; or why the engine could not run so."""

    cycles: int
    clock_mhz: float
    fault: str = ""

    @property
    def milliseconds(self) -> float:
        """Time of the run."""
        return self.cycles / (self.clock_mhz * 1e3)


def compile_case(
    case: Case,
    design: Design,
    tasks: Sequence[str] = (),
    *,
    schedule: Schedule | None = None,
    blocks: int | None = None,
) -> Program:
    """A case's program: one frame of each task (default: one of the first), of all blocks or a prefix of them."""
    tasks = tuple(tasks) or case.spec.task_names[:1]
    return compile_network(
        design, case.model, case.network, case.formats(design), tasks, depth=blocks, schedule=schedule
    )


def time_case(
    case: Case,
    design: Design,
    tasks: Sequence[str] = (),
    *,
    schedule: Schedule | None = None,
    depths: Mapping[str, int] | None = None,
    blocks: int | None = None,
) -> Outcome:
    """Cycles of a case on a design.

    Args:
        case: network and picture.
        design: accelerator.
        tasks: of the frames; one frame of the first task by default.
        schedule: what may overlap.
        depths: of FIFOs, in place of the sources'.
        blocks: how many run.
    """
    program = compile_case(case, design, tasks, schedule=schedule, blocks=blocks)
    timing = timing_of(design, depths)
    image = pack_image(program, case.spec, [case.picture] * len(program.frames))
    try:
        result = time_program(program, image, timing, record=False)
    except SimulationError as error:
        return Outcome(0, timing.clock_mhz, error.message)
    return Outcome(result.cycles, timing.clock_mhz, fault_of(result))


def fault_of(result: TimedResult) -> str:
    """Why a run does not count: a deadlock, or a schedule that the hardware can't keep; "" where it does."""
    if result.deadlock is not None:
        return result.deadlock.sentence()
    return "" if result.passed else result.violations[0]


def timing_of(design: Design, depths: Mapping[str, int] | None = None) -> Timing:
    """Timing of a design on its board."""
    return load_timing(design, render_sources(design), depths=depths)


def time_frame(case: Case) -> Frame:
    """One frame of the first task on the default design.

    Raises:
        SimulationError: the run deadlocks or breaks a rule of the hardware.
    """
    design, task = case.design, case.spec.task_names[0]
    program = compile_case(case, design, (task,))
    run = time_network(program, case.model, case.network, [case.picture], timing_of(design))
    if fault_of(run.result):
        raise SimulationError(f"{case.title} on its default design: {fault_of(run.result)}")
    return describe_frame(case, task, run, sum(needed_bytes(program, case.network).values()))


def describe_frame(case: Case, task: str, run: TimedRun, needed: float) -> Frame:
    """The main table's figures of a timed run.

    Args:
        case: what ran.
        task: of the frame.
        run: the timed run.
        needed: bytes of weights, image and result.
    """
    design, k = case.design, case.design.knobs
    resources = resources_of(design)
    milliseconds = run.milliseconds
    bound = run.roofline.bound / (k.clock_mhz * 1e3)
    moved = sum(port.bytes for port in run.result.ports)
    asked = (
        ("ms", case.targets.milliseconds, milliseconds),
        ("x bound", case.targets.bound_ratio, milliseconds / bound),
        ("x DDR needed", case.targets.ddr_ratio, moved / needed),
        ("share of the fullest resource", FREE, max(use.share for use in resources)),
    )
    return Frame(
        key=case.key,
        title=case.title,
        weights=case.weights,
        tokens=case.spec.tokens,
        task=task,
        macs=run.roofline.macs,
        unit=(k.tokens_parallel, k.out_parallel, k.in_parallel),
        widths=(k.activation_bits, k.weight_bits),
        tail_bits=k.residual_tail_bits,
        clock_mhz=k.clock_mhz,
        cycles=run.result.cycles,
        milliseconds=milliseconds,
        bound_milliseconds=bound,
        limit=run.roofline.limit,
        ddr_bytes=moved,
        ddr_needed=round(needed),
        resources=resources,
        memory_mib=memory_mib(resources),
        targets=tuple(Target(what, limit, found) for what, limit, found in asked if limit is not None),
        routes=spread_of(case, task),
    )


def resources_of(design: Design) -> tuple[ResourceUse, ...]:
    """Resources of a design, in the order of the estimate."""
    return tuple(ResourceUse(*row) for row in estimate_resources(design).against(design.board))


def memory_mib(resources: Sequence[ResourceUse]) -> float:
    """On-chip memory that a design's BRAM and UltraRAM hold, in MiB."""
    used = {use.name: use.used for use in resources}
    return (used["BRAM36"] * BRAM_BYTES + used["URAM"] * URAM_BYTES) / 2**20


def spread_of(case: Case, task: str) -> tuple[int, float, int, float] | None:
    """Least, mean and largest number of tokens of an expert in any block, and the standard deviation within a block."""
    counts = case.routes(task)
    if not counts:
        return None
    least, largest = (int(pick(int(pick(block)) for block in counts)) for pick in (min, max))
    mean = sum(float(block.mean()) for block in counts) / len(counts)
    return least, mean, largest, sum(float(block.std()) for block in counts) / len(counts)


__all__ = ["ESTIMATE", "TIMED", "Frame", "Outcome", "ResourceUse", "Target", "time_case", "time_frame"]
