"""Cycles of a program in closed form: the time of each operation's processes, and a run of them against memory.

The estimate is within a few percent of the timed simulation, and takes milliseconds instead of minutes. Every figure
has the tier "estimate".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgemoe_gen.estimate.engine import engine_of
from edgemoe_gen.estimate.operations import ROUTE, Key, Operations, Shape, Step, keys_of
from edgemoe_gen.estimate.stream import run
from edgemoe_gen.estimate.tabled import engine_timing
from edgemoe_gen.hardware.descriptor import Operation
from edgemoe_gen.program.compile import Program
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
        program: the compiled program.
        rows: tokens of every expert's queue, for each routing of the program in order; by default queues are even,
            since the pictures are unknown.
        timing: depths of pipelines and rate of memory; by default the table's, of the design's board and clock.

    Raises:
        SimulationError: no timing table has the board's device or the clock.
    """
    engine = engine_of(program.design, engine_timing(program.design) if timing is None else timing)
    steps = _steps(program.operations, rows, Operations(engine, mean=rows is None))
    begin, durations = run(engine, steps)
    by_kind: dict[str, float] = {}
    for step, count in Counter(steps).items():  # equal operations share a step
        by_kind[step.name] = by_kind.get(step.name, 0.0) + count * step.cycles
    rounded = {name: round(cycles) for name, cycles in by_kind.items()}
    compute = sum(rounded.values())
    started = round(begin)
    waits = max(0, round(sum(durations) - sum(by_kind.values())))
    weights = round(sum(step.beats for step in steps) / engine.rate)
    by_kind_and_waits = {**rounded, WAITS: waits, PROGRAM: started}
    return CycleEstimate(by_kind_and_waits, compute, weights, compute + waits + started)


def _steps(operations: Sequence[Operation], rows: Rows | None, times: Operations) -> list[Step]:
    """The step of every operation; equal operations before equal operations share a step."""
    routings = iter(_even_queues(operations) if rows is None else rows)
    queue: Sequence[float] = ()
    keys = keys_of(operations)
    known: dict[tuple[Key, Key | None], Step] = {}
    steps = []
    for i, pair in enumerate(zip(keys, [*keys[1:], None], strict=True)):
        step = known.get(pair)
        if step is None:
            shape = Shape(*pair[0])
            following = None if pair[1] is None else Shape(*pair[1])
            if shape.uses_queue:
                op = operations[i]
                own = queue[op.expert] if op.expert >= 0 else 0
                step = times.step(shape, following, own, queue[op.gather_expert] if op.gather_expert >= 0 else 0)
            elif shape.kind == ROUTE:
                queue = next(routings)
                step = times.step(shape, following)
            else:
                step = known[pair] = times.step(shape, following)
        steps.append(step)
    return steps


def _even_queues(operations: Sequence[Operation]) -> list[list[float]]:
    """For every routing, the mean of each expert's queue if all experts are equally likely."""
    return [
        [op.tokens * op.top_k / (op.expert_end - op.expert_first)] * op.expert_end
        for op in operations
        if op.kind == ROUTE
    ]
