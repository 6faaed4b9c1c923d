"""Default knobs for a network on a board: the design holds the network, and unit and memories suit it.

The fastest compute units whose estimate leaves 1 - `ROOM` of every resource free are compared, each with the memories
that fit beside it. Decoders run on the engine where a unit with their memories fits. Times come from `workload`,
resources from `estimate`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache, lru_cache
from typing import Any, NamedTuple

from edgemoe_gen.base.arithmetic import ceil_div
from edgemoe_gen.base.errors import KnobError
from edgemoe_gen.design.design import Design
from edgemoe_gen.design.knobs import Knobs, knob_fields
from edgemoe_gen.design.make import make_design
from edgemoe_gen.design.storage import ROOM, URAM_DEPTH, storage_fits
from edgemoe_gen.estimate.resources import arithmetic_parts
from edgemoe_gen.fitting.maps import ONE_ROW, DecoderFit, deepest_rings, largest_decoder, with_rings
from edgemoe_gen.fitting.workload import (
    Step,
    beats_per_cycle,
    compute_cycles,
    expert_beats,
    frame_cycles,
    steps,
    weight_beats,
)
from edgemoe_gen.hardware.boards import Board
from edgemoe_gen.model import ModelSpec
from edgemoe_gen.numerics.placing import map_width

NO_ROOM = 1.0  # second choice, where nothing leaves room
IN_SHAPES = (8, 16, 24, 32)
OUT_MULTIPLES, MOST_OUT = (1, 2, 3, 4, 6, 8), 64
COMPARED_UNITS = 3  # of those that fit, the fastest
TAILS = (Knobs.residual_tail_bits, 3, 0)
TAIL_COST = 1.05  # times as long a frame may take for the residual's finer bits
GAIN = 1.002  # a deeper FIFO, or more pieces, must save more than this to be worth it
RING_COST = 1.01  # times as long a frame may take for rings that are deeper than beside the deepest weight FIFO
LEAST_FIFO = 512  # elements of a weight FIFO: what hides the latency of DDR, with room to run ahead of short operations
DEEPEST_FIFO = 16  # times the depth of an UltraRAM
PIECES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)  # of hidden features or heads


class _Choice(NamedTuple):
    knobs: Knobs
    cycles: float


def default_knobs(spec: ModelSpec, board: Board, turned: dict[str, Any] | None = None) -> Knobs:
    """Knobs that hold `spec` and fit `board`, if there are any; otherwise knobs that hold `spec` in little memory.

    Args:
        spec: the largest network to run.
        board: the board.
        turned: knobs that the user has chosen; the result keeps them.

    Raises:
        KnobError: a chosen knob is unknown or out of range.
    """
    chosen = turned or {}
    return _defaults(spec.without_names(), board, tuple(sorted(chosen.items()))).turned(chosen)


@lru_cache(maxsize=64)
def _defaults(spec: ModelSpec, board: Board, turned: tuple[tuple[str, Any], ...]) -> Knobs:
    chosen = dict(turned)
    # The host takes longer for a decoder than any unit, so it computes only what does not fit.
    widths = dict.fromkeys((map_sizes(spec, chosen)["max_map_width"], int(chosen.get("max_map_width", 0))))
    options = [{**chosen, "max_map_width": width} for width in widths]

    @cache
    def units(option: int) -> list[tuple[Knobs, int]]:
        return _units(spec, board, options[option])

    for room in (ROOM, NO_ROOM):
        for i, option in enumerate(options):
            found = _fastest_unit(spec, board, units(i), option, room)
            if found is not None:
                return found
    last = options[-1]
    if not units(len(options) - 1):
        # Chosen knobs break a rule with every shape, which is for `make_design` to tell.
        return _least(spec, board, _unit(spec, board, last, *next(_shapes(last))), last)
    every = [unit for unit, _ in units(len(options) - 1)]
    return _least(spec, board, _fitting_arithmetic(spec, board, every, last), last)


def _fastest_unit(
    spec: ModelSpec, board: Board, units: list[tuple[Knobs, int]], chosen: dict[str, Any], room: float
) -> Knobs | None:
    """The fastest of some units with the memories that suit it; None if none fits."""
    choices: list[_Choice] = []
    for unit, least_cycles in units:
        if len(choices) == COMPARED_UNITS or (choices and least_cycles >= min(c.cycles for c in choices)):
            break
        if not _fits(_least(spec, board, unit, chosen), board, room):
            continue
        choice = _memory(spec, board, unit, chosen, room)
        if choice is not None:
            choices.append(_with_deepest_rings(spec, board, choice, chosen, room))
    return min(choices, key=lambda choice: choice.cycles).knobs if choices else None


# Compute unit


def _units(spec: ModelSpec, board: Board, chosen: dict[str, Any]) -> list[tuple[Knobs, int]]:
    """Knobs of every shape of the compute unit that the DSPs could make, with its cycles a frame, the fastest first."""
    found = []
    for tokens, out, inner in _shapes(chosen):
        macs = tokens * out * inner
        if macs > board.dsp and not set(chosen) >= _SHAPE:
            continue
        knobs = _unit(spec, board, chosen, tokens, out, inner)
        sizes = _sized(spec, board, knobs, chosen, 1, 1)
        if _keeps_rules(sizes, board) and _holds_rings(spec, board, sizes):
            found.append((compute_cycles(steps(spec, Design(sizes, board))), macs, knobs))
    found.sort(key=lambda entry: entry[:2])
    return [(knobs, cycles) for cycles, _, knobs in found]


def _holds_rings(spec: ModelSpec, board: Board, knobs: Knobs) -> bool:
    """Whether memories can be deep enough for one row at a time of the decoders on the engine."""
    decoder = largest_decoder(spec, knobs)
    if decoder is None:
        return True
    hidden, query = DecoderFit(spec, Design(knobs, board), decoder).depths(ONE_ROW)
    return knobs.source_words >= hidden and knobs.result_words >= query


def _keeps_rules(knobs: Knobs, board: Board) -> bool:
    try:
        make_design(knobs, board)
    except KnobError:
        return False
    return True


def _shapes(chosen: dict[str, Any]) -> Iterator[tuple[int, int, int]]:
    """Tokens, outputs and inputs in parallel, as far as they are not chosen."""
    for inner in [chosen["in_parallel"]] if "in_parallel" in chosen else IN_SHAPES:
        outs = [count * inner for count in OUT_MULTIPLES if count == 1 or count * inner <= MOST_OUT]
        for out in [chosen["out_parallel"]] if "out_parallel" in chosen else outs:
            for tokens in (
                [chosen["tokens_parallel"]] if "tokens_parallel" in chosen else range(1, _MOST["tokens_parallel"] + 1)
            ):
                yield tokens, out, inner


def _unit(spec: ModelSpec, board: Board, chosen: dict[str, Any], tokens: int, out: int, inner: int) -> Knobs:
    """Knobs of a shape of the unit without its memories, which are found later."""
    basis = Knobs(clock_mhz=board.clock_mhz, weight_ports=min(4, board.ports), port_bits=min(128, board.port_bits))
    basis = basis.turned({name: value for name, value in chosen.items() if not name.startswith("max_")})
    # As many rows of scores a cycle as keep up with the unit: a block's words of scores take score groups each.
    groups = max(1, ceil_div(spec.head_dim, inner) // max(1, out // inner))
    rows = ceil_div(tokens, min(groups, tokens))
    lanes = next(count for count in (4, 2, 1) if inner % count == 0)
    weights = basis.port_bits // basis.weight_bits * basis.weight_ports

    def padded_tile(beats: int) -> int:
        return ceil_div(out * inner, weights * beats) * weights * beats

    fill = min((2, 1), key=padded_tile)
    found = {
        "tokens_parallel": tokens, "out_parallel": out, "in_parallel": inner,
        "score_rows": rows, "cache_lanes": lanes, "fill_beats": fill,
    }  # fmt: skip
    return replace(basis, **{name: value for name, value in found.items() if name not in chosen})


def _fitting_arithmetic(spec: ModelSpec, board: Board, units: list[Knobs], chosen: dict[str, Any]) -> Knobs:
    """The fastest unit for which only memory is short; the slowest if none is."""
    for room in (ROOM, NO_ROOM):
        for unit in units:
            if _free_luts(Design(_least(spec, board, unit, chosen), board), room) is not None:
                return unit
    return units[-1]


# Memories


def _memory(spec: ModelSpec, board: Board, unit: Knobs, chosen: dict[str, Any], room: float) -> _Choice | None:
    """The fastest memories that fit beside a unit; the residual's finer bits go last, since they cost accuracy."""
    best: _Choice | None = None
    kept: _Choice | None = None
    for tail in (chosen["residual_tail_bits"],) if "residual_tail_bits" in chosen else sorted(TAILS):
        found = _fastest(spec, board, replace(unit, residual_tail_bits=tail), chosen, room)
        if found is None:
            break
        best = best or found
        if found.cycles <= TAIL_COST * best.cycles:
            kept = found
    return kept


