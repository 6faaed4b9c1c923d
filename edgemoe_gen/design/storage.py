"""Which primitive holds which memory, BRAM, UltraRAM or look-up tables, so that a design fits its board with room left.

Counts follow the primitives' shapes in AMD's guides: UG573 for BRAM and UltraRAM, UG574 for RAM in look-up tables. A
memory whose depth would fill its last UltraRAM badly can be split: the addresses beyond lie in BRAM.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from edgemoe_gen.base.arithmetic import ceil_div
from edgemoe_gen.numerics import tables

if TYPE_CHECKING:
    from edgemoe_gen.design.design import Design

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
# Memories with a second array for addresses beyond the first: the four that every operation can read or write.
SPLITTABLE = ("residual", "normed", "query", "hidden")
HELD = ("weights", "measured", "orders")  # FIFOs that are memories whatever their depth
OPERATIONS_AHEAD = 128  # that fetching weights knows of before they run
ORDER_BITS = 8 * 32 + 38 * 16 + 3 * 24  # of an operation as its processes pass it on (operation.h)
OPEN_TILES = 16  # output tiles whose biases wait in the compute unit
# An AXI adapter buffers all bursts that may be outstanding: 16 bursts of 16 beats (UG1399, m_axi interfaces).
ADAPTER_BEATS = 16 * 16
OTHER_ADAPTERS = 3  # beside those of the weight ports: program, input, result

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
        """Bits that it stores."""
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
        """Its first `split_depth` addresses, and those beyond, which lie in BRAM."""
        return replace(self, depth=split_depth), replace(self, depth=self.depth - split_depth, allowed=("bram",))


@dataclass(frozen=True)
class StoragePlan:
    """Where every memory lies, and what all of them take.

    Attributes:
        primitive: `bram`, `uram` or `lutram` by name of memory; of a split memory that of its first addresses.
        bram36, uram: what all memories take.
        lut: look-up tables that serve as memory.
        split_depth: addresses of the first array of every split memory; 0 where none is split.
        split: names of the memories with a second array, NAME_rest, for the addresses beyond; it is always in BRAM.
            Where one is split, each of `SPLITTABLE` is that is deeper than `split_depth`.
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


def memories(design: Design) -> tuple[Memory, ...]:
    """All memories of a design but shallow FIFOs and registers, in the order of the data path.

    None depends on the number of experts of a network, only on that of the largest: queues share one pool, sorted by
    expert.
    """
    k = design.knobs
    word = k.in_parallel * k.activation_bits
    row_blocks = ceil_div(design.max_rows, k.tokens_parallel)
    place = (max(row_blocks, design.blocks).bit_length() + 1) + 8
    route = place + tables.MANTISSA_BITS + k.max_experts.bit_length() + 1
    offset = design.max_routes.bit_length() + 1
    meanings = {
        "residual": "tokens between layers",
        "normed": "LayerNorm of tokens",
        "query": "queries, attention, gathered tokens",
        "hidden": "hidden features, scores, patches, logits",
        "cache": "keys and values",
    }
    depths = design.memory_depths
    large = ("bram", "uram")
    activations = tuple(
        Memory(name, what, k.in_parallel * design.cache_bits, depths[name], k.cache_lanes, large)
        if name == "cache" else Memory(name, what, word, depths[name], k.tokens_parallel, large)
        for name, what in meanings.items()
    )  # fmt: skip
    tail = Memory(
        "residual_tail", "what tokens between layers keep beyond activations",
        k.in_parallel * (k.residual_tail_bits + 1), depths["residual"] if k.residual_tail_bits else 0,
        k.tokens_parallel, large,
    )  # fmt: skip
    return (
        Memory(
            "weight_fifo", "weights fetched ahead",
            k.port_bits * k.fill_beats, design.fifo_elements, k.weight_ports, large,
        ),
        *activations,
        tail,
        Memory(
            "operands", "ring of weights, keys or values: two output tiles",
            design.part_values * design.operand_bits, design.ring_words, design.operand_parts, ("bram", "lutram"),
        ),
        Memory("biases", "biases of the tiles in the ring", k.out_parallel * 32, OPEN_TILES, 1, ("lutram",)),
        Memory(
            "measured", "a token waiting for its mean",
            design.fifos["measured"].width, design.fifos["measured"].depth, 1, ("bram",),
        ),
        Memory("shifts", "shifts of features (LayerNorm)", k.in_parallel * 8, design.dim_words, 1, ("lutram",)),
        Memory(
            "maxima", "largest scores of rows: running, and of the operation before",
            k.activation_bits * k.tokens_parallel, row_blocks, 2, ("lutram",),
        ),
        Memory("queues", "token queues of all experts", route, design.max_routes, 2, ("bram",)),
        Memory("places", "places of queued tokens, for gathering", place, design.max_routes, 1, ("bram",)),
        Memory(
            "adapters", "bursts in the AXI adapters",
            k.port_bits, ADAPTER_BEATS, k.weight_ports + OTHER_ADAPTERS, ("bram",),
        ),
        Memory("orders", "operations that lie ahead", ORDER_BITS, design.fifos["orders"].depth, 1, ("bram", "lutram")),
        Memory("offsets", "first entry, length and counters of each queue", offset, k.max_experts, 4, ("lutram",)),
        *_channels(design),
    )  # fmt: skip


