"""What the formulas of an operation read of a design: depths of its pipelines, sizes of its unit, what memory delivers.

In: design and timing table. Out: an `Engine` of plain numbers, so that thousands of operations cost little.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgemoe_gen.codegen.context import stream_depths
from edgemoe_gen.design import Design
from edgemoe_gen.estimate.tabled import engine_constant
from edgemoe_gen.timing.table import Timing

ORDER_READ = 1  # cycles in which the engine takes the next operation from its FIFO
LAST_TEST = 1  # iteration in which the unit's loop finds that it is over


@dataclass(frozen=True)
class Depths:
    """Depths of the pipelines that an operation passes, in cycles, and the states between its operands' two loops."""

    product_tiles: int
    memory_words: int
    input_beats: int
    multiply_steps: int
    weight_steps: int
    cache_steps: int
    shift_words: int
    round_steps: int
    score_steps: int
    store_words: int
    store_scores: int
    output_beats: int
    measure_words: int
    receive_shifts: int
    apply_words: int
    gather_steps: int
    choose_words: int
    weigh_routes: int
    score_routes: int
    clear_counts: int
    count_routes: int
    place_queues: int
    sort_routes: int
    route_beats: int
    weight_burst: int
    program_beats: int


@dataclass(frozen=True)
class Engine:
    """Numbers of one design at one clock.

    Attributes:
        depth: of pipelines.
        start: cycles from the begin of an operation to the first iteration of its processes.
        end: cycles from the end of its last process to the next operation.
        passes: states before each of the two loops that load operands.
        fetch_gap: cycles from the last beat of one operation's weights to the request of the next one's.
        parallel, out_words, score_groups, parts, cache_steps, bias_steps, fill_beats: sizes of the unit.
        choose_tokens: tokens that take turns in the router.
        ring_words, open_tiles, ring_distance: of the ring of operands.
        buffered: parts of operands that wait before the unit.
        narrow, wide: beats of a word of 16-bit and of 32-bit values.
        latency: cycles from a request to its first beat.
        rate: beats that memory brings to each weight port in a cycle.
        shared_rate: the same while another port asks for as much.
        load_rate, shared_load_rate: of a port alone, and beside all weight ports.
        fifo_beats: beats of weights that wait on the chip behind each port.
        window: beats on their way to a port.
        beat_time: cycles of memory for one beat of one port.
    """

    depth: Depths
    start: int
    end: int
    passes: int
    fetch_gap: int
    parallel: int
    out_words: int
    score_groups: int
    parts: int
    cache_steps: int
    bias_steps: int
    fill_beats: int
    choose_tokens: int
    ring_words: int
    open_tiles: int
    ring_distance: int
    buffered: int
    narrow: int
    wide: int
    operation_beats: int
    latency: int
    rate: float
    shared_rate: float
    load_rate: float
    shared_load_rate: float
    fifo_beats: int
    input_beats: int
    window: int
    beat_time: float


def engine_of(design: Design, timing: Timing) -> Engine:
    """The numbers of a design."""
    from edgemoe_gen.codegen.context import INPUT_DEPTH
    from edgemoe_gen.program.descriptor import OPERATION_WORDS

    k, loops, constants = design.knobs, timing.loops, timing.constants
    depths = {**stream_depths(design), **timing.depths}
    beat_time = float(design.beat_bytes / timing.ddr_bytes)
    window = timing.axi_outstanding * timing.axi_burst
    # So many beats are on their way at most, and each takes the latency and a cycle to be taken out.
    most = min(1.0, window / (timing.axi_latency + 2))
    return Engine(
        depth=Depths(**{name: loops[name].depth for name in Depths.__annotations__}),
        start=ORDER_READ + constants["process_start"],
        end=constants["region_end"],
        passes=loops["operand_passes"].states,
        fetch_gap=loops["weight_burst"].depth + loops["weight_operations"].states,
        parallel=k.tokens_parallel,
        out_words=design.out_words,
        score_groups=design.score_groups,
        parts=design.operand_parts,
        cache_steps=max(design.cache_reads, design.operand_parts),
        bias_steps=design.bias_steps,
        fill_beats=k.fill_beats,
        choose_tokens=design.choose_tokens,
        ring_words=design.ring_words,
        open_tiles=engine_constant("open_tiles"),
        ring_distance=engine_constant("ring_distance"),
        buffered=depths["operands"] or window,
        narrow=16 * k.in_parallel // k.port_bits,
        wide=32 * k.in_parallel // k.port_bits,
        operation_beats=OPERATION_WORDS * 32 // k.port_bits,
        latency=timing.axi_latency,
        rate=min(most, 1 / (beat_time * k.weight_ports)),
        shared_rate=min(most, 1 / (beat_time * (k.weight_ports + 1))),
        load_rate=min(most, 1 / beat_time),
        shared_load_rate=min(most, 1 / (beat_time * (k.weight_ports + 1))),
        fifo_beats=k.weight_fifo_beats,
        input_beats=INPUT_DEPTH,
        window=window,
        beat_time=beat_time,
    )
