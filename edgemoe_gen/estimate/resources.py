"""Resources of a design, counted by rules that `docs/resources.md` lists with their sources. Tier: estimate.

DSP: see `design/products.py`. BRAM and UltraRAM: the shapes of the primitives (UG573), see `design/storage.py`.
LUT (UG574): an addition or comparison takes one a bit; a choice among four one a bit, and so a shifter one a bit for
every two binary stages; a ROM one for 64 entries of a bit; a product one for every pair of bits; a FIFO one a bit for
32 elements. FF: twice the LUTs, as usual in pipelined datapaths. DSP and memories follow from the structure; LUT and FF
are coarse.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgemoe_gen.base.arithmetic import ceil_div
from edgemoe_gen.base.errors import CapacityError
from edgemoe_gen.design import Design
from edgemoe_gen.design.fifos import SHIFT_BITS
from edgemoe_gen.design.products import part_dsps, table_products, tables_in_dsp
from edgemoe_gen.design.sizes import TERM_BITS
from edgemoe_gen.design.storage import MUX_INPUTS, SHIFT_REGISTER
from edgemoe_gen.estimate.logic import any_rounding, choice, exponential, interpolation, reciprocal, rounding, shift_up
from edgemoe_gen.estimate.processes import ROUTING_LOOPS
from edgemoe_gen.hardware.axi import OTHER_ADAPTERS
from edgemoe_gen.hardware.boards import Board
from edgemoe_gen.hardware.latency import most_cycles
from edgemoe_gen.numerics import shifts, tables
from edgemoe_gen.numerics.fixed import OUTPUT_SHIFT_BITS
from edgemoe_gen.numerics.shifts import INVERSE_BITS, Window

# Assumed, from the size of comparable movers: what AXI adapters and the control of all processes take.
CONTROL_LUT_PER_ADAPTER = 1500
DECODER_CONTROL_LUT = 1_500  # assumed: counts and addresses of four loops more
CONTROL_LUT = 8000
FINISHED_BITS = TERM_BITS + tables.MANTISSA_BITS + 2  # of a term times a mantissa
# What each pipeline writes to FIFOs. Those that feed a port to memory are no free-running ones (UG1448, "Pipeline
# Styles": usage constraints).
WRITTEN = {
    "dispatch_rows": ("destinations", "scales"),
    "weight_steps": ("operands", "new_biases"),
    "cache_steps": ("operands",),
    "shift_words": ("feature_shifts",),
    "product_tiles": ("tiles", "row_sums"),
    "memory_words": ("words",),
    "input_beats": ("words",),
    "multiply_steps": ("sums", "biases"),
    "round_steps": ("results",),
    "score_steps": ("scores",),
    "measure_words": ("measured", "token_moments"),
    "apply_words": ("copies",),
    "output_beats": ("output",),
    "choose_words": ("choices",),
    "weigh_routes": ("powers", "totals"),
    "score_routes": ("routes",),
    "route_beats": ("output",),
}


@dataclass(frozen=True)
class Part:
    """A part of a design: name, meaning and resources; `memory`: whether it is a memory that the sources name."""

    name: str
    what: str
    dsp: int = 0
    bram36: int = 0
    uram: int = 0
    lut: int = 0
    memory: bool = False


@dataclass(frozen=True)
class Resources:
    """Resources of a design, part by part. Tier: estimate."""

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
        """Resources beyond the share `room` of the board's: resource, used, available."""
        return tuple(row for row in self.against(board) if row[1] > room * row[2])

    def fits(self, board: Board, room: float = 1.0) -> bool:
        """Whether no resource exceeds the share `room` of the board's."""
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


def arithmetic_parts(design: Design) -> tuple[Part, ...]:
    """All parts of a design except its memories, in the order of the data path."""
    return (
        _compute_unit(design),
        _probabilities(design),
        _rounding_lanes(design),
        _score_lanes(design),
        _additions(design),
        _layer_norm(design),
        *([_router(design)] if design.has_experts else []),
        _cache_reader(design),
        *_decoders(design),
        _channels(design),
        _outputs(design),
        Part(
            "control", "addresses, loops, AXI adapters",
            dsp=part_dsps(design)["control"],
            lut=CONTROL_LUT + CONTROL_LUT_PER_ADAPTER * (design.knobs.weight_ports + OTHER_ADAPTERS),
        ),
    )  # fmt: skip


def _dsps(design: Design, part: str) -> int:
    inside = table_products(design).get(part, 0) if tables_in_dsp(design) else 0
    return part_dsps(design).get(part, 0) + inside


