"""What switching the task costs, and what twice as many experts cost. Tier: timed simulation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.fitting.defaults import default_knobs
from engine_parts.ablation import Parallel
from engine_parts.cases import Case, with_experts, with_shared_router
from engine_parts.runs import Outcome, ResourceUse, compile_case, memory_mib, resources_of, time_case


@dataclass(frozen=True)
class Switch:
    """Cycles of programs of two tasks A and B.

    Attributes:
        title, tasks: of the network; A and B.
        one: a frame of A.
        same: two frames of A. `other`: of B.
        there, back: A then B; B then A.
        alike_same, alike_there: A then A, and A then B, where both routers hold the same weights.
    """

    title: str
    tasks: tuple[str, str]
    one: int
    same: int
    other: int
    there: int
    back: int
    alike_same: int
    alike_there: int

    @property
    def extra(self) -> float:
        """Cycles of a switch: those of both orders against two frames of either task, over two switches."""
        return (self.there + self.back - self.same - self.other) / 2

    @property
    def extra_alike(self) -> int:
        """Cycles of a switch between tasks that route alike: nothing but the switch differs."""
        return self.alike_there - self.alike_same


@dataclass(frozen=True)
class Experts:
    """A network with so many experts a layer, on the design of the least number.

    Attributes:
        experts: a layer.
        cycles, milliseconds: of a frame.
        weight_bytes: that a frame fetches.
        weight_milliseconds: that DDR takes for them.
        resources: of the design that the tool chooses for this number.
        memory_mib: BRAM and UltraRAM of it.
        same_design: whether that is the design of the least number.
    """

    experts: int
    cycles: int
    milliseconds: float
    weight_bytes: int
    weight_milliseconds: float
    resources: tuple[ResourceUse, ...]
    memory_mib: float
    same_design: bool


def time_switch(case: Case, parallel: Parallel) -> Switch:
    """Times all orders of the first and the last task.

    Raises:
        SimulationError: a run deadlocks or breaks a rule of the hardware.
    """
    alike = with_shared_router(case)
    a, b = case.spec.task_names[0], case.spec.task_names[-1]
    wanted = [(case, (a,)), (case, (a, a)), (case, (b, b)), (case, (a, b)), (case, (b, a))]
    wanted += [(alike, (a, a)), (alike, (a, b))]
    _ = case.network, alike.network  # once, not in every thread
    cycles = [_checked(outcome) for outcome in parallel([_job(*pair) for pair in wanted])]
    return Switch(case.title, (a, b), *cycles)


def _job(case: Case, tasks: Sequence[str]) -> Callable[[], Outcome]:
    return lambda: time_case(case, case.design, tasks)


def _checked(outcome: Outcome) -> int:
    if outcome.fault:
        raise SimulationError(outcome.fault)
    return outcome.cycles


def time_experts(case: Case, counts: Sequence[int]) -> tuple[Experts, ...]:
    """The same network with other numbers of experts, all of random weights with balanced routers.

    Args:
        case: shape of the network.
        counts: experts a layer, the least first.
    """
    rows = []
    design = with_experts(case, counts[0]).design
    for count in counts:
        grown = with_experts(case, count)
        program = compile_case(grown, design)
        cycles = _checked(time_case(grown, design))
        own = default_knobs(grown.spec, grown.board, dict(grown.turned))
        resources = resources_of(grown.design)
        rate = case.board.ddr_gb_per_s * case.board.ddr_efficiency * 1e6
        rows.append(
            Experts(
                count, cycles, cycles / (design.knobs.clock_mhz * 1e3), program.weight_bytes_per_run,
                program.weight_bytes_per_run / rate, resources, memory_mib(resources), own == design.knobs,
            )
        )  # fmt: skip
    return tuple(rows)
