"""What the templates see: every number computed here, none in a template."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from edgemoe_gen.base.arithmetic import bits_for, ceil_div
from edgemoe_gen.base.version import __version__
from edgemoe_gen.design.design import BIAS_BITS, MEAN_FRACTION, MIN_ROWS, TERM_BITS, Design
from edgemoe_gen.design.fifos import OPERATE, ROUTER, stream_depths
from edgemoe_gen.design.knobs import NARROW_KNOBS, knob_fields, meaning
from edgemoe_gen.design.rules import ACCUMULATOR_LIMIT, DSP_OPERAND_BITS
from edgemoe_gen.design.storage import shared_depths
from edgemoe_gen.hardware import descriptor
from edgemoe_gen.numerics import tables
from edgemoe_gen.numerics.fixed import OUTPUT_SHIFT_BITS
from edgemoe_gen.program.short import port_depths

KNOB_CONSTANTS = {"activation_bits": "ACT_BITS", "port_bits": "BEAT_BITS", "residual_tail_bits": "TAIL_BITS"}
FIELD_BITS = 16  # of most fields of an operation
RESOLVED_KNOBS = (*NARROW_KNOBS, "cache_bits")  # hardware follows from what they come to: NARROW_BITS, CACHE_BITS
MEMORY_MEANINGS = {
    "residual": "the tokens x between layers",
    "normed": "LayerNorm of x",
    "query": "queries, attention outputs, tokens gathered for an expert",
    "hidden": "hidden features, scores, logits, patches",
    "cache": "keys and values",
}


def context(design: Design) -> dict[str, Any]:
    """All names that templates use."""
    ports = list(range(design.knobs.weight_ports))
    beats = port_depths(design)
    axi = [_axi_port("program", "program", "read", beats["program"])]
    axi += [_axi_port(f"weights_{port}", f"weights_{port}", "read", beats["weights"]) for port in ports]
    axi += [_axi_port(name, "input", "read", beats[name]) for name in ("constants", "image")]
    axi += [_axi_port("result", "result", "write", beats["result"])]
    depths = stream_depths(design)
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
        "kinds": descriptor.KINDS,
        "operands": descriptor.OPERANDS,
        "flags": descriptor.FLAGS,
        "statuses": descriptor.STATUSES,
        "fields": descriptor.field_places(),
        "paths": [_path(design, source, destination) for source, destination in descriptor.PATHS],
        "memories": _memories(design),
        "operate_memories": OPERATE_MEMORIES,
        "ring_storage": design.storage.primitive.get("operands", "bram"),
        "fifo_depths": depths,
        "inner_fifos": [fifo.name for fifo in design.fifos.values() if fifo.region == OPERATE],
        "ports": ports,
        "axi_ports": axi,
        "control_ports": [port["name"] for port in axi] + ["status", "progress"],
        "order_storage": design.storage.primitive["orders"],
        "operation_words": descriptor.OPERATION_WORDS,
        "beat_bits": design.knobs.port_bits,
        "weight_header_bytes": 4 * descriptor.WEIGHT_HEADER_WORDS,
        "weight_magic": descriptor.WEIGHT_MAGIC,
        "weight_storage": design.storage.primitive["weight_fifo"],
    }


def source_sizes(design: Design) -> dict[str, int]:
    """The constants of `config.h` by name in small letters: what a timing table's chains may name."""
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
    wide_per_beat = k.port_bits // 32
    narrow_per_beat = k.port_bits // 16
    chunk = math.gcd(design.part_values, k.out_parallel)
    trips = design.out_tiles(design.max_inputs) * max(design.blocks * k.tokens_parallel, MIN_ROWS) * design.max_in_words
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
                ("MEAN_FRACTION", MEAN_FRACTION, "bits that a mean keeps below the feature's binary point"),
                ("FEATURE_SUM_BITS", design.feature_sum_bits, ""),
                ("SQUARE_SUM_BITS", design.square_sum_bits, ""),
                ("VARIANCE_BITS", design.variance_bits, "n^2 times the variance of n features"),
                ("RSQRT_GAIN_BITS", tables.RSQRT_FRACTION + 2 + bits_for(k.max_dim), ""),
                ("EXP_SUM_BITS", design.exp_sum_bits, "sum of a softmax row"),
                ("TOKEN_BITS", design.token_bits, ""),
                ("ROUTE_BITS", bits_for(design.max_routes), ""),
                ("EXPERT_BITS", design.expert_bits, ""),
                *_count_widths(design),
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
                ("WEIGHT_FIFO_DEPTH", design.fifo_elements, "elements of FILL_BEATS beats behind each port"),
                ("WIDE_PER_BEAT", wide_per_beat, "32-bit values"),
                ("NARROW_PER_BEAT", narrow_per_beat, "16-bit values"),
                ("WIDE_BEATS_PER_WORD", k.in_parallel // wide_per_beat, ""),
                ("NARROW_BEATS_PER_WORD", k.in_parallel // narrow_per_beat, ""),
            ],
        ),
        (
            "RTL co-simulation: beats that it copies through a port",
            [(f"COSIM_{port.upper()}_BEATS", beats, "") for port, beats in port_depths(design).items()],
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
    return [
        {"title": title, "constants": [{"name": n, "value": v, "meaning": m} for n, v, m in constants]}
        for title, constants in groups
    ]


def _count_widths(design: Design) -> list[tuple[str, int, str]]:
    """Widths of what loops count: as far as the memories go, or an operation's 16-bit field."""
    k = design.knobs
    rows = (design.blocks + MIN_ROWS) * k.tokens_parallel
    steps = design.bias_steps + design.max_in_words * design.operand_parts
    return [
        ("BLOCK_BITS", bits_for(max(design.blocks, design.cache_blocks)), "of a block's number in any memory"),
        ("ROW_BITS", bits_for(rows), "of a row's number, padded to whole blocks"),
        ("WORD_BITS", bits_for(design.max_in_words), "of a word's number in a row"),
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
            "type_bits": bits,
            "rise_bits": table.rise_bits,
            "nodes": table.nodes,
        }
        for table, constant, what, bits in entries
    ]