def _fastest(spec: ModelSpec, board: Board, unit: Knobs, chosen: dict[str, Any], room: float) -> _Choice | None:
    rate = beats_per_cycle(unit, board)
    options: list[tuple[float, Knobs, list[Step]]] = []
    seen = set()
    for hidden in PIECES:
        for heads in PIECES:
            knobs = _sized(spec, board, unit, chosen, hidden, heads).turned(chosen)
            if knobs not in seen:
                seen.add(knobs)
                operations = steps(spec, Design(knobs, board))
                bound = max(compute_cycles(operations), weight_beats(operations) / rate)
                options.append((bound, knobs, operations))
    # Those that could be the fastest come first, so that most need no look at their memories; of equals, fewest pieces.
    best: _Choice | None = None
    for bound, knobs, operations in sorted(options, key=lambda option: option[0]):
        if best is not None and GAIN * bound >= best.cycles:
            break
        deepest = _deepest_fifo(board, knobs, chosen, operations, room)
        if deepest is None:
            continue
        cycles = frame_cycles(operations, rate, deepest.weight_fifo_beats)
        if best is None or GAIN * cycles < best.cycles:
            best = _Choice(_enough_fifo(spec, board, deepest, chosen, operations, rate), cycles)
    return best


def _with_deepest_rings(spec: ModelSpec, board: Board, choice: _Choice, chosen: dict[str, Any], room: float) -> _Choice:
    """The choice with rings of maps as deep as memory allows, where decoders run on the engine.

    Each further row in a ring saves passes of a convolution's weights. So a shallower weight FIFO hardly costs time and
    saves much traffic.
    """
    if largest_decoder(spec, choice.knobs) is None:
        return choice
    depths = _fifo_depths(choice.knobs, choice.knobs.weight_fifo_beats)
    if "weight_fifo_beats" in chosen:
        depths = [choice.knobs.weight_fifo_beats]
    best: _Choice | None = None
    limit, least = 0.0, 0
    for depth in (depth for depth in reversed(depths) if depth <= choice.knobs.weight_fifo_beats):
        knobs = replace(choice.knobs, weight_fifo_beats=depth)
        knobs, rows = deepest_rings(spec, board, knobs, chosen, lambda found: _fits(found, board, room))
        operations = steps(spec, Design(knobs, board), rows)
        cycles, beats = frame_cycles(operations, beats_per_cycle(knobs, board), depth), weight_beats(operations)
        if best is not None and (cycles > limit or beats >= least or depth < LEAST_FIFO * knobs.fill_beats):
            break
        limit, least, best = limit or RING_COST * cycles, beats, _Choice(knobs, cycles)
    return best or choice


