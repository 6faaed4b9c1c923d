"""Chooses BRAM, UltraRAM or look-up tables for each memory, so that a design fits its board with room left.

Counts follow the primitives' shapes in AMD's guides: UG573 for BRAM and UltraRAM, UG574 for RAM in look-up tables. A
memory that would leave its last UltraRAM mostly empty can be split: its last addresses lie in BRAM.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from edgemoe_gen.base.arithmetic import ceil_div
from edgemoe_gen.design.fifos import Fifo
from edgemoe_gen.design.sizes import Sizes
from edgemoe_gen.hardware.axi import ADAPTER_BEATS, OTHER_ADAPTERS
from edgemoe_gen.hardware.boards import Board
from edgemoe_gen.hardware.memories import MEMORIES, SPLITTABLE, tail_of
from edgemoe_gen.hardware.ring import OPEN_TILES
from edgemoe_gen.numerics import tables

# One write and one read port (UG573, simple dual port): width and depth.
BRAM_SHAPES = ((72, 512), (36, 1024), (18, 2048), (9, 4096))
URAM_WIDTH, URAM_DEPTH = 72, 4096
# One write and one read port in the eight look-up tables of a slice (UG574, RAM32M16 and RAM64M8): width and depth.
SLICE_LUTS = 8
LUTRAM_SHAPES = ((14, 32), (7, 64))
SHIFT_REGISTER = 32  # elements of a FIFO that one look-up table holds of each bit (UG574, SRLC32E)
MUX_INPUTS = 4  # that one look-up table selects from (UG574)

# Share of each resource that a design should take at most: placement and routing need the rest.
ROOM = 0.85
# Share of a board's look-up tables that memories may take which could lie in BRAM too.
LUTRAM_SHARE = 0.1

_Sums = tuple[int, int, int]  # BRAM36, UltraRAMs, look-up tables
_Primitives = tuple[tuple[str, str], ...]  # name of a memory, and its primitive


@dataclass(frozen=True)
class Memory:
    """`copies` equal memories of `depth` words of `width` bits, each with a port to write and one to read.

    Attributes:
        allowed: primitives that may hold it: `bram`, `uram`, `lutram`.
    """

    name: str
    what: str
    width: int
    depth: int
    copies: int
    allowed: tuple[str, ...]

    @property
    def bits(self) -> int:
        """Bits of all copies."""
        return self.width * self.depth * self.copies

    @cached_property
    def bram36(self) -> int:
        """BRAM36 that it takes in BRAM."""
        return self.copies * min(ceil_div(self.width, w) * ceil_div(self.depth, d) for w, d in BRAM_SHAPES)

    @cached_property
    def uram(self) -> int:
        """UltraRAMs that it takes in UltraRAM."""
        return self.copies * ceil_div(self.width, URAM_WIDTH) * ceil_div(self.depth, URAM_DEPTH)

    @cached_property
    def lut(self) -> int:
        """Look-up tables that it takes as their RAM, with the multiplexers behind banks of 64 words."""
        width, depth = next((s for s in LUTRAM_SHAPES if self.depth <= s[1]), LUTRAM_SHAPES[-1])
        banks = ceil_div(self.depth, depth)
        selecting = self.width * ceil_div(max(banks - 1, 0), MUX_INPUTS - 1)
        return self.copies * (ceil_div(self.width, width) * SLICE_LUTS * banks + selecting)

    def parts(self, split_depth: int) -> tuple[Memory, Memory]:
        """Its first `split_depth` addresses, and the others, which lie in BRAM."""
        return replace(self, depth=split_depth), replace(self, depth=self.depth - split_depth, allowed=("bram",))


@dataclass(frozen=True)
class StoragePlan:
    """The primitive of every memory, and the resources of all.

    Attributes:
        primitive: `bram`, `uram` or `lutram` by name of memory; for a split memory that of its first addresses.
        bram36, uram: resources of all memories.
        lut: look-up tables that serve as memory.
        split_depth: addresses of the first array of every split memory; 0 where none is split.
        split: names of the memories with a second array, NAME_rest, for their last addresses, always in BRAM. Where one
            is split, every memory of `SPLITTABLE` deeper than `split_depth` is split.
    """

    primitive: Mapping[str, str]
    bram36: int
    uram: int
    lut: int = 0
    split_depth: int = 0
    split: tuple[str, ...] = ()

    def use(self, memory: Memory) -> _Sums:
        """BRAM36, UltraRAMs and look-up tables of one memory in this plan."""
        return _use(memory, self.primitive[memory.name], self.split_depth if memory.name in self.split else 0)


def memories(sizes: Sizes, fifos: Mapping[str, Fifo]) -> tuple[Memory, ...]:
    """All memories of a design without shallow FIFOs and registers, in the order of the data path.

    None depends on the number of experts of a network, only on the knob for the largest number: queues share one pool,
    sorted by expert.
    """
    k = sizes.knobs
    row_blocks = ceil_div(sizes.max_rows, k.tokens_parallel)
    weights, measured, orders = (fifos[name] for name in ("weights", "measured", "orders"))
    return (
        Memory(
            "weight_fifo", "weights fetched ahead", weights.width, weights.depth, weights.copies, ("bram", "uram"),
        ),
        *_activations(sizes),
        Memory(
            "operands", "ring of weights, keys or values: two output tiles",
            sizes.part_values * sizes.operand_bits, sizes.ring_words, sizes.operand_parts, ("bram", "lutram"),
        ),
        Memory(
            "biases", "biases of the tiles in the ring", k.out_parallel * sizes.bias_bits, OPEN_TILES, 1, ("lutram",),
        ),
        Memory("measured", "a token waiting for its mean", measured.width, measured.depth, 1, ("bram",)),
        Memory("shifts", "shifts of features (LayerNorm)", k.in_parallel * 8, sizes.dim_words, 1, ("lutram",)),
        Memory(
            "maxima", "largest scores of rows: running, and of the operation before",
            k.activation_bits * k.tokens_parallel, row_blocks, 2, ("lutram",),
        ),
        *_queues(sizes, row_blocks),
        Memory(
            "adapters", "bursts in the AXI adapters",
            k.port_bits, ADAPTER_BEATS, k.weight_ports + OTHER_ADAPTERS, ("bram",),
        ),
        Memory("orders", "operations that lie ahead", orders.width, orders.depth, 1, ("bram", "lutram")),
        *_offsets(sizes),
        *_of_decoders(sizes),
        *_channels(fifos),
    )  # fmt: skip


def _queues(sizes: Sizes, row_blocks: int) -> Iterator[Memory]:
    """Token queues (routes by token and by expert), and the places of queued tokens, of designs with experts."""
    if sizes.has_experts:
        place = (max(row_blocks, sizes.blocks, sizes.map_row_blocks).bit_length() + 1) + 8
        route = place + tables.MANTISSA_BITS + sizes.knobs.max_experts.bit_length() + 1
        yield Memory("queues", "token queues of all experts", route, sizes.max_routes, 2, ("bram",))
        yield Memory("places", "places of queued tokens, for gathering", place, sizes.max_routes, 1, ("bram",))


def _offsets(sizes: Sizes) -> Iterator[Memory]:
    """First entry, length and counters of each expert's queue."""
    if sizes.has_experts:
        bits, experts = sizes.max_routes.bit_length() + 1, sizes.knobs.max_experts
        yield Memory("offsets", "first entry, length and counters of each queue", bits, experts, 4, ("lutram",))


