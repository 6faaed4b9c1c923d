"""How long a network takes on a design, roughly and fast: what default knobs are chosen by.

Every product of the network as compute cycles and weights, in the order in which they run, with all padding and
slicing; and a run of them against memory of a given rate and a weight FIFO of a given depth. Of a frame as it is really
programmed and timed, `estimate` and the timed simulation tell more.
"""

from __future__ import annotations

from collections.abc import Iterable

from edgemoe_gen.base.arithmetic import ceil_div
from edgemoe_gen.design.design import Design
from edgemoe_gen.design.knobs import Knobs
from edgemoe_gen.hardware.boards import Board
from edgemoe_gen.model import BlockSpec, ModelSpec
from edgemoe_gen.numerics.widths import ATTENTION, EXPERTS, MLP

START = 40  # assumed: cycles until an operation's pipelines are full

Step = tuple[int, int]  # an operation: compute cycles, weight beats at every port


def steps(spec: ModelSpec, design: Design) -> list[Step]:
    """Operations of the frames that share a pass of the weights, one by default.

    Tokens are spread evenly over experts; memories bound how much is done at once.
    """
    return _Network(spec, design).frames()


def expert_beats(spec: ModelSpec, design: Design) -> int:
    """Beats of the weights of the largest expert at every port; 0 without experts."""
    network = _Network(spec, design)
    return max((weight_beats(network.mlp(block, 1)) for block in spec.blocks if block.experts), default=0)


def compute_cycles(operations: Iterable[Step]) -> int:
    """Cycles of operations whose weights never let them wait."""
    return sum(cycles for cycles, _ in operations)


def weight_beats(operations: Iterable[Step]) -> int:
    """Beats of weights at every port."""
    return sum(beats for _, beats in operations)


def beats_per_cycle(knobs: Knobs, board: Board) -> float:
    """Beats that memory brings to every weight port in a cycle, at most one."""
    bytes_per_cycle = board.ddr_gb_per_s * board.ddr_efficiency * 1e3 / knobs.clock_mhz
    return min(1.0, bytes_per_cycle / (knobs.weight_ports * knobs.port_bits / 8))


def frame_cycles(operations: Iterable[Step], rate: float, fifo_beats: float) -> float:
    """Cycles of a frame while weights stream at `rate` beats a cycle into FIFOs of `fifo_beats`."""
    time = level = 0.0
    for cycles, beats in operations:
        # An operation ends when it has computed and all its weights have come.
        took: float = cycles
        if level + rate * cycles < beats:
            took = (beats - level) / rate
        level += rate * took - beats
        if level > fifo_beats:
            level = fifo_beats
        time += took
    return time


