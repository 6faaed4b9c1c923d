"""A design's numbers for the formulas of operations: depths of pipelines, sizes of the unit, rates of memory.

In: design and timing table. Out: an `Engine` of plain numbers, so that thousands of operations cost little.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgemoe_gen.design import Design
from edgemoe_gen.estimate.processes import ROUTING_LOOPS
from edgemoe_gen.hardware.descriptor import OPERATION_WORDS
from edgemoe_gen.hardware.ring import OPEN_TILES, RING_DISTANCE
from edgemoe_gen.timing.table import Timing

ORDER_READ = 1  # cycles in which the engine takes the next operation from its FIFO
UNBOUNDED = 1 << 30  # places of a FIFO whose depth is said to be 0
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
    apply_words: int
    gather_steps: int
    choose_words: int
    weigh_routes: int
    score_routes: int
    count_routes: int
    place_queues: int
    sort_routes: int
    route_beats: int
    weight_burst: int
    program_beats: int
    convolution_tiles: int
    blend_words: int
    store_columns: int
    output_pixels: int


_OF_DECODERS = ("convolution_tiles", "blend_words", "store_columns", "output_pixels")  # loops of designs with decoders


def _depth(name: str, timing: Timing) -> int:
    """Depth of a loop's pipeline; 0 for a loop of decoders or experts in a design without them."""
    absent = name in (*_OF_DECODERS, *ROUTING_LOOPS) and name not in timing.loops
    return 0 if absent else timing.loops[name].depth


@dataclass(frozen=True)
class Engine:
    """Numbers of one design at one clock.

    Attributes:
        depth: depths of pipelines.
        start: cycles from the begin of an operation to the first iteration of its processes.
        end: cycles from the end of its last process to the next operation.
        measured: cycles after which LayerNorm's first loop passes a word on.
        passes: states before each of the two loops that load operands.
        fetch_gap: cycles from the last beat of one operation's weights to the request of the next one's.
        parallel, out_words, score_groups, parts, cache_steps, bias_steps, fill_beats: sizes of the unit.
        choose_tokens: tokens that take turns in the router.
        ring_words, open_tiles, ring_distance: sizes of the ring of operands.
        buffered: parts of operands that wait before the unit.
        narrow, wide: beats of a word of 16-bit and of 32-bit values.
        latency: cycles from a request to its first beat.
        rate: beats that memory brings to each weight port in a cycle.
        stagger: cycles from the end of the first port's weights to that of the last one's, if memory limits them.
        load_rate: beats a cycle for a port that uses memory alone; `port_rate` if memory is never the limit.
        ports: number of weight ports.
        fifo_beats: beats of weights that wait on the chip behind each port.
        input_beats: beats of loads that wait on the chip.
        orders: operations whose weights the ports know but have not fetched.
        ahead: operations that are known before they run.
        window: outstanding beats of a port.
        beat_time: cycles of memory for one beat of one port.
    """

    depth: Depths
    start: int
    end: int
    measured: int
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
    stagger: float
    load_rate: float
    port_rate: float
    ports: int
    fifo_beats: int
    input_beats: int
    orders: int
    ahead: int
    window: int
    beat_time: float


def engine_of(design: Design, timing: Timing) -> Engine:
    """The numbers of a design."""
    k, loops, constants = design.knobs, timing.loops, timing.constants
    depths = {name: fifo.depth for name, fifo in design.fifos.items()} | dict(timing.depths)
    beat_time = float(design.beat_bytes / timing.ddr_bytes)
    window = timing.axi_outstanding * timing.axi_burst
    # So many beats are on their way at most, and each takes the latency and a cycle to be taken out.
    most = min(1.0, window / (timing.axi_latency + 2))
    stagger = (k.weight_ports - 1) * timing.axi_burst * beat_time
    rate = min(most, 1 / (beat_time * k.weight_ports))
    return Engine(
        depth=Depths(**{name: _depth(name, timing) for name in Depths.__annotations__}),
        start=ORDER_READ + constants["process_start"],
        end=constants["region_end"],
        measured=loops["measure_words"].writes.get("measured", loops["measure_words"].depth),
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
        open_tiles=OPEN_TILES,
        ring_distance=RING_DISTANCE,
        buffered=depths["operands"] or UNBOUNDED,
        narrow=16 * k.in_parallel // k.port_bits,
        wide=32 * k.in_parallel // k.port_bits,
        operation_beats=OPERATION_WORDS * 32 // k.port_bits,
        latency=timing.axi_latency,
        rate=rate,
        stagger=stagger if rate < most else 0.0,
        load_rate=min(most, 1 / beat_time),
        port_rate=most,
        ports=k.weight_ports,
        fifo_beats=(depths["weights"] or UNBOUNDED) * k.fill_beats,
        input_beats=depths["input"] or UNBOUNDED,
        orders=depths["weight_orders"] or UNBOUNDED,
        ahead=depths["orders"] or UNBOUNDED,
        window=window,
        beat_time=beat_time,
    )
