"""Names for the templates: every number is computed here, none in a template."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from edgemoe_gen.base.arithmetic import bits_for, ceil_div
from edgemoe_gen.base.version import __version__
from edgemoe_gen.design.design import Design
from edgemoe_gen.design.fifos import OPERATE, ROUTER
from edgemoe_gen.design.knobs import PROGRAM_KNOBS, knob_fields, meaning
from edgemoe_gen.design.products import tables_in_dsp
from edgemoe_gen.design.rules import ACCUMULATOR_LIMIT, DSP_OPERAND_BITS
from edgemoe_gen.design.sizes import BIAS_BITS, MIN_ROWS, MOST_MAP_ROWS, TERM_BITS
from edgemoe_gen.hardware import descriptor
from edgemoe_gen.hardware.axi import AXI_BURST, AXI_LATENCY, AXI_OUTSTANDING, AxiPort, axi_ports
from edgemoe_gen.hardware.memories import STAND_IN_DEPTH
from edgemoe_gen.hardware.ring import OPEN_TILES, RING_DISTANCE
from edgemoe_gen.numerics import shifts, tables
from edgemoe_gen.numerics.fixed import OUTPUT_SHIFT_BITS

KNOB_CONSTANTS = {"activation_bits": "ACT_BITS", "port_bits": "BEAT_BITS", "residual_tail_bits": "TAIL_BITS"}
FIELD_BITS = 16  # of most fields of an operation
OF_EXPERTS = ("ROUTE_BITS", "EXPERT_BITS", "CHOOSE_TOKENS", "MAX_ROUTES")  # constants of designs with experts
RESOLVED_KNOBS = (*PROGRAM_KNOBS, "cache_bits")  # hardware follows from what they come to: NARROW_BITS, CACHE_BITS


def context(design: Design) -> dict[str, Any]:
    """All names that templates use."""
    ports = [_axi_port(port, design.port_depths[port.buffer]) for port in axi_ports(design.knobs.weight_ports)]
    return {
        "version": __version__,
        "board": design.board,
        "knobs": _knobs(design),
        "identity_low": design.identity & 0xFFFFFFFF,
        "identity_high": design.identity >> 32,
        "identity": f"{design.identity:016x}",
        "groups": _groups(design),
        "dsp_operand_bits": DSP_OPERAND_BITS,
        "accumulator_limit": ACCUMULATOR_LIMIT,
        "tables": _tables(design),
        "ring_storage": design.storage.primitive.get("operands", "bram"),
        "fifos": design.fifos,
        "has_decoders": design.has_decoders,
        "has_experts": design.has_experts,
        "inner_fifos": [fifo for fifo in design.fifos.values() if fifo.region == OPERATE],
        "ports": list(range(design.knobs.weight_ports)),
        "axi_ports": ports,
        "control_ports": [port["name"] for port in ports] + ["status", "progress"],
        "order_storage": design.storage.primitive["orders"],
        "beat_bits": design.knobs.port_bits,
        "weight_header_bytes": 4 * descriptor.WEIGHT_HEADER_WORDS,
        "weight_magic": descriptor.WEIGHT_MAGIC,
        "weight_storage": design.storage.primitive["weight_fifo"],
        "weight_header": descriptor.WEIGHT_HEADER,
    }


def source_sizes(design: Design) -> dict[str, int]:
    """The constants of `config.h` by name in small letters, for the chains of a timing table."""
    sizes = {str(knob["constant"]).lower(): int(knob["value"]) for knob in _knobs(design)}
    for group in _groups(design):
        sizes |= {constant["name"].lower(): int(constant["value"]) for constant in group["constants"]}
    return sizes


def _knobs(design: Design) -> list[dict[str, Any]]:
    values = asdict(design.knobs)
    return [
        {
            "name": knob.name,
            "constant": KNOB_CONSTANTS.get(knob.name, knob.name.upper()),
            "value": values[knob.name],
            "meaning": meaning(knob),
        }
        for knob in knob_fields()
        if knob.type == "int" and knob.name not in RESOLVED_KNOBS
    ]


def _groups(design: Design) -> list[dict[str, Any]]:
    k = design.knobs
    sums = shifts.sum_window(k.activation_bits, k.weight_bits)
    wide_per_beat = k.port_bits // 32
    narrow_per_beat = k.port_bits // 16
    chunk = math.gcd(design.part_values, k.out_parallel)
    trips = design.out_tiles(design.max_inputs) * max(design.blocks * k.tokens_parallel, MIN_ROWS) * design.max_in_words
    trips = max(trips, design.out_tiles(k.max_map_channels) * design.map_blocks * design.convolution_words)
    groups: list[tuple[str, list[tuple[str, int, str]]]] = [
        (
            "Widths",
            [
                ("FINE_BITS", design.fine_bits, "tokens between layers"),
                ("CACHE_BITS", design.cache_bits, "keys and values"),
                ("FACTOR_BITS", design.factor_bits, "activations, or probabilities"),
                ("OPERAND_BITS", design.operand_bits, "weights, or keys and values"),
                ("ACC_BITS", design.accumulator_bits, "no sum of products can overflow"),
                ("TERM_BITS", TERM_BITS, "the wide operand of a DSP48E2"),
                ("BIAS_BITS", BIAS_BITS, "of a bias with its output's shift"),
                (
                    "OUTPUT_SHIFT_BITS",
                    OUTPUT_SHIFT_BITS,
                    "bits by which an output's weights are finer than its layer's",
                ),
                ("MANTISSA_BITS", tables.MANTISSA_BITS, "the narrow operand of a DSP48E2"),
                ("FINISHED_BITS", TERM_BITS + tables.MANTISSA_BITS + 2, ""),
                ("MEAN_FRACTION", shifts.MEAN_FRACTION, "bits that a mean keeps below the feature's binary point"),
                ("FEATURE_SUM_BITS", design.feature_sum_bits, ""),
                ("SQUARE_SUM_BITS", design.square_sum_bits, ""),
                ("VARIANCE_BITS", design.variance_bits, "n^2 times the variance of n features"),
                ("INVERSE_BITS", shifts.INVERSE_BITS, "of 1 / features, for the mean"),
                ("RSQRT_GAIN_BITS", tables.RSQRT_FRACTION + 2 + bits_for(k.max_dim), ""),
                ("EXP_SUM_BITS", design.exp_sum_bits, "sum of a softmax row"),
                ("TOKEN_BITS", design.token_bits, ""),
                ("ROUTE_BITS", design.route_bits, ""),
                ("EXPERT_BITS", design.expert_bits, ""),
                *_count_widths(design),
            ],
        ),
        (
            "Shifts, within which the compiler of programs keeps; see numerics/shifts.py",
            [
                ("SUM_SHIFT_LEAST", sums.least, "of a sum of products to a term, down"),
                ("SUM_SHIFT_MOST", sums.most, ""),
                ("SCORE_SUM_SHIFT_MOST", shifts.SCORE_SUM.most, "of a sum of products to a score, down"),
                ("BIAS_SHIFT_MOST", shifts.BIAS.most, "of a bias, up"),
                ("RESULT_SHIFT_MOST", shifts.RESULT.most, "of a term with RESULT_UP bits more to a result, down"),
                ("RESULT_UP", shifts.RESULT_UP, ""),
                ("COPY_UP", -shifts.COPY.least, "most that a copy is shifted up"),
                ("OLD_SHIFT_LEAST", shifts.OLD.least, "of what is added to, down"),
                ("OLD_SHIFT_MOST", shifts.OLD.most, ""),
                ("SCORE_SHIFT_MOST", shifts.EXPONENTIAL.most, "of a difference of scores, up"),
                ("MEAN_SHIFT_LEAST", shifts.mean_shift(1), "of the sum of features times 1 / features, down"),
                ("MEAN_SHIFT_MOST", shifts.mean_shift(k.max_dim), ""),
            ],
        ),
        (
            "Compute unit",
            [
                ("OUT_WORDS", design.out_words, "memory words that a row of an output tile fills"),
                ("WEIGHTS_PER_BEAT", design.weights_per_beat, ""),
                ("NARROW_BITS", design.narrow_weight_bits, "of a weight of which two lie in the place of one, if less"),
                ("PART_VALUES", design.part_values, "weights that all ports bring in a cycle"),
                ("OPERAND_PARTS", design.operand_parts, "parts of an operand tile"),
                ("SHIFTS_PER_BEAT", design.beat_bytes, "LayerNorm's shifts of features"),
                ("SHIFTS_PER_STEP", design.shifts_per_step, "shifts that all ports bring in a cycle"),
                ("SHIFT_WORDS", design.shift_words, "words whose shifts come in a cycle"),
                ("SHIFT_STEPS", design.shift_steps, "cycles that bring the shifts of a word"),
                ("CHUNK_VALUES", chunk, "outputs that are neighbours both in a part and in a tile"),
                ("OPERAND_CHUNKS", k.out_parallel * k.in_parallel // chunk, ""),
                ("RING_WORDS", design.ring_words, "words of operands that the unit keeps"),
                ("OPEN_TILES", OPEN_TILES, "tiles that are in the ring at once, each with its biases"),
                ("RING_DISTANCE", RING_DISTANCE, "iterations between writing a place of the ring and reading it"),
                ("CACHE_READS", design.cache_reads, "addresses that hold a word of operands"),
                ("CACHE_STEPS", max(design.cache_reads, design.operand_parts), "cycles that bring one"),
                ("SCORE_GROUPS", design.score_groups, "cycles that round a word of scores of a block of rows"),
                (
                    "SCORE_DISTANCE",
                    ceil_div(MIN_ROWS, k.tokens_parallel) * design.out_words * design.score_groups,
                    "cycles after which a row of scores comes back, at the least",
                ),
                ("SEARCH_LEVELS", design.search_levels, "of the tournament for the largest of a word"),
                ("CHOOSE_TOKENS", design.choose_tokens, "tokens that take turns in the router"),
            ],
        ),
        (
            "Memories, in words of IN_PARALLEL values of TOKENS_PARALLEL tokens",
            [
                ("DIM_WORDS", design.dim_words, "words a token"),
                ("QUERY_WORDS", design.query_words, ""),
                ("HIDDEN_WORDS", design.hidden_words, ""),
                ("SCORE_BLOCKS", design.score_blocks, "blocks of rows of scores"),
                ("MAX_ROUTES", design.max_routes, "entries of the token queues, all experts together"),
                *((f"{name.upper()}_DEPTH", depth, "") for name, depth in design.memory_depths.items()),
                (
                    "SPLIT_DEPTH",
                    design.split_depth,
                    "addresses of a split memory that lie in UltraRAM; 0: none is split",
                ),
                ("FIRST_DEPTH", design.first_depth, "addresses of the memories that an operation's parameters reach"),
                ("REST_DEPTH", design.rest_depth, "of their second arrays"),
                ("STAND_IN_DEPTH", STAND_IN_DEPTH, "of arrays that stand in where an operation has nothing"),
            ],
        ),
        (
            "FIFOs between the processes of the router, in elements",
            [(f"{f.name.upper()}_DEPTH", f.depth, "") for f in design.fifos.values() if f.region == ROUTER],
        ),
        (
            "DDR",
            [
                ("BIASES_PER_BEAT", design.biases_per_beat, ""),
                ("BIASES_PER_STEP", design.biases_per_step, "biases that all ports bring in a cycle"),
                ("BIAS_STEPS", design.bias_steps, "cycles that bring the biases of a tile"),
                ("WEIGHT_FIFO_DEPTH", design.fifos["weights"].depth, "elements of FILL_BEATS beats behind each port"),
                ("WIDE_PER_BEAT", wide_per_beat, "32-bit values"),
                ("NARROW_PER_BEAT", narrow_per_beat, "16-bit values"),
                ("WIDE_BEATS_PER_WORD", k.in_parallel // wide_per_beat, ""),
                ("NARROW_BEATS_PER_WORD", k.in_parallel // narrow_per_beat, ""),
            ],
        ),
        (
            "RTL co-simulation: beats that it copies through a port",
            [(f"COSIM_{port.upper()}_BEATS", beats, "") for port, beats in design.port_depths.items()],
        ),
        (
            "Program",
            [
                ("OPERATION_WORDS", descriptor.OPERATION_WORDS, "32-bit words of an operation, and of the header"),
                ("OPERATION_BEATS", descriptor.OPERATION_WORDS * 32 // k.port_bits, ""),
                ("HEADER_MAGIC_WORD", descriptor.HEADER_MAGIC, ""),
                ("HEADER_DESIGN_WORD", descriptor.HEADER_DESIGN, ""),
                ("HEADER_OPERATIONS_WORD", descriptor.HEADER_OPERATIONS, ""),
                ("PROGRAM_MAGIC", descriptor.MAGIC, ""),
                ("MAX_OPERATIONS", descriptor.MAX_OPERATIONS, ""),
                ("MAX_TRIPS", trips, "longest loop of an operation; for reports only"),
            ],
        ),
        (
            "Tables",
            [
                ("TABLES_IN_DSP", int(tables_in_dsp(design)), "1: DSPs form the products inside table look-ups"),
                ("EXP_FRACTION", tables.EXP_FRACTION, ""),
                ("EXP_POSITION_BITS", tables.EXP_POSITION_BITS, "binary point of a difference of scores"),
                ("EXP_INDEX_BITS", k.exp_segments.bit_length() - 1, ""),
                ("PROBABILITY_FRACTION", tables.PROBABILITY_FRACTION, "of exponentials as operands"),
                ("RECIPROCAL_POSITION_BITS", tables.RECIPROCAL_POSITION_BITS, ""),
                ("RECIPROCAL_INDEX_BITS", k.reciprocal_segments.bit_length() - 1, ""),
                ("RSQRT_FRACTION", tables.RSQRT_FRACTION, ""),
                ("RSQRT_POSITION_BITS", tables.RSQRT_POSITION_BITS, ""),
                ("RSQRT_INDEX_BITS", k.rsqrt_segments.bit_length() - 1, ""),
                ("GELU_FRACTION", tables.GELU_FRACTION, "of GELU's argument"),
                ("GELU_OUT_FRACTION", tables.GELU_OUT_FRACTION, "of its result, before rounding"),
                ("GELU_STEP_BITS", k.gelu_segments.bit_length() - 1, "of a segment below the knee"),
                ("GELU_KNEE", tables.GELU_KNEE << tables.GELU_FRACTION, "where GELU's table becomes coarser"),
                ("GELU_TABLE_SEGMENTS", design.gelu_table.segments, ""),
                ("ACT_MINIMUM", -(1 << (k.activation_bits - 1)), ""),
            ],
        ),
    ]
    if design.has_decoders:
        groups.insert(4, ("Maps of decoders", _map_sizes(design)))
    left_out = () if design.has_experts else OF_EXPERTS
    kept = [(title, [row for row in constants if row[0] not in left_out]) for title, constants in groups]
    return [
        {"title": title, "constants": [{"name": n, "value": v, "meaning": m} for n, v, m in constants]}
        for title, constants in kept
        if constants
    ]


def _map_sizes(design: Design) -> list[tuple[str, int, str]]:
    k = design.knobs
    return [
        ("MAP_WORDS", design.map_words, "words of a pixel"),
        ("MAP_ROW_BITS", bits_for(MOST_MAP_ROWS), "of a row's number"),
        ("COLUMN_BITS", bits_for(k.max_map_width + k.tokens_parallel + 1), "of a pixel's number in its row"),
        ("ADDRESS_BITS", bits_for(design.shared_depth), "of an address"),
        ("CLASS_BITS", bits_for(design.map_words * k.in_parallel), "of a class's number"),
    ]


def _count_widths(design: Design) -> list[tuple[str, int, str]]:
    """Widths of what loops count: as far as the memories go, or an operation's 16-bit field."""
    k = design.knobs
    rows = max(design.blocks + MIN_ROWS, design.map_blocks) * k.tokens_parallel
    blocks = max(design.blocks, design.cache_blocks, design.map_blocks)
    steps = design.bias_steps + design.longest_words * design.operand_parts
    return [
        ("BLOCK_BITS", bits_for(blocks), "of a block's number in any memory"),
        ("PASS_BITS", design.pass_bits, "of a block's number in an operation"),
        ("ROW_BITS", bits_for(rows), "of a row's number, padded to whole blocks"),
        ("WORD_BITS", bits_for(design.longest_words), "of a word's number in a row"),
        ("TILE_BITS", FIELD_BITS, "of an output tile's number"),
        ("RING_BITS", bits_for(design.ring_words), "of a place in the ring"),
        ("PART_BITS", bits_for(max(design.operand_parts, design.cache_reads)), "of a part's number in a word"),
        ("STEP_BITS", bits_for(steps), "of a step's number in a tile's weights"),
    ]