def pieces(columns: int, most: int, multiple: int) -> list[int]:
    """Sizes of even pieces of at most `most` columns, each but the last a multiple of `multiple`."""
    count = ceil_div(columns, max(most // multiple, 1) * multiple)
    size = ceil_div(columns, count * multiple) * multiple
    return [min(size, columns - start) for start in range(0, columns, size)]


def _merged(operations: list[Step]) -> list[Step]:
    """The same with neighbours that need no weights in one."""
    merged: list[Step] = []
    for cycles, beats in operations:
        if merged and beats == 0 == merged[-1][1]:
            merged[-1] = (merged[-1][0] + cycles, 0)
        else:
            merged.append((cycles, beats))
    return merged


class _Network:
    def __init__(self, spec: ModelSpec, design: Design) -> None:
        self.spec = spec
        self.design = design
        self.parallel = design.knobs.tokens_parallel
        self.count = design.knobs.frames_per_pass
        self.rows = design.pass_rows(spec.tokens)
        self.blocks = ceil_div(self.rows, self.parallel)
        words = min(design.memory_depths["hidden"] // self.blocks, design.max_in_words)
        self.hidden = max(words * design.knobs.in_parallel, design.knobs.out_parallel)
        # A tile of keys or values comes cache_lanes rows a cycle, a tile of weights one part a cycle.
        self.cache_steps = max(design.operand_parts, design.knobs.out_parallel // design.knobs.cache_lanes)

    def frames(self) -> list[Step]:
        spec, k = self.spec, self.design.knobs
        tokens = self.count * spec.tokens
        every = [(tokens * spec.dim * 32 // k.port_bits, 0)]
        for piece in pieces(spec.patch_inputs, self.hidden, k.out_parallel):
            every.append((tokens * piece * 16 // k.port_bits, 0))
            every.append(self.linear(self.rows, piece, spec.dim))
        kinds: dict[tuple[int, int], list[Step]] = {}
        for block in spec.blocks:
            kind = (block.experts, block.hidden)
            if kind not in kinds:
                kinds[kind] = _merged(self.block(block))
            every += kinds[kind]
        return every

    def block(self, block: BlockSpec) -> list[Step]:
        spec = self.spec
        norm = (self.rows * self.design.words(spec.dim) + START, 0)
        after = [norm]
        rows = self.rows
        if block.experts:
            tokens = self.count * spec.tokens
            after.append(self.linear(rows, spec.dim, block.experts))
            searches = (spec.router.top_k + 1) * self.design.words(block.experts)
            after.append((tokens * searches + START, 0))
            rows = ceil_div(tokens * spec.router.top_k, block.experts)
        return [norm, *self.attention(), *after, *self.mlp(block, rows) * max(block.experts, 1)]

    def mlp(self, block: BlockSpec, rows: int) -> list[Step]:
        narrow = self.design.is_narrow(EXPERTS if block.experts else MLP)
        return [
            step for piece in pieces(block.hidden, self.hidden, self.design.knobs.out_parallel)
            for step in (
                self.linear(rows, self.spec.dim, piece, narrow), self.linear(rows, piece, self.spec.dim, narrow)
            )
        ]  # fmt: skip

    def attention(self) -> list[Step]:
        spec, design = self.spec, self.design
        head = design.out_tiles(spec.head_dim) * design.knobs.out_parallel
        room = design.memory_depths["cache"] // ceil_div(self.rows, design.knobs.cache_lanes)
        heads = max(1, min(spec.heads, room // (2 * design.words(head))))
        rows = design.memory_depths["hidden"] // design.padded_words(spec.tokens) * self.parallel
        narrow = design.is_narrow(ATTENTION)
        every = [self.linear(self.rows, spec.dim, spec.heads * head, narrow)]
        one_head = [
            step for piece in pieces(spec.tokens, rows, self.parallel)
            for step in (self.scores(piece, head), self.values(piece, head))
        ]  # fmt: skip
        for first in range(0, spec.heads, heads):
            count = min(heads, spec.heads - first)
            every += [self.linear(self.rows, spec.dim, count * head, narrow)] * 2
            every += one_head * (count * self.count)
        return [*every, self.linear(self.rows, spec.heads * head, spec.dim, narrow)]

    def linear(self, rows: int, inputs: int, outputs: int, narrow: bool = False) -> Step:
        design = self.design
        words, tiles, blocks = design.words(inputs), design.out_tiles(outputs), ceil_div(rows, self.parallel)
        fill = words * design.operand_parts
        # A row of results is rounded and stored a word a cycle.
        span = max(blocks * max(words, self.parallel * design.out_words), fill)
        beats = tiles * (design.bias_steps + design.weight_steps(words, narrow)) * design.knobs.fill_beats
        return tiles * span + START, beats

    def scores(self, rows: int, head: int) -> Step:
        design = self.design
        words, tiles, blocks = design.words(head), design.out_tiles(self.spec.tokens), ceil_div(rows, self.parallel)
        return tiles * max(
            blocks * max(words, design.out_words * design.score_groups), words * self.cache_steps
        ) + START, 0

    def values(self, rows: int, head: int) -> Step:
        design = self.design
        words, tiles, blocks = design.words(self.spec.tokens), design.out_tiles(head), ceil_div(rows, self.parallel)
        span = blocks * max(words, self.parallel * design.out_words)
        return tiles * max(span, words * self.cache_steps) + START, 0