def _compute_unit(design: Design) -> Part:
    k = design.knobs
    # A DSP adds two products on its own, which is half of the additions (UG579); the others are trees of LUTs.
    additions = k.tokens_parallel * k.out_parallel * k.in_parallel // 2
    return Part(
        "compute unit", "tokens × out × in products and their sums",
        dsp=_dsps(design, "compute unit"),
        lut=additions * (design.factor_bits + design.operand_bits + 4),
    )  # fmt: skip


def _probabilities(design: Design) -> Part:
    k = design.knobs
    lanes = k.tokens_parallel * k.in_parallel
    # Each is rounded again, to an operand of the unit, and added to its row's sum.
    operand = tables.PROBABILITY_FRACTION + 2
    return Part(
        "probabilities", "an exponential for every value that enters the unit, and their sums",
        dsp=_dsps(design, "probabilities"),
        lut=lanes * (exponential(design) + 2 * operand + design.exp_sum_bits),
    )  # fmt: skip


def _rounding_lanes(design: Design) -> Part:
    k = design.knobs
    acc = design.accumulator_bits
    gelu_rest = tables.GELU_FRACTION - (k.gelu_segments.bit_length() - 1)
    gelu = interpolation(design, design.gelu_table, tables.GELU_OUT_FRACTION, gelu_rest) + 4 * TERM_BITS
    offset = design.bias_bits - OUTPUT_SHIFT_BITS
    bias = shift_up(offset, acc, shifts.BIAS) + acc
    sums = shifts.sum_window(k.activation_bits, k.weight_bits)
    # A term, a product or a GELU goes on to one rounding, of which a result without a tail is clipped again.
    result = FINISHED_BITS + rounding(FINISHED_BITS, design.fine_bits, shifts.RESULT) + design.fine_bits
    lane = choice(k.tokens_parallel, acc) + bias + rounding(acc, TERM_BITS, sums) + gelu + result
    return Part(
        "rounding",
        "one lane an output: bias, scale or GELU; a row's 1 / sum",
        dsp=_dsps(design, "rounding"),
        lut=k.out_parallel * lane + choice(k.tokens_parallel, design.exp_sum_bits) + reciprocal(design),
    )


def _additions(design: Design) -> Part:
    # The old value to the new binary point, the sum, its rounded part and tail, and keys' clipping.
    added = rounding(design.fine_bits, design.fine_bits + 1, shifts.OLD) + 5 * design.fine_bits
    added += design.fine_bits * ceil_div(design.out_words - 1, MUX_INPUTS - 1)
    return Part(
        "addition", "in the store, one lane an input: what is added to",
        lut=design.knobs.in_parallel * added,
    )  # fmt: skip


def _score_lanes(design: Design) -> Part:
    k = design.knobs
    acc = design.accumulator_bits
    lane = choice(design.score_groups, acc) + choice(design.out_words, acc)
    lane += rounding(acc, k.activation_bits, shifts.SCORE_SUM) + 2 * k.activation_bits
    return Part(
        "scores", "choice, rounding and comparison of score_rows × in scores",
        lut=k.score_rows * k.in_parallel * lane,
    )  # fmt: skip


def _layer_norm(design: Design) -> Part:
    k = design.knobs
    gain = tables.RSQRT_FRACTION + 2 + k.max_dim.bit_length() + 1
    position = tables.RSQRT_POSITION_BITS
    root = interpolation(
        design, design.rsqrt_table, tables.RSQRT_FRACTION, position - (k.rsqrt_segments.bit_length() - 1)
    ) + rounding(design.variance_bits, position + 4, Window(-position, design.variance_bits - position))
    mean = design.feature_sum_bits + INVERSE_BITS
    moments = (
        root
        + rounding(mean, design.centred_bits, Window(shifts.mean_shift(1), shifts.mean_shift(k.max_dim)))
        + rounding(gain, tables.MANTISSA_BITS, Window(0, gain - 1))
        + 2 * (design.variance_bits + gain)  # the highest bits of both
        + 2 * design.variance_bits
    )
    # A normalised value or a copy goes through one rounding, whose shift is a token's and a feature's.
    shift = 3 * SHIFT_BITS
    normal = FINISHED_BITS + rounding(FINISHED_BITS, design.fine_bits, Window(-1, 62)) + design.fine_bits
    lane = design.centred_bits + shift + normal + 2 * k.activation_bits
    sums = k.in_parallel * (design.feature_sum_bits + design.square_sum_bits)
    return Part(
        "LayerNorm", "a square and a product a lane, and the moments of a token",
        dsp=_dsps(design, "LayerNorm"),
        lut=k.in_parallel * lane + sums + moments,
    )  # fmt: skip


