"""Resources of a design, counted by rules that `docs/resources.md` lists with their sources. Tier: estimate.

DSP: one for every piece of 27 x 18 bits of a product (UG579), but none for the small products inside table look-ups,
which are bound to look-up tables. BRAM and UltraRAM: the shapes of the primitives (UG573), see `design/storage.py`.
LUT (UG574): an addition or comparison takes one a bit, a shifter one a bit for every two binary stages, a ROM one for
64 entries of a bit, a product one for every pair of bits, a short FIFO one a bit. FF: twice the LUTs, as pipelined
datapaths usually have. DSP and memories follow from the structure; LUT and FF are coarse.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from edgemoe_gen.base.arithmetic import ceil_div
from edgemoe_gen.base.errors import CapacityError
from edgemoe_gen.design import Design
from edgemoe_gen.design.design import MEAN_FRACTION, TERM_BITS
from edgemoe_gen.design.storage import HELD, MUX_INPUTS, OTHER_ADAPTERS, SHIFT_REGISTER, memories
from edgemoe_gen.hardware.boards import Board
from edgemoe_gen.numerics import tables

DSP_WIDE, DSP_NARROW = 27, 18
# Assumed, from the size of comparable movers: what AXI adapters and the control of all processes take.
CONTROL_LUT_PER_ADAPTER = 1500
CONTROL_LUT = 8000
# Assumed: places are made into addresses by one product of two 16-bit fields each, in the readers of tiles, of words
# (twice: beside gathering), of keys and values and of logits, and in the writers (twice); and lengths of loops.
CONTROL_DSP = 12
INVERSE_BITS = 25  # of 1 / features, for the mean


@dataclass(frozen=True)
class Part:
    """One part of a design: its name, what it is, what it takes."""

    name: str
    what: str
    dsp: int = 0
    bram36: int = 0
    uram: int = 0
    lut: int = 0


@dataclass(frozen=True)
class Resources:
    """What a design takes, part by part. Tier: estimate."""

    parts: tuple[Part, ...]

    def rows(self) -> tuple[Part, ...]:
        """Parts in the order of the data path."""
        return self.parts

    @property
    def dsp(self) -> int:
        """DSP48E2."""
        return sum(part.dsp for part in self.parts)

    @property
    def bram36(self) -> int:
        """BRAM36."""
        return sum(part.bram36 for part in self.parts)

    @property
    def uram(self) -> int:
        """UltraRAMs."""
        return sum(part.uram for part in self.parts)

    @property
    def lut(self) -> int:
        """Look-up tables."""
        return sum(part.lut for part in self.parts)

    @property
    def ff(self) -> int:
        """Flip-flops."""
        return 2 * self.lut

    def against(self, board: Board) -> tuple[tuple[str, int, int], ...]:
        """Resource, used, available."""
        return (
            ("DSP", self.dsp, board.dsp),
            ("BRAM36", self.bram36, board.bram36),
            ("URAM", self.uram, board.uram),
            ("LUT", self.lut, board.lut),
            ("FF", self.ff, board.ff),
        )

    def over(self, board: Board, room: float = 1.0) -> tuple[tuple[str, int, int], ...]:
        """Those that exceed the share `room` of what the board has: resource, used, available."""
        return tuple(row for row in self.against(board) if row[1] > room * row[2])

    def fits(self, board: Board, room: float = 1.0) -> bool:
        """Whether no resource exceeds the share `room` of what the board has."""
        return not self.over(board, room)


def estimate_resources(design: Design) -> Resources:
    """Counts every part of a design."""
    return Resources((*arithmetic_parts(design), *_memories(design)))


def check_fits(design: Design) -> Resources:
    """The estimate of a design that fits its board.

    Raises:
        CapacityError: names every resource that is exceeded, with both counts.
    """
    resources = estimate_resources(design)
    over = resources.over(design.board)
    if over:
        needs = ", ".join(f"{used:,} of {there:,} {name}" for name, used, there in over)
        raise CapacityError(
            f"the design does not fit the {design.board.title} by the estimate: it needs {needs}",
            "lower tokens_parallel, out_parallel or in_parallel for DSP and LUT; "
            + ("frames_per_pass, " if design.knobs.frames_per_pass > 1 else "")
            + "max_tokens, max_hidden, max_cache, residual_tail_bits or weight_fifo_beats for memory",
        )
    return resources


def dsp_count(a: int, b: int) -> int:
    """DSP48E2 for one product of signed a x b bits."""
    wide, narrow = max(a, b), min(a, b)
    return min(
        math.ceil((wide - 1) / (DSP_WIDE - 1)) * math.ceil((narrow - 1) / (DSP_NARROW - 1)),
        math.ceil((wide - 1) / (DSP_NARROW - 1)) * math.ceil((narrow - 1) / (DSP_WIDE - 1)),
    )


def _shifter(bits: int) -> int:
    """A shift by any number of bits: a look-up table selects one of four, which is two binary stages of a bit."""
    return bits * ceil_div(math.ceil(math.log2(bits)), 2)


def _rounding(bits: int) -> int:
    """A shift either way; the half that is added before it, and the clipping behind it."""
    return 2 * _shifter(bits) + 2 * bits


def _rom(entries: int, bits: int) -> int:
    return bits * ceil_div(entries, 64)


def _interpolation(table: tables.Table, value_bits: int, rest_bits: int) -> int:
    """LUT of one table look-up: both nodes from ROMs, and their difference times the rest of the position added."""
    rise = table.rise_bits
    return 2 * _rom(len(table.nodes), value_bits) + rise + rise * rest_bits + value_bits


def _exponential(design: Design) -> int:
    """LUT of 2^-(maximum - score): subtraction, binary point, table, and the shift by the whole part."""
    k = design.knobs
    table = _interpolation(
        design.exp2_table, tables.EXP_FRACTION, tables.EXP_POSITION_BITS - (k.exp_segments.bit_length() - 1)
    )
    position = k.activation_bits + 1 + tables.EXP_POSITION_BITS
    return (k.activation_bits + 1) + _shifter(position) + table + _shifter(tables.EXP_FRACTION) + tables.EXP_FRACTION


def _reciprocal(design: Design) -> int:
    """LUT of 1 / sum: its highest bit, the shift to 1..2, and the table."""
    k = design.knobs
    rest = tables.RECIPROCAL_POSITION_BITS - (k.reciprocal_segments.bit_length() - 1)
    table = _interpolation(design.reciprocal_table, tables.MANTISSA_BITS, rest)
    return 2 * design.exp_sum_bits + _rounding(design.exp_sum_bits) + table


def arithmetic_parts(design: Design) -> tuple[Part, ...]:
    """All parts of a design but its memories, in the order of the data path."""
    return (
        _compute_unit(design),
        _probabilities(design),
        _rounding_lanes(design),
        _score_lanes(design),
        _layer_norm(design),
        _router(design),
        _cache_reader(design),
        _channels(design),
        Part(
            "control", "addresses, loops, AXI adapters",
            dsp=CONTROL_DSP,
            lut=CONTROL_LUT + CONTROL_LUT_PER_ADAPTER * (design.knobs.weight_ports + OTHER_ADAPTERS),
        ),
    )  # fmt: skip


def _compute_unit(design: Design) -> Part:
    k = design.knobs
    # A DSP adds two products on its own, which is half of the additions (UG579); the others are trees of LUTs.
    additions = k.tokens_parallel * k.out_parallel * k.in_parallel // 2
    return Part(
        "compute unit", "tokens x out x in products and their sums",
        dsp=design.macs_per_cycle * dsp_count(design.factor_bits, design.operand_bits),
        lut=additions * (design.factor_bits + design.operand_bits + 4),
    )  # fmt: skip


def _probabilities(design: Design) -> Part:
    k = design.knobs
    lanes = k.tokens_parallel * k.in_parallel
    return Part(
        "probabilities", "an exponential for every value that enters the unit, and their sums",
        lut=lanes * (_exponential(design) + design.exp_sum_bits),
    )  # fmt: skip


def _rounding_lanes(design: Design) -> Part:
    k = design.knobs
    finished = TERM_BITS + tables.MANTISSA_BITS + 2
    gelu_rest = tables.GELU_FRACTION - (k.gelu_segments.bit_length() - 1)
    gelu = _interpolation(design.gelu_table, tables.GELU_OUT_FRACTION, gelu_rest) + 4 * TERM_BITS
    bias = _shifter(design.accumulator_bits) + design.accumulator_bits
    added = k.activation_bits + k.residual_tail_bits
    lane = bias + _rounding(design.accumulator_bits) + gelu + _rounding(finished) + _rounding(added)
    return Part(
        "rounding", "one lane an output: bias, scale or GELU, addition; and a row's 1 / sum",
        dsp=k.out_parallel * dsp_count(TERM_BITS, tables.MANTISSA_BITS),
        lut=k.out_parallel * lane + _reciprocal(design),
    )  # fmt: skip


def _score_lanes(design: Design) -> Part:
    k = design.knobs
    lane = _rounding(design.accumulator_bits) + 2 * k.activation_bits
    return Part(
        "scores", "rounding and comparison of score_rows x in scores",
        lut=k.score_rows * k.in_parallel * lane,
    )  # fmt: skip


def _layer_norm(design: Design) -> Part:
    k = design.knobs
    feature = k.max_dim.bit_length() + 1
    centred = k.activation_bits + MEAN_FRACTION + 1
    finished = TERM_BITS + tables.MANTISSA_BITS + 2
    root_rest = tables.RSQRT_POSITION_BITS - (k.rsqrt_segments.bit_length() - 1)
    root = _interpolation(design.rsqrt_table, tables.RSQRT_FRACTION, root_rest) + _rounding(design.variance_bits)
    # variance = n Q - S^2, mean = S / n, and the root's mantissa times n.
    moments = (
        dsp_count(feature, design.square_sum_bits)
        + dsp_count(design.feature_sum_bits, design.feature_sum_bits)
        + dsp_count(design.feature_sum_bits, INVERSE_BITS)
        + dsp_count(tables.RSQRT_FRACTION + 2, feature)
    )
    lane = centred + _rounding(finished) + _rounding(k.activation_bits + k.residual_tail_bits)
    sums = k.in_parallel * (design.feature_sum_bits + design.square_sum_bits)
    return Part(
        "LayerNorm", "a square and a product a lane, and the moments of a token",
        dsp=k.in_parallel
        * (dsp_count(k.activation_bits, k.activation_bits) + dsp_count(centred, tables.MANTISSA_BITS))
        + moments,
        lut=k.in_parallel * lane + sums + root + 2 * design.variance_bits + _rounding(design.feature_sum_bits + 25),
    )  # fmt: skip


def _router(design: Design) -> Part:
    k = design.knobs
    expert = k.max_experts.bit_length()
    choosing = k.max_top_k * expert + 2 * k.activation_bits + expert
    return Part(
        "router", "search of the top-k, their softmax, queues",
        dsp=dsp_count(tables.EXP_FRACTION + 2, tables.MANTISSA_BITS),
        lut=k.in_parallel * (_exponential(design) + design.exp_sum_bits + choosing)
        + _exponential(design) + _reciprocal(design) + _rounding(TERM_BITS + tables.MANTISSA_BITS),
    )  # fmt: skip


def _cache_reader(design: Design) -> Part:
    k = design.knobs
    # Each value of a tile comes from its place as a key or as a value, and leaves as one of several parts of two tiles.
    tile = k.out_parallel * k.in_parallel * design.cache_bits
    part = design.part_values * design.cache_bits
    clipping = k.in_parallel * k.activation_bits if design.cache_bits < k.activation_bits else 0
    return Part(
        "transposer", "keys and values to tiles of operands",
        lut=tile + part * ceil_div(2 * design.operand_parts - 1, MUX_INPUTS - 1) + clipping,
    )  # fmt: skip


def _channels(design: Design) -> Part:
    """FIFOs of up to 32 elements: a shift register of a look-up table a bit (UG574); and which memory feeds them.

    Deeper ones are among the memories.
    """
    k = design.knobs
    fine = k.activation_bits + k.residual_tail_bits
    tile = k.tokens_parallel * k.in_parallel * k.activation_bits
    bits = (
        sum(
            fifo.width * fifo.copies
            for fifo in design.fifos.values()
            if fifo.name not in HELD and fifo.depth <= SHIFT_REGISTER
        )
        + k.weight_ports * k.port_bits * k.fill_beats  # beats become an element of the FIFO behind each port
        + (design.part_values * design.operand_bits if design.has_narrow_weights else 0)  # a weight, or one of two
    )
    # One of four memories, each of which may have a second array, and one lane of a row of tokens.
    sources = 2 * tile + k.in_parallel * fine * ceil_div(k.tokens_parallel - 1, MUX_INPUTS - 1)
    return Part("channels", "FIFOs between processes, selection of memories", lut=bits + sources)


def _memories(design: Design) -> tuple[Part, ...]:
    plan = design.storage
    parts = []
    for memory in memories(design):
        bram36, uram, lut = plan.use(memory)
        parts.append(Part(memory.name, memory.what, bram36=bram36, uram=uram, lut=lut))
    return tuple(parts)