def _tables(design: Design) -> list[dict[str, Any]]:
    entries = [
        (design.exp2_table, "EXP2_TABLE", "2^-x on [0, 1]", tables.EXP_FRACTION + 2),
        (design.reciprocal_table, "RECIPROCAL_TABLE", "1 / (1 + x) on [0, 1]", tables.MANTISSA_BITS),
        (design.rsqrt_table, "RSQRT_TABLE", "1 / sqrt(1 + x) on [0, 3]", tables.RSQRT_FRACTION + 2),
        (design.gelu_table, "GELU_TABLE", "x (1 - Phi(x)) from 0", tables.GELU_OUT_FRACTION),
    ]
    return [
        {
            "constant": constant,
            "meaning": what,
            "segments": table.segments,
            "bits": table.bits,
            "error": f"{table.error:.2e}",
            "rise_bits": table.rise_bits,
            "arrays": [
                {"name": constant, "bits": bits, "numbers": table.nodes[:-1]},
                {"name": f"{constant}_RISES", "bits": table.rise_bits, "numbers": table.rises},
            ],
        }
        for table, constant, what, bits in entries
    ]


def _axi_port(port: AxiPort, depth: int) -> dict[str, Any]:
    return {
        "name": port.name,
        "bundle": port.bundle,
        "meaning": port.meaning,
        "latency": AXI_LATENCY,
        "outstanding": f"num_{port.direction}_outstanding = {AXI_OUTSTANDING}",
        "burst": f"max_{port.direction}_burst_length = {AXI_BURST}",
        "depth": depth,
    }