def _router(design: Design) -> Part:
    k = design.knobs
    expert = k.max_experts.bit_length()
    choosing = k.max_top_k * expert + 2 * k.activation_bits + expert
    return Part(
        "router", "search of the top-k, their softmax, queues",
        dsp=_dsps(design, "router"),
        lut=k.in_parallel * (exponential(design) + design.exp_sum_bits + choosing)
        + exponential(design) + reciprocal(design) + any_rounding(FINISHED_BITS),
    )  # fmt: skip


def _cache_reader(design: Design) -> Part:
    k = design.knobs
    # Each value of a tile comes from its place as a key or as a value, and leaves as one of several parts of two tiles.
    tile = k.out_parallel * k.in_parallel * design.cache_bits
    part = design.part_values * design.cache_bits
    clipping = k.in_parallel * k.activation_bits if design.cache_bits < k.activation_bits else 0
    # Shifts of features are bytes: what a step brings, or those of the next word, which move up. Such a choice of two
    # has five inputs for two bits, which is one look-up table (UG574).
    bytes_of_shifts = ceil_div(max(0, design.shifts_per_step - k.in_parallel) * SHIFT_BITS, 2)
    return Part(
        "transposer", "keys and values to tiles of operands; shifts of features",
        lut=tile + choice(2 * design.operand_parts, part) + clipping + bytes_of_shifts,
    )  # fmt: skip


def _decoders(design: Design) -> tuple[Part, ...]:
    """A tile's choice among three lanes and none; blends of two rows and two columns; a tournament; bytes of a beat.

    RESIZE reads two neighbouring lanes, and writes one of two words to each lane, at one of two addresses. A choice of
    two has five inputs for two bits, which fit one look-up table (UG574).
    """
    k = design.knobs
    if not design.has_decoders:
        return ()
    bits = k.activation_bits
    tile = k.tokens_parallel * k.in_parallel * bits
    blends = k.in_parallel * (2 * choice(k.tokens_parallel, bits) + 2 * (bits + 2) + 4 * (bits + 4) + 2 * bits)
    written = k.tokens_parallel * ceil_div(k.in_parallel * bits + 2 * design.shared_depth.bit_length(), 2)
    number = design.map_words * k.in_parallel
    classes = (k.in_parallel + 2) * (2 * (bits + 1) + number.bit_length()) + k.in_parallel * (bits + 1)
    relu = k.out_parallel * TERM_BITS // 2
    beat = 3 * k.port_bits
    return (
        Part(
            "decoders", "pixels around a block; rows of twice the width; classes; negative results cut off",
            lut=tile + blends + written + classes + relu + beat + DECODER_CONTROL_LUT,
        ),
    )  # fmt: skip


def _channels(design: Design) -> Part:
    """FIFOs of up to 32 elements: a shift register of one look-up table a bit (UG574); and the choice of their memory.

    Deeper ones are among the memories.
    """
    k = design.knobs
    fine = k.activation_bits + k.residual_tail_bits
    tile = k.tokens_parallel * k.in_parallel * k.activation_bits
    bits = (
        sum(
            fifo.width * fifo.copies for fifo in design.fifos.values() if not fifo.held and fifo.depth <= SHIFT_REGISTER
        )
        + k.weight_ports * k.port_bits * k.fill_beats  # beats become an element of the FIFO behind each port
        + (design.part_values * design.operand_bits if design.has_narrow_weights else 0)  # a weight, or one of two
    )
    # One of four memories, each of which may have a second array, and one lane of a row of tokens.
    sources = 2 * tile + choice(k.tokens_parallel, k.in_parallel * fine)
    return Part("channels", "FIFOs between processes, selection of memories", lut=bits + sources)


def _outputs(design: Design) -> Part:
    """FIFOs that Vitis HLS adds at the outputs of free-running pipelines, as deep as the pipeline.

    UG1448, "Pipeline Styles": this style is the default, and means a "moderate resource increase due to FIFOs added on
    outputs". Their depth is not documented; all values in a pipeline that may not stall need room.
    """
    sizes = (
        ("in_parallel", design.knobs.in_parallel),
        ("variance_bits", design.variance_bits),
        ("exp_sum_bits", design.exp_sum_bits),
    )
    lut = 0
    for loop, names in WRITTEN.items():
        if loop in ROUTING_LOOPS and not design.has_experts:
            continue
        elements = ceil_div(most_cycles(loop, "", sizes), SHIFT_REGISTER)
        lut += elements * sum(design.fifos[name].width * design.fifos[name].copies for name in names)
    return Part("outputs", "FIFOs that free-running pipelines get", lut=lut)


def _memories(design: Design) -> tuple[Part, ...]:
    plan = design.storage
    parts = []
    for memory in design.memories:
        bram36, uram, lut = plan.use(memory)
        parts.append(Part(memory.name, memory.what, bram36=bram36, uram=uram, lut=lut, memory=True))
    return tuple(parts)
