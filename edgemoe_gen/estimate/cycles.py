"""Cycles of a program in closed form: what each operation's processes need, and a run of them against memory.

The timed simulation is the truth that this stands for, within a few percent; it takes milliseconds where that takes
minutes. Every figure is of the tier "estimate".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgemoe_gen.estimate.engine import engine_of
from edgemoe_gen.estimate.operations import ROUTE, Operations, Step, shapes_of, uses_queue
from edgemoe_gen.estimate.stream import run
from edgemoe_gen.estimate.tabled import engine_timing
from edgemoe_gen.program.compile import Program
from edgemoe_gen.program.descriptor import Operation
from edgemoe_gen.timing.table import Timing

WAITS = "waits for memory"
PROGRAM = "reading the program"
Rows = Sequence[Sequence[int]]


@dataclass(frozen=True)
class CycleEstimate:
    """Cycles of one run of a program. Tier: estimate.

    Attributes:
        by_kind: cycles by kind of operation, as if memory were never late; then those in which the engine waits for
            memory, and those before the first operation. Their sum is `total`.
        compute: cycles of all operations, as if memory were never late.
        weights: cycles that memory needs to deliver all weights.
        total: cycles of the run.
    """

    by_kind: Mapping[str, int]
    compute: int
    weights: int
    total: int

    @property
    def limit(self) -> str:
        """What bounds the run: "compute" or "DDR"."""
        return "compute" if self.compute >= self.weights else "DDR"

    def milliseconds(self, clock_mhz: float) -> float:
        """Time of the run at a clock."""
        return self.total / (clock_mhz * 1e3)


def estimate_cycles(program: Program, rows: Rows | None = None, timing: Timing | None = None) -> CycleEstimate:
    """Estimates one run of a program.

    Args:
        program: compiled for its design.
        rows: tokens of every expert's queue, for each routing of the program in order; by default queues are even, as
            no one knows the pictures.
        timing: depths of pipelines and rate of memory; by default the table's, of the design's board and clock.

    Raises:
        SimulationError: no timing table has the board's device or the clock.
    """
    engine = engine_of(program.design, engine_timing(program.design) if timing is None else timing)
    steps = _steps(program.operations, rows, Operations(engine))
    begin, durations = run(engine, steps)
    by_kind: dict[str, float] = {}
    for step, count in Counter(steps).items():  # equal operations share a step
        by_kind[step.name] = by_kind.get(step.name, 0.0) + count * step.cycles
    rounded = {name: round(cycles) for name, cycles in by_kind.items()}
    compute = sum(rounded.values())
    total = max(round(begin + sum(durations)), compute)
    weights = round(sum(step.beats for step in steps) / engine.rate)
    waits = total - compute - round(begin)
    return CycleEstimate({**rounded, WAITS: waits, PROGRAM: round(begin)}, compute, weights, total)


def _steps(operations: Sequence[Operation], rows: Rows | None, times: Operations) -> list[Step]:
    """The step of every operation: equal ones, before equal ones, share one."""
    routings = iter(_even_queues(operations) if rows is None else rows)
    queue: Sequence[float] = ()
    shapes = shapes_of(operations)
    steps = []
    for i, (shape, following) in enumerate(zip(shapes, [*shapes[1:], None], strict=True)):
        op = operations[i]
        if uses_queue(shape):
            own = queue[op.expert] if op.expert >= 0 else 0
            gathered = queue[op.gather_expert] if op.gather_expert >= 0 else 0
            steps.append(times.step(shape, following, own, gathered))
            continue
        if shape[0] == ROUTE:
            queue = next(routings)
        steps.append(times.step(shape, following))
    return steps


def _even_queues(operations: Sequence[Operation]) -> list[list[float]]:
    """For every routing, the mean of each expert's queue if all are as likely."""
    return [
        [op.tokens * op.top_k / (op.expert_end - op.expert_first)] * op.expert_end
        for op in operations
        if op.kind == ROUTE
    ]
