"""The ablation: each technique of the engine switched off, one at a time, everything else as it is.

A technique is switched off by the program's schedule, by the depth of a FIFO or by a knob; where a design does not use
it anyway, its row says so. Times are of the tier "timed simulation", but for one row that is a formula.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from edgemoe_gen.design import Design, make_design
from edgemoe_gen.fitting.defaults import default_knobs
from edgemoe_gen.program.schedule import Schedule
from engine_parts.cases import Case
from engine_parts.runs import ESTIMATE, TIMED, Outcome, time_case

LEAST_FIFO = 2  # of hls::stream (UG1399): a weight FIFO that holds nothing ahead
FEW_ORDERS = 4  # operations that fetching knows ahead
UNIT = {"tokens_parallel": 4, "out_parallel": 16, "in_parallel": 16}


@dataclass(frozen=True)
class Technique:
    """One row: what is switched off or turned.

    Attributes:
        key: name in JSON.
        off: what the row runs, in words.
        schedule, depths, knobs: how.
        chosen: knobs that the tool chooses the others for, where a design has to change as a whole.
        all_experts: every token goes through every expert.
    """

    key: str
    off: str
    schedule: Schedule | None = None
    depths: Mapping[str, int] = field(default_factory=dict)
    knobs: Mapping[str, int] = field(default_factory=dict)
    chosen: Mapping[str, int] = field(default_factory=dict)
    all_experts: bool = False

    def design(self, case: Case) -> Design | None:
        """The design that it runs on; None where nothing would change."""
        if self.chosen:
            knobs = default_knobs(case.spec, case.board, {**case.turned, **self.chosen})
        else:
            knobs = case.knobs.turned(dict(self.knobs))
        if self.all_experts:
            most = max(block.experts for block in case.spec.blocks)
            knobs = knobs.turned({"max_top_k": max(knobs.max_top_k, most)})
        changes = knobs != case.knobs or self.schedule is not None or self.depths
        return make_design(knobs, case.board) if changes or self.all_experts else None


TECHNIQUES = (
    Technique("operands_ahead", "operands do not come during the operation before", Schedule(operands_ahead=False)),
    Technique("gather_beside", "tokens of an expert gathered before it, not beside", Schedule(gather_beside=False)),
    Technique("weights_ahead", f"weight FIFOs of {LEAST_FIFO} elements", depths={"weights": LEAST_FIFO}),
    Technique("orders_ahead", f"{FEW_ORDERS} operations known ahead", depths={"orders": FEW_ORDERS}),
    Technique("fill_beats", "one beat a weight port and cycle into the unit", knobs={"fill_beats": 1}),
    Technique("score_rows", "one row of scores a cycle", knobs={"score_rows": 1}),
    Technique("cache_lanes", "one token's keys or values a cycle", knobs={"cache_lanes": 1}),
    Technique(
        "all_of_these",
        "all of the above at once",
        Schedule(operands_ahead=False, gather_beside=False),
        {"weights": LEAST_FIFO, "orders": FEW_ORDERS},
        {"fill_beats": 1, "score_rows": 1, "cache_lanes": 1},
    ),
    Technique("queues", "every token through every expert", all_experts=True),
    Technique("unit", "a unit of 4 x 16 x 16 MACs", chosen=UNIT),
    Technique("weight_bits", "weights of 8 bits", knobs={"weight_bits": 8}),
)


@dataclass(frozen=True)
class Ablated:
    """One technique on one network.

    Attributes:
        key, off: of the technique.
        milliseconds: without it; None where it does not apply or can't run.
        change: of the time, as a share: 0.1 is 10% longer.
        why: where there is no time, the reason.
        tier: of the time.
    """

    key: str
    off: str
    milliseconds: float | None
    change: float | None
    why: str = ""
    tier: str = TIMED


@dataclass(frozen=True)
class Ablation:
    """All rows of one network; `blocks` of it ran, `milliseconds` with everything on."""

    case: str
    title: str
    blocks: int
    of_blocks: int
    milliseconds: float
    rows: tuple[Ablated, ...]


Parallel = Callable[[Sequence[Callable[[], Any]]], list[Any]]


def ablate(case: Case, parallel: Parallel, techniques: Sequence[Technique] = TECHNIQUES) -> Ablation:
    """Times a case with everything on, then with each technique off.

    Args:
        case: the network; the first `ablated_blocks` of its blocks run.
        parallel: runs functions, perhaps side by side, and gives their results in order.
        techniques: rows.
    """
    blocks = case.ablated_blocks or case.spec.depth
    designs = [technique.design(case) for technique in techniques]
    jobs: list[Callable[[], Outcome | None]] = [lambda: time_case(case, case.design, blocks=blocks)]
    for technique, design in zip(techniques, designs, strict=True):
        jobs.append(lambda technique=technique, design=design: _time(case, technique, design, blocks))  # type: ignore[misc]
    base, *outcomes = parallel(jobs)
    rows = [_row(technique, base, outcome) for technique, outcome in zip(techniques, outcomes, strict=True)]
    if case.spec.moe_blocks:
        rows.append(_token_by_token(case, blocks, base))
    return Ablation(case.key, case.title, blocks, case.spec.depth, base.milliseconds, tuple(rows))


def _time(case: Case, technique: Technique, design: Design | None, blocks: int) -> Outcome | None:
    if design is None:
        return None
    run = _through_all_experts(case) if technique.all_experts else case
    return time_case(run, design, schedule=technique.schedule, depths=technique.depths, blocks=blocks)


def _row(technique: Technique, base: Outcome, outcome: Outcome | None) -> Ablated:
    if outcome is None:
        return Ablated(technique.key, technique.off, None, None, "the design is so already")
    if outcome.fault:
        return Ablated(technique.key, technique.off, None, None, outcome.fault)
    return Ablated(technique.key, technique.off, outcome.milliseconds, outcome.cycles / base.cycles - 1)


def _through_all_experts(case: Case) -> Case:
    """The same weights and formats, each token sent to all experts: what dense execution of the experts costs.

    The scores of a softmax over all experts need no change for that, so values stay in their ranges.
    """
    most = max(block.experts for block in case.spec.blocks)
    spec = replace(case.spec, router=replace(case.spec.router, top_k=most))
    changed = replace(case, model=replace(case.model, spec=spec))
    # Calibration is the original's: it is about the same tensors.
    changed.__dict__["seen"] = case.seen
    changed.__dict__["network"] = replace(case.network, spec=spec)
    return changed


def _token_by_token(case: Case, blocks: int, base: Outcome) -> Ablated:
    """Without any reordering: each token fetches its experts' weights. Only DDR's time for these counts: a formula."""
    spec, bits = case.spec, case.knobs.weight_bits
    weights = sum(
        2 * spec.dim * block.hidden + block.hidden + spec.dim for block in spec.blocks[:blocks] if block.experts
    )
    moved = spec.tokens * spec.router.top_k * weights * bits / 8
    milliseconds = moved / (case.board.ddr_gb_per_s * case.board.ddr_efficiency * 1e6)
    return Ablated(
        "reordering", "tokens in order, each fetches its experts' weights (at least)", milliseconds,
        milliseconds / base.milliseconds - 1, tier=ESTIMATE,
    )  # fmt: skip