def _deepest_fifo(
    board: Board, knobs: Knobs, chosen: dict[str, Any], operations: list[Step], room: float
) -> Knobs | None:
    """The deepest weight FIFO that fits beside the other memories, no deeper than all weights."""
    if "weight_fifo_beats" in chosen:
        return knobs if _fits(knobs, board, room) else None
    depths = _fifo_depths(knobs, weight_beats(operations))
    if not _fits(replace(knobs, weight_fifo_beats=depths[0]), board, room):
        return None
    low, high = 0, len(depths) - 1
    while low < high:
        middle = (low + high + 1) // 2
        if _fits(replace(knobs, weight_fifo_beats=depths[middle]), board, room):
            low = middle
        else:
            high = middle - 1
    return replace(knobs, weight_fifo_beats=depths[low])


def _enough_fifo(
    spec: ModelSpec, board: Board, knobs: Knobs, chosen: dict[str, Any], operations: list[Step], rate: float
) -> Knobs:
    """The shallowest weight FIFO that is hardly slower than the one that fits.

    Where frames share a pass, the unit is the limit, and weights would hardly matter if all experts had equally many
    tokens. They have not: experts with few tokens follow others too fast for memory, so an expert's weights must be
    there ahead.
    """
    if "weight_fifo_beats" in chosen:
        return knobs
    least = LEAST_FIFO * knobs.fill_beats
    if knobs.frames_per_pass > 1:
        least = max(least, expert_beats(spec, Design(knobs, board)))
    limit = GAIN * frame_cycles(operations, rate, knobs.weight_fifo_beats)
    for depth in _fifo_depths(knobs, knobs.weight_fifo_beats):
        if depth >= knobs.weight_fifo_beats:
            break
        if depth >= least and frame_cycles(operations, rate, depth) <= limit:
            return replace(knobs, weight_fifo_beats=depth)
    return knobs


def _fifo_depths(knobs: Knobs, most: int) -> list[int]:
    """Depths in beats that fill BRAM or UltraRAM well; the first that holds `most` beats is the last."""
    small = (128, 256, 512, 1024, 1536, 2048, 3072)
    elements = (*small, *(n * URAM_DEPTH for n in range(1, DEEPEST_FIFO + 1)))
    depths = [count * knobs.fill_beats for count in elements]
    needed = next((i for i, depth in enumerate(depths) if depth >= most), len(depths) - 1)
    return depths[: needed + 1]


