"""A rough and fast estimate of a network's time on a design, for the choice of default knobs.

Every product of the network as compute cycles and weights, in the order in which they run, with all padding and
slicing; and a run of them against memory of a given rate and a weight FIFO of a given depth. `estimate` and the timed
simulation are more exact, since they use the real program of a frame.
"""

from __future__ import annotations

from collections.abc import Iterable

from edgemoe_gen.base.arithmetic import ceil_div, even_pieces
from edgemoe_gen.design.design import Design
from edgemoe_gen.design.knobs import Knobs
from edgemoe_gen.design.sizes import TAPS
from edgemoe_gen.fitting.maps import ONE_ROW, Decoder, DecoderFit, largest_decoder
from edgemoe_gen.hardware.boards import Board
from edgemoe_gen.hardware.memories import CACHE, HIDDEN
from edgemoe_gen.model import BlockSpec, ModelSpec
from edgemoe_gen.numerics.widths import DECODERS, kind_of_part
from edgemoe_gen.program.rings import Level

START = 40  # assumed: cycles until an operation's pipelines are full

Step = tuple[int, int]  # an operation: compute cycles, weight beats at every port


def steps(spec: ModelSpec, design: Design, rows: tuple[int, ...] = ONE_ROW) -> list[Step]:
    """Operations of the frames that share a pass of the weights, one by default.

    Tokens are spread evenly over experts; memories bound the size of an operation. Where a decoder runs on the engine,
    each of its convolutions makes `rows` rows at a time.
    """
    network = _Network(spec, design)
    return [*network.frames(), *network.decoder(rows)]


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


def _merged(operations: list[Step]) -> list[Step]:
    """Operations with neighbours that need no weights merged."""
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
        words = min(design.memory_depths[HIDDEN] // self.blocks, design.max_in_words)
        self.hidden = max(words * design.knobs.in_parallel, design.knobs.out_parallel)
        # A tile of keys or values comes cache_lanes rows a cycle, a tile of weights one part a cycle.
        self.cache_steps = max(design.operand_parts, design.knobs.out_parallel // design.knobs.cache_lanes)

    def frames(self) -> list[Step]:
        spec, k = self.spec, self.design.knobs
        tokens = self.count * spec.tokens
        every = [(tokens * spec.dim * 32 // k.port_bits, 0)]
        for piece in map(len, even_pieces(spec.patch_inputs, self.hidden, k.out_parallel)):
            every.append((tokens * piece * 16 // k.port_bits, 0))
            every.append(self.linear(self.rows, piece, spec.dim, "patch"))
        kinds: dict[tuple[int, int], list[Step]] = {}
        for block in spec.blocks:
            kind = (block.experts, block.hidden)
            if kind not in kinds:
                kinds[kind] = _merged(self.block(block))
            every += kinds[kind]
        return every

    def decoder(self, rows: tuple[int, ...]) -> list[Step]:
        """The largest decoder of the engine, once for each frame of the pass."""
        design, decoder = self.design, largest_decoder(self.spec, self.design.knobs)
        if decoder is None:
            return []
        known: dict[tuple[str, int, int], Step] = {}
        fit = DecoderFit(self.spec, design, decoder)
        every = []
        for what, level, count in fit.work(rows):
            key = (what, level.width, count)
            if key not in known:
                known[key] = self.of_map(what, level, count, decoder)
            every.append(known[key])
        return _merged(every) * self.count

    def of_map(self, what: str, level: Level, count: int, decoder: Decoder) -> Step:
        """An operation of a decoder that makes a number of rows."""
        design, k = self.design, self.design.knobs
        blocks, logits = count * ceil_div(level.width, self.parallel), design.words(decoder.classes)
        if what == "convolution":
            words = TAPS * level.source_words
            fill = words * design.operand_parts
            span = max(blocks * max(words, self.parallel * design.out_words), fill)
            return design.out_tiles(decoder.channels) * span + START, level.beats
        if what == "logits":
            return self.product(blocks * self.parallel, decoder.channels, decoder.classes, DECODERS)
        if what == "norm":
            return level.width * design.words(self.spec.dim) + START, 0
        if what == "resize":
            return (level.width + 2) * level.source_words + START, 0
        if not decoder.doubles:
            return blocks * self.parallel * logits * 32 * k.in_parallel // k.port_bits // 2 + START, 0
        return count * (2 * (level.width + 1) * logits + START), 0

    def block(self, block: BlockSpec) -> list[Step]:
        spec = self.spec
        norm = (self.rows * self.design.words(spec.dim) + START, 0)
        after = [norm]
        rows = self.rows
        if block.experts:
            tokens = self.count * spec.tokens
            after.append(self.linear(rows, spec.dim, block.experts, "router"))
            searches = (spec.router.top_k + 1) * self.design.words(block.experts)
            after.append((tokens * searches + START, 0))
            rows = ceil_div(tokens * spec.router.top_k, block.experts)
        return [norm, *self.attention(), *after, *self.mlp(block, rows) * max(block.experts, 1)]

    def mlp(self, block: BlockSpec, rows: int) -> list[Step]:
        first, second = ("experts", "experts") if block.experts else ("fc1", "fc2")
        return [
            step for piece in map(len, even_pieces(block.hidden, self.hidden, self.design.knobs.out_parallel))
            for step in (
                self.linear(rows, self.spec.dim, piece, first), self.linear(rows, piece, self.spec.dim, second)
            )
        ]  # fmt: skip

    def attention(self) -> list[Step]:
        spec, design = self.spec, self.design
        head = design.out_tiles(spec.head_dim) * design.knobs.out_parallel
        room = design.memory_depths[CACHE] // ceil_div(self.rows, design.knobs.cache_lanes)
        heads = max(1, min(spec.heads, room // (2 * design.words(head))))
        rows = design.memory_depths[HIDDEN] // design.padded_words(spec.tokens) * self.parallel
        every = [self.linear(self.rows, spec.dim, spec.heads * head, "query")]
        one_head = [
            step for piece in map(len, even_pieces(spec.tokens, rows, self.parallel))
            for step in (self.scores(piece, head), self.values(piece, head))
        ]  # fmt: skip
        for first in range(0, spec.heads, heads):
            count = min(heads, spec.heads - first)
            every += [self.linear(self.rows, spec.dim, count * head, part) for part in ("key", "value")]
            every += one_head * (count * self.count)
        return [*every, self.linear(self.rows, spec.heads * head, spec.dim, "projection")]

    def linear(self, rows: int, inputs: int, outputs: int, part: str) -> Step:
        """A layer, by the part of the network that its weights belong to (`numerics.widths`)."""
        return self.product(rows, inputs, outputs, kind_of_part(part))

    def product(self, rows: int, inputs: int, outputs: int, kind: str) -> Step:
        """A layer, by the kind of its weights."""
        design = self.design
        narrow = design.is_narrow(kind)
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
