"""Cycles of a program in closed form: each operation takes as long as its slowest process, plus a start.

Weights stream while the engine computes, so a run takes the larger of both sums. Queues are taken as even. The timed
truth of stalls and FIFO levels is not here; every figure is of the tier "estimate".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgemoe_gen.arithmetic import ceil_div
from edgemoe_gen.program.compile import Program
from edgemoe_gen.program.descriptor import KINDS, OPERANDS, Operation, bit, number

START = 60  # cycles from one operation's last result to the next one's first


@dataclass(frozen=True)
class CycleEstimate:
    """Cycles of one run of a program. Tier: estimate.

    Attributes:
        by_kind: compute cycles by kind of operation.
        compute: their sum.
        weights: cycles that DDR needs to deliver all weights.
    """

    by_kind: Mapping[str, int]
    compute: int
    weights: int

    @property
    def total(self) -> int:
        """Cycles of the run: fetching and computing overlap."""
        return max(self.compute, self.weights)

    @property
    def limit(self) -> str:
        """What bounds the run: "compute" or "DDR"."""
        return "compute" if self.compute >= self.weights else "DDR"

    def milliseconds(self, clock_mhz: float) -> float:
        """Time of the run at a clock."""
        return self.total / (clock_mhz * 1e3)


def estimate_cycles(program: Program) -> CycleEstimate:
    """Estimates one run of a program on its design's board."""
    design = program.design
    board = design.board
    by_kind: dict[str, int] = {}
    experts, top_k, tokens = 1, 1, 0
    for op in program.operations:
        if op.kind == number("ROUTE"):
            experts, top_k, tokens = op.expert_end - op.expert_first, op.top_k, op.tokens
        rows = ceil_div(tokens * top_k, experts) if op.expert >= 0 else op.tokens
        name = _name(op)
        by_kind[name] = by_kind.get(name, 0) + START + _cycles(program, op, rows)
    peak = design.knobs.weight_ports * design.beat_bytes * design.knobs.clock_mhz * 1e6
    rate = min(peak, board.ddr_gb_per_s * 1e9 * board.ddr_efficiency)
    weights = round(program.weight_bytes_per_run / rate * design.knobs.clock_mhz * 1e6)
    return CycleEstimate(by_kind, sum(by_kind.values()), weights)


def _name(op: Operation) -> str:
    kind = list(KINDS)[op.kind].lower()
    if op.kind != number("PRODUCT"):
        return kind
    operand = list(OPERANDS)[op.operand].lower()
    return f"product with {'expert weights' if op.expert >= 0 else operand}"


def _cycles(program: Program, op: Operation, rows: int) -> int:
    design = program.design
    k = design.knobs
    if op.kind == number("PRODUCT"):
        blocks = ceil_div(rows, k.tokens_parallel)
        fill = op.in_words * design.operand_parts
        span = max(blocks * op.in_words, fill)
        padded = blocks * k.tokens_parallel
        operands = op.weight_beats
        if op.weight_beats == 0:
            operands = (op.out_tiles * op.in_words + 1) * max(k.out_parallel, design.operand_parts)
        return max(fill + op.out_tiles * span, operands, op.out_tiles * padded * max(1, design.out_words))
    if op.kind == number("ROUTE"):
        # Words of logits, a search at a time, with tokens padded to whole groups; then the sort, which waits for the
        # last choice: it places the experts' queues and fills them.
        padded = ceil_div(op.tokens, design.choose_tokens) * design.choose_tokens
        return padded * max(op.top_k, 2) * op.in_words + op.expert_end + op.tokens * op.top_k
    if op.kind == number("LOAD"):
        wide = op.flags & bit("WIDE")
        return op.tokens * op.in_words * k.in_parallel * (32 if wide else 16) // k.port_bits
    if op.kind in (number("STORE"), number("STORE_ROUTES")):
        return op.transfer_beats
    return rows * op.in_words