def _of_decoders(sizes: Sizes) -> Iterator[Memory]:
    """The columns that RESIZE keeps: a blend has two bits more than an activation."""
    if sizes.has_decoders:
        width = sizes.knobs.in_parallel * sizes.knobs.activation_bits
        yield Memory(
            "nears", "a column of the nearer row that waits for the other", width, sizes.map_words, 1, ("lutram",)
        )
        width += 2 * sizes.knobs.in_parallel
        yield Memory(
            "blends", "a column of pixels that waits for its neighbour", width, sizes.map_words, 1, ("lutram",)
        )


def _activations(sizes: Sizes) -> Iterator[Memory]:
    """The activation memories, and after them the tails of some."""
    k, depths = sizes.knobs, sizes.memory_depths
    for row in MEMORIES.values():
        width, lanes = k.in_parallel * sizes.value_bits(row.name), sizes.memory_lanes(row.name)
        yield Memory(row.name, row.meaning, width, depths[row.name], lanes, ("bram", "uram"))
    for row in MEMORIES.values():
        if row.tail:
            depth = depths[row.name] if k.residual_tail_bits else 0
            width, lanes = k.in_parallel * (k.residual_tail_bits + 1), sizes.memory_lanes(row.name)
            yield Memory(tail_of(row.name), f"{row.meaning}: beyond activations", width, depth, lanes, ("bram", "uram"))


def _channels(fifos: Mapping[str, Fifo]) -> Iterator[Memory]:
    """The other FIFOs of more than 32 elements, which is the most that look-up tables hold as shift registers."""
    for fifo in fifos.values():
        if not fifo.held and fifo.depth > SHIFT_REGISTER:
            kind = "lutram" if fifo.depth <= LUTRAM_SHAPES[-1][1] else "bram"
            yield Memory(f"fifo_{fifo.name}", "FIFO between processes", fifo.width, fifo.depth, fifo.copies, (kind,))