def _channels(design: Design) -> Iterator[Memory]:
    """The other FIFOs between processes, of more than the 32 elements that look-up tables hold as shift registers."""
    for fifo in design.fifos.values():
        if fifo.name not in HELD and fifo.depth > SHIFT_REGISTER:
            kind = "lutram" if fifo.depth <= LUTRAM_SHAPES[-1][1] else "bram"
            yield Memory(f"fifo_{fifo.name}", "FIFO between processes", fifo.width, fifo.depth, fifo.copies, (kind,))


def plan_storage(design: Design) -> StoragePlan:
    """The assignment that leaves the scarcer of BRAM and UltraRAM the most room.

    Look-up tables hold what could lie in BRAM only where less than 1 - `ROOM` of BRAM would be left without. All
    assignments are tried: equal sums are merged on the way, and those that leave too little room are dropped as long as
    others leave enough.
    """
    board = design.board
    every = memories(design)
    for room in (ROOM, math.inf):
        best: tuple[tuple[float, ...], _Sums, _Primitives, int] | None = None
        for split_depth in _split_depths(design, every):
            for sums, held in _assignments(design, every, split_depth, room).items():
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


def shared_depths(design: Design) -> dict[str, tuple[bool, bool]]:
    """Of each memory of `SPLITTABLE` whether its array, and that of its last addresses, can be as deep as the deepest.

    One piece of hardware serves all four. Arrays of one depth are surely one for it, and BRAM up to 512 words, UltraRAM
    up to 4,096 come free. Depths that would take more are left as they are.
    """
    plan = design.storage
    deepest = max(design.memory_depths[name] for name in SPLITTABLE)
    first = min(deepest, plan.split_depth or deepest)
    found = {}
    for memory in memories(design):
        if memory.name in SPLITTABLE:
            begin, rest = memory, None
            if memory.name in plan.split:
                begin, rest = memory.parts(plan.split_depth)
            kind = plan.primitive[memory.name]
            found[memory.name] = (
                _use(replace(begin, depth=first), kind, 0) == _use(begin, kind, 0),
                rest is not None and replace(rest, depth=deepest - first).bram36 == rest.bram36,
            )
    return found


def storage_fits(design: Design, room: float, luts: float) -> bool:
    """Whether the share `room` of a board's BRAM and UltraRAM and so many look-up tables can hold all memories."""
    every = memories(design)
    return any(
        lut <= luts
        for split_depth in _split_depths(design, every)
        for _, _, lut in _assignments(design, every, split_depth, room)
    )


def _split_depths(design: Design, every: tuple[Memory, ...]) -> Iterator[int]:
    yield 0
    if design.board.uram:
        deepest = max(memory.depth for memory in every if memory.name in SPLITTABLE)
        yield from range(URAM_DEPTH, deepest, URAM_DEPTH)


def _is_split(memory: Memory, split_depth: int) -> bool:
    return 0 < split_depth < memory.depth and memory.name in SPLITTABLE


def _use(memory: Memory, kind: str, split_depth: int) -> _Sums:
    """BRAM36, UltraRAMs and look-up tables of a memory in a primitive; `split_depth` 0: it is not split."""
    rest = 0
    if split_depth:
        memory, beyond = memory.parts(split_depth)
        rest = beyond.bram36
    return (
        (memory.bram36 if kind == "bram" else 0) + rest,
        memory.uram if kind == "uram" else 0,
        memory.lut if kind == "lutram" else 0,
    )


def _assignments(design: Design, every: tuple[Memory, ...], split_depth: int, room: float) -> dict[_Sums, _Primitives]:
    """One assignment of all memories, primitives by name, for every different sum of what they take.

    Those that take more than the share `room` of BRAM or UltraRAM are left out.
    """
    board = design.board
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