# Parameters of `operate` that are memories: whether their elements are structures, and whether a row has lanes.
OPERATE_MEMORIES = [
    {"name": name, "aggregate": not name.startswith("maxima"), "lanes": name != "bias_ring"}
    for name in (
        "source", "source_rest", "source_tail", "destination", "destination_rest", "destination_tail", "cache_before",
        "cache_after", "gather_source", "gather_source_rest", "gather_destination", "gather_destination_rest",
        "maxima_before", "maxima_after", "ring", "bias_ring",
    )
]  # fmt: skip
STAND_INS = {
    "no_source_rest": "memory_row_t",
    "no_source_tail": "tail_row_t",
    "no_destination": "memory_row_t",
    "no_destination_rest": "memory_row_t",
    "no_destination_tail": "tail_row_t",
    "no_cache_before": "cache_row_t",
    "no_cache_after": "cache_row_t",
    "no_gather_source": "memory_row_t",
    "no_gather_source_rest": "memory_row_t",
    "no_gather_destination": "memory_row_t",
    "no_gather_destination_rest": "memory_row_t",
    "no_maxima_before": "maxima_row_t",
    "no_maxima_after": "maxima_row_t",
}


def _memories(design: Design) -> list[dict[str, Any]]:
    """All arrays of `execute` that have lanes: the memories, and what stands in where an operation has none.

    Memories that `operate` takes by one parameter have one depth where that costs nothing.
    Stand-ins keep two arguments of a call from ever being the same array. Their layout is that of the arrays that they
    stand in for, since one instance of `operate` has one set of ports.
    """
    rows = []
    shared = shared_depths(design)
    for name in descriptor.MEMORIES:
        row = {
            "name": name,
            "type": "cache_row_t" if name == "cache" else "memory_row_t",
            "depth": f"{name.upper()}_DEPTH",
            "meaning": MEMORY_MEANINGS[name],
            "storage": design.storage.primitive[name],
        }
        first, last = shared.get(name, (False, False))
        if first:
            row["depth"] = "FIRST_DEPTH"
        if name in design.storage.split:
            depth = "REST_DEPTH" if last else f"{name.upper()}_DEPTH - SPLIT_DEPTH"
            rows += [
                row,
                row | {"name": f"{name}_rest", "storage": "bram", "depth": depth, "meaning": "its last addresses"},
            ]
        else:
            rows.append(row)
    rows.append(
        {
            "name": "residual_tail",
            "type": "tail_row_t",
            "depth": "RESIDUAL_DEPTH",
            "meaning": "what the residual keeps below an activation's binary point",
            "storage": design.storage.primitive["residual_tail"],
        }
    )
    rows.append(
        {
            "name": "maxima",
            "type": "maxima_row_t",
            "depth": "SCORE_BLOCKS",
            "meaning": "largest score of every row",
            "storage": "lutram",
        }
    )
    rows += [
        {"name": name, "type": kind, "depth": "STAND_IN_DEPTH", "meaning": "never used", "storage": "lutram"}
        for name, kind in STAND_INS.items()
    ]
    # Rows of maxima are numbers; all others are structures, of which a word keeps every value.
    numbers = [row["type"] == "maxima_row_t" for row in rows]
    return [
        row | {"latency": 1 if number else 2, "aggregate": not number}
        for row, number in zip(rows, numbers, strict=True)
    ]


def _path(design: Design, source: str, destination: str) -> dict[str, Any]:
    """Arguments of `operate` for an operation from one memory to another, in groups."""
    to_cache = destination == "cache"
    # Only from the hidden features to the residual are both memories free between which tokens are gathered.
    gathers = (source, destination) == ("hidden", "residual")

    def rest(memory: str, stand_in: str) -> str:
        return f"{memory}_rest" if memory in design.storage.split else stand_in

    gathering = ["no_gather_source", "no_gather_source_rest", "no_gather_destination", "no_gather_destination_rest"]
    if gathers:
        gathering = ["normed", rest("normed", gathering[1]), "query", rest("query", gathering[3])]
    return {
        "source": source,
        "destination": destination,
        "arguments": [
            [source, rest(source, "no_source_rest"), "residual_tail" if source == "residual" else "no_source_tail"],
            [
                "no_destination" if to_cache else destination,
                rest(destination, "no_destination_rest"),
                "residual_tail" if destination == "residual" else "no_destination_tail",
            ],
            ["no_cache_before" if to_cache else "cache", "cache" if to_cache else "no_cache_after"],
            gathering,
            [
                "queue.by_expert",
                "queue.places",
                "maxima" if (source, destination) == ("hidden", "query") else "no_maxima_before",
                "maxima" if (source, destination) == ("query", "hidden") else "no_maxima_after",
            ],
        ],
    }


def _axi_port(name: str, bundle: str, direction: str, depth: int) -> dict[str, Any]:
    return {
        "name": name,
        "bundle": f"gmem_{bundle}",
        "direction": f"num_{direction}",
        "burst": direction,
        "outstanding": 16,
        "depth": depth,
    }