def plan_storage(board: Board, every: tuple[Memory, ...]) -> StoragePlan:
    """The assignment that leaves the scarcer of BRAM and UltraRAM the most room.

    Look-up tables replace BRAM only where otherwise less than 1 - `ROOM` of BRAM would be left. All assignments are
    tried: equal sums are merged on the way, and assignments with too little room are dropped as long as others have
    enough.
    """
    for room in (ROOM, math.inf):
        best: tuple[tuple[float, ...], _Sums, _Primitives, int] | None = None
        for split_depth in _split_depths(board, every):
            for sums, held in _assignments(board, every, split_depth, room).items():
                bram36, uram, lut = sums
                load = max(bram36 / board.bram36, uram / board.uram if board.uram else 0.0)
                score = (max(load - ROOM, 0.0), lut, load, bram36 + uram)
                if best is None or score < best[0]:
                    best = score, sums, held, split_depth
        if best is not None:
            break
    assert best is not None
    _, (bram36, uram, lut), held, split_depth = best
    primitive = dict(held)
    split = tuple(memory.name for memory in every if _is_split(memory, split_depth))
    ordered = {memory.name: primitive[memory.name] for memory in every}
    return StoragePlan(ordered, bram36, uram, lut, split_depth, split)


def shared_depths(plan: StoragePlan, every: tuple[Memory, ...]) -> dict[str, tuple[bool, bool]]:
    """For each memory of `SPLITTABLE` whether its two arrays can be as deep as the deepest.

    One piece of hardware serves all of them, and arrays of one depth certainly keep one instance. More depth is free up
    to 512 words of BRAM and 4,096 of UltraRAM. Depths that would take more primitives stay as they are.
    """
    shared = [memory for memory in every if memory.name in SPLITTABLE]
    deepest = max(memory.depth for memory in shared)
    first = min(deepest, plan.split_depth or deepest)
    found = {}
    for memory in shared:
        begin, rest = memory, None
        if memory.name in plan.split:
            begin, rest = memory.parts(plan.split_depth)
        kind = plan.primitive[memory.name]
        found[memory.name] = (
            _use(replace(begin, depth=first), kind, 0) == _use(begin, kind, 0),
            rest is not None and replace(rest, depth=deepest - first).bram36 == rest.bram36,
        )
    return found


def storage_fits(board: Board, every: tuple[Memory, ...], room: float, luts: float) -> bool:
    """Whether the share `room` of a board's BRAM and UltraRAM, and a number of look-up tables, hold all memories."""
    return any(
        lut <= luts
        for split_depth in _split_depths(board, every)
        for _, _, lut in _assignments(board, every, split_depth, room)
    )


def _split_depths(board: Board, every: tuple[Memory, ...]) -> Iterator[int]:
    yield 0
    if board.uram:
        deepest = max(memory.depth for memory in every if memory.name in SPLITTABLE)
        yield from range(URAM_DEPTH, deepest, URAM_DEPTH)


def _is_split(memory: Memory, split_depth: int) -> bool:
    return 0 < split_depth < memory.depth and memory.name in SPLITTABLE


def _use(memory: Memory, kind: str, split_depth: int) -> _Sums:
    """BRAM36, UltraRAMs and look-up tables of a memory in a primitive; `split_depth` 0: the memory is not split."""
    rest = 0
    if split_depth:
        memory, beyond = memory.parts(split_depth)
        rest = beyond.bram36
    return (
        (memory.bram36 if kind == "bram" else 0) + rest,
        memory.uram if kind == "uram" else 0,
        memory.lut if kind == "lutram" else 0,
    )


def _assignments(board: Board, every: tuple[Memory, ...], split_depth: int, room: float) -> dict[_Sums, _Primitives]:
    """One assignment of all memories, primitives by name, for every different sum of resources.

    Assignments with more than the share `room` of BRAM or UltraRAM are left out.
    """
    bram36_limit, uram_limit = room * board.bram36, room * board.uram if board.uram else 0.0
    states: dict[_Sums, _Primitives] = {(0, 0, 0): ()}
    # Those that have no choice come first, then the largest: so sums that leave too little room end early.
    for memory in sorted(every, key=lambda memory: (len(memory.allowed), -memory.bits)):
        depth = split_depth if _is_split(memory, split_depth) else 0
        kinds = [kind for kind in memory.allowed if kind != "uram" or board.uram]
        if len(kinds) > 1 and "lutram" in kinds and memory.lut > LUTRAM_SHARE * board.lut:
            kinds.remove("lutram")
        uses = [(((memory.name, kind),), *_use(memory, kind, depth)) for kind in kinds]
        following: dict[_Sums, _Primitives] = {}
        for (bram36, uram, lut), chosen in states.items():
            for kind, more_bram36, more_uram, more_lut in uses:
                sums = (bram36 + more_bram36, uram + more_uram, lut + more_lut)
                if sums[0] <= bram36_limit and sums[1] <= uram_limit and sums not in following:
                    following[sums] = chosen + kind
        states = following
    return states
