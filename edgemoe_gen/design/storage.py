"""Which primitive holds which memory: BRAM or UltraRAM, so that a design fits its board.

Sizes follow UG573: a BRAM36 is 72 bits x 512 down to 9 bits x 4096 (simple dual port), an UltraRAM 72 bits x 4096.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from edgemoe_gen.arithmetic import ceil_div
from edgemoe_gen.numerics import tables

if TYPE_CHECKING:
    from edgemoe_gen.design.design import Design

BRAM_SHAPES = ((72, 512), (36, 1024), (18, 2048), (9, 4096))
URAM_WIDTH, URAM_DEPTH = 72, 4096


@dataclass(frozen=True)
class Memory:
    """`copies` equal memories of `depth` words of `width` bits; `movable` if UltraRAM may hold it too."""

    name: str
    what: str
    width: int
    depth: int
    copies: int
    movable: bool

    @property
    def bits(self) -> int:
        """Bits that it stores."""
        return self.width * self.depth * self.copies

    @property
    def bram36(self) -> int:
        """BRAM36 that it takes."""
        return self.copies * min(ceil_div(self.width, w) * ceil_div(self.depth, d) for w, d in BRAM_SHAPES)

    @property
    def uram(self) -> int:
        """UltraRAMs that it takes."""
        return self.copies * ceil_div(self.width, URAM_WIDTH) * ceil_div(self.depth, URAM_DEPTH)


@dataclass(frozen=True)
class StoragePlan:
    """Primitive (`bram` or `uram`) by name of memory, and what all of them take."""

    primitive: Mapping[str, str]
    bram36: int
    uram: int


def memories(design: Design) -> tuple[Memory, ...]:
    """All memories of a design that are too large for look-up tables, in the order of the data path.

    None depends on the number of experts of a network: queues share one pool, sorted by expert.
    """
    k = design.knobs
    word = k.in_parallel * k.activation_bits
    place = 2 * 8
    route = place + tables.MANTISSA_BITS + 8
    row = k.activation_bits + tables.MANTISSA_BITS + 8
    running = k.activation_bits + design.exp_sum_bits
    meanings = {
        "residual": "tokens between layers",
        "normed": "LayerNorm of tokens",
        "query": "queries, attention, gathered tokens",
        "hidden": "hidden features, scores, patches, logits",
        "cache": "keys and values",
    }
    activations = tuple(
        Memory(name, meanings[name], word, depth, k.tokens_parallel, True)
        for name, depth in design.memory_depths.items()
    )
    tail = Memory(
        "residual_tail", "what tokens between layers keep beyond activations",
        k.in_parallel * (k.residual_tail_bits + 1), design.memory_depths["residual"] if k.residual_tail_bits else 0,
        k.tokens_parallel, True,
    )  # fmt: skip
    return (
        Memory("weight_fifo", "weights fetched ahead", k.port_bits, k.weight_fifo_beats, k.weight_ports, True),
        *activations,
        tail,
        Memory(
            "operands", "two output tiles of weights, keys or values",
            design.part_values * design.operand_bits, 2 * design.max_in_words, design.operand_parts, False,
        ),
        Memory("measured", "a token waiting for its mean", word, 2 * design.max_in_words, 1, False),
        Memory("rows", "maximum and sum of score rows", row + running, design.max_rows, 1, False),
        Memory("queues", "token queues of all experts", route, design.max_routes, 2, False),
        Memory("places", "the queues' tokens once more, for gathering", place, design.max_routes, 1, False),
    )  # fmt: skip


def plan_storage(design: Design) -> StoragePlan:
    """The assignment that leaves the scarcer primitive the most room."""
    board = design.board
    every = memories(design)
    movable = [(memory.name, memory.bram36, memory.uram) for memory in every if memory.movable]
    fixed = sum(memory.bram36 for memory in every if not memory.movable)
    best: tuple[float, int, tuple[bool, ...]] | None = None
    for choice in product((False, True), repeat=len(movable) if board.uram else 0):
        in_uram = choice or (False,) * len(movable)
        bram = fixed + sum(bram36 for (_, bram36, _), moved in zip(movable, in_uram, strict=True) if not moved)
        uram = sum(uram for (_, _, uram), moved in zip(movable, in_uram, strict=True) if moved)
        load = max(bram / board.bram36, uram / board.uram if board.uram else 0.0)
        if best is None or (load, bram + uram) < best[:2]:
            best = load, bram + uram, in_uram
    assert best is not None
    moved = dict(zip((name for name, _, _ in movable), best[2], strict=True))
    return StoragePlan(
        {name: "uram" if up else "bram" for name, up in moved.items()},
        fixed + sum(bram36 for name, bram36, _ in movable if not moved[name]),
        sum(uram for name, _, uram in movable if moved[name]),
    )
