"""Resources of a design, counted by rules that stand beside each part.

DSP: a DSP48E2 multiplies 27 x 18 bits; wider products take one for every such piece. LUT: adder trees cost one LUT a
result bit, a shifter one a bit and stage, a ROM one for every 64 entries of a bit. FF: twice the LUTs, as pipelined
datapaths usually have. DSP, BRAM and UltraRAM follow from the structure; LUT and FF are coarse.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from edgemoe_gen.boards import Board
from edgemoe_gen.design import Design
from edgemoe_gen.design.design import TERM_BITS
from edgemoe_gen.design.storage import memories
from edgemoe_gen.errors import CapacityError
from edgemoe_gen.numerics import tables

DSP_WIDE, DSP_NARROW = 27, 18
# Control, address arithmetic and AXI adapters, taken from the size of comparable movers.
CONTROL_LUT_PER_PORT = 1500
CONTROL_LUT = 8000
CONTROL_DSP = 12


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

    def fits(self, board: Board) -> bool:
        """Whether no resource exceeds what the board has."""
        return all(used <= available for _, used, available in self.against(board))


def estimate_resources(design: Design) -> Resources:
    """Counts every part of a design."""
    return Resources((*_arithmetic(design), *_memories(design)))


def check_fits(design: Design) -> Resources:
    """The estimate of a design that fits its board.

    Raises:
        CapacityError: names every resource that is exceeded, with both counts.
    """
    resources = estimate_resources(design)
    over = [f"{used:,} of {there:,} {name}" for name, used, there in resources.against(design.board) if used > there]
    if over:
        raise CapacityError(
            f"the design does not fit the {design.board.title} by the estimate: it needs {', '.join(over)}",
            "lower tokens_parallel, out_parallel or in_parallel for DSP and LUT; max_tokens, max_hidden, max_cache or "
            "weight_fifo_beats for memory",
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
    return bits * math.ceil(math.log2(bits))


def _rom(entries: int, bits: int) -> int:
    return bits * math.ceil(entries / 64)


def _interpolation(entries: int, value_bits: int) -> tuple[int, int]:
    """DSP and LUT of one table look-up: both nodes from ROM, their difference times the rest in a DSP."""
    return 1, 2 * _rom(entries, value_bits) + 2 * value_bits


def _arithmetic(design: Design) -> tuple[Part, ...]:
    k = design.knobs
    sums = k.tokens_parallel * k.out_parallel
    mac = dsp_count(k.activation_bits, design.operand_bits)
    exp_dsp, exp_lut = _interpolation(len(design.exp2_table.nodes), tables.EXP_FRACTION)
    exp_lut += _shifter(tables.EXP_FRACTION) + _shifter(k.activation_bits + 1)
    gelu_dsp, gelu_lut = _interpolation(len(design.gelu_table.nodes), tables.GELU_OUT_FRACTION)
    reciprocal_dsp, reciprocal_lut = _interpolation(len(design.reciprocal_table.nodes), tables.MANTISSA_BITS)
    rsqrt_dsp, rsqrt_lut = _interpolation(len(design.rsqrt_table.nodes), tables.RSQRT_FRACTION)
    finished = TERM_BITS + tables.MANTISSA_BITS + 2
    rounding_lane = 2 * _shifter(design.accumulator_bits) + _shifter(finished) + gelu_lut + exp_lut
    moments = (
        dsp_count(k.max_dim.bit_length() + 1, design.square_sum_bits)
        + dsp_count(design.feature_sum_bits, design.feature_sum_bits)
        + dsp_count(design.feature_sum_bits, 25)
        + dsp_count(tables.RSQRT_FRACTION + 2, k.max_dim.bit_length() + 1)
        + rsqrt_dsp
    )
    return (
        Part(
            "compute unit", "tokens x out x in products, summed in adder trees",
            dsp=design.macs_per_cycle * mac,
            lut=sums * (k.in_parallel - 1) * (k.activation_bits + design.operand_bits + 4) // 2,
        ),
        Part(
            "softmax on the way in", "one exponential for every value that enters the unit",
            dsp=k.tokens_parallel * k.in_parallel * exp_dsp, lut=k.tokens_parallel * k.in_parallel * exp_lut,
        ),
        Part(
            "rounding, GELU, softmax sums", "one lane an output: scale, GELU and exponential",
            dsp=k.out_parallel * (dsp_count(TERM_BITS, tables.MANTISSA_BITS) + gelu_dsp + exp_dsp)
            + dsp_count(design.exp_sum_bits, tables.EXP_FRACTION + 2) + exp_dsp + reciprocal_dsp,
            lut=k.out_parallel * rounding_lane + reciprocal_lut,
        ),
        Part(
            "LayerNorm", "a square and a product a lane, and the moments of a token",
            dsp=2 * k.in_parallel + moments,
            lut=k.in_parallel * (_shifter(finished) + 2 * k.activation_bits) + rsqrt_lut + 2000,
        ),
        Part(
            "router", "exponentials of a word of logits, top-k search",
            dsp=k.in_parallel * exp_dsp + exp_dsp + reciprocal_dsp + 1,
            lut=k.in_parallel * (exp_lut + k.max_top_k * 10 + k.activation_bits * 2),
        ),
        Part(
            "control and ports", "addresses, loops, AXI adapters",
            dsp=CONTROL_DSP, lut=CONTROL_LUT + CONTROL_LUT_PER_PORT * (k.weight_ports + 3),
        ),
    )  # fmt: skip


def _memories(design: Design) -> tuple[Part, ...]:
    plan = design.storage
    parts = []
    for memory in memories(design):
        in_uram = plan.primitive.get(memory.name) == "uram"
        parts.append(
            Part(
                memory.name,
                memory.what,
                bram36=0 if in_uram else memory.bram36,
                uram=memory.uram if in_uram else 0,
            )
        )
    return tuple(parts)