def _fits(knobs: Knobs, board: Board, room: float) -> bool:
    """Whether a design leaves 1 - `room` of every resource free; equal to the answer of its estimate, but faster."""
    design = Design(knobs, board)
    luts = _free_luts(design, room)
    if luts is None or not storage_fits(design.board, design.memories, room, luts):
        return False
    # With less room than the plan of memories aims at, it may have traded BRAM for look-up tables that are not there.
    return room <= ROOM or design.storage.lut <= luts


def _free_luts(design: Design, room: float) -> float | None:
    """Look-up tables that are left for memories; None if arithmetic takes too much."""
    parts = arithmetic_parts(design)
    # Two flip-flops go with every look-up table.
    luts = room * min(design.board.lut, design.board.ff / 2) - sum(part.lut for part in parts)
    return luts if luts >= 0 and sum(part.dsp for part in parts) <= room * design.board.dsp else None


def _least(spec: ModelSpec, board: Board, unit: Knobs, chosen: dict[str, Any]) -> Knobs:
    """A unit with the smallest memories that hold the network."""
    small = replace(unit, residual_tail_bits=0, weight_fifo_beats=_fifo_depths(unit, 0)[0])
    return _sized(spec, board, small, chosen, PIECES[-1], spec.heads).turned(chosen)


def _sized(spec: ModelSpec, board: Board, unit: Knobs, chosen: dict[str, Any], hidden: int, heads: int) -> Knobs:
    """A unit with memories for a network in a number of pieces, and for a row at a time of its decoders' maps."""
    knobs = replace(unit, **_sizes(spec, unit, chosen, hidden, heads))
    decoder = largest_decoder(spec, knobs)
    if decoder is None:
        return knobs
    fit = DecoderFit(spec, Design(replace(knobs, source_words=0, result_words=0), board), decoder)
    return with_rings(knobs, fit, ONE_ROW, chosen) or knobs


def _sizes(spec: ModelSpec, unit: Knobs, chosen: dict[str, Any], hidden: int, heads: int) -> dict[str, int]:
    """Sizes of memories for a network whose hidden features and heads are cut into these numbers of pieces."""
    out = unit.out_parallel
    head = ceil_div(spec.head_dim, out) * out
    widest = max([spec.patch_inputs, *(block.hidden for block in spec.blocks)])
    least = max(64, spec.most_experts, out)
    columns = ceil_div(widest, hidden * out) * out if hidden > 1 else widest
    most_experts, most_top_k = _router(spec, chosen)
    found = {
        "max_tokens": spec.tokens,
        "max_dim": spec.dim,
        "max_query": max(spec.heads * head, spec.dim),
        "max_experts": most_experts,
        "max_top_k": most_top_k,
        "max_hidden": max(columns, least),
        "max_cache": 2 * ceil_div(spec.heads, heads) * head,
    }
    found |= map_sizes(spec, chosen)
    return {name: chosen.get(name, value) for name, value in found.items()}


def _router(spec: ModelSpec, chosen: Mapping[str, Any]) -> tuple[int, int]:
    """The knobs `max_experts` and `max_top_k`; both are 0 for a network without experts, so its engine has no router.

    A chosen value of one of them bounds the other.
    """
    most, top_k = (max(64, spec.most_experts), max(4, spec.router.top_k)) if spec.most_experts else (0, 0)
    said_experts, said_top_k = chosen.get("max_experts", most), chosen.get("max_top_k", top_k)
    # A router has two or more experts among which it chooses.
    found = max(most, 2, min(int(said_top_k), _MOST["max_top_k"])) if said_top_k else most
    if said_experts == 0:
        return found, 0
    return found, max(1, min(top_k, int(said_experts)))


def map_sizes(spec: ModelSpec, chosen: Mapping[str, Any]) -> dict[str, int]:
    """Width and channels of the maps for the engine, where they fit; no width where the engine can't convolve them."""
    channels = max((task.map_channels or 0 for task in spec.tasks), default=0)
    widest = map_width(spec)
    on_engine = 0 < channels <= _MOST["max_map_channels"] and widest <= _MOST["max_map_width"]
    # A unit of one token, where it is chosen, has no two pixels side by side.
    on_engine = on_engine and chosen.get("tokens_parallel") != 1
    width = int(chosen.get("max_map_width", widest if on_engine and not spec.align_corners else 0))
    found = {"max_map_width": width, "max_map_channels": channels if width and channels else Knobs.max_map_channels}
    return {name: int(chosen.get(name, value)) for name, value in found.items()}


_SHAPE = {"tokens_parallel", "out_parallel", "in_parallel"}
_MOST = {knob.name: int(knob.metadata["high"]) for knob in knob_fields()}
