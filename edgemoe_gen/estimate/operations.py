"""Time of one operation when its weights are there, and its remaining time after its last weights have come.

Every operation is a chain of pipelined loops that all start together. A chain ends when its slowest loop has run all
its iterations, plus the latency of one iteration through all loops. The unit's operands come through a ring, tile after
tile. The unit fills the ring as early as it can, in the same iterations in which it computes, so a late operand delays
both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from operator import attrgetter
from typing import NamedTuple

from edgemoe_gen.estimate.engine import ORDER_READ, Engine
from edgemoe_gen.estimate.unit import Need, Work, unit_time
from edgemoe_gen.hardware.descriptor import Operation
from edgemoe_gen.hardware.kinds import KINDS, OPERANDS, bit, facts_of, number, operand_number

AHEAD, WIDE, NARROW, SHIFTED = bit("AHEAD"), bit("WIDE"), bit("NARROW"), bit("SHIFTED")
STORE_ROUTES, NORMALISE, ROUTE, RESIZE, STORE_RESIZED = (
    number(kind) for kind in ("STORE_ROUTES", "NORMALISE", "ROUTE", "RESIZE", "STORE_RESIZED")
)
WEIGHTS, KEYS = operand_number("WEIGHTS"), operand_number("KEYS")


class Shape(NamedTuple):
    """The fields of an operation on which its time depends, beside the rows of its queue."""

    kind: int
    flags: int
    operand: int
    tokens: int
    blocks: int
    in_words: int
    out_tiles: int
    weight_beats: int
    transfer_beats: int
    gather_words: int
    top_k: int
    expert_end: int
    width: int

    @property
    def uses_queue(self) -> bool:
        """Whether it works on the tokens of a queue, or gathers them."""
        return (facts_of(self.kind).computes and self.tokens == 0) or self.gather_words > 0


Key = tuple[int, ...]  # a shape as it comes from an operation: thousands of these are looked up
_key_of: Callable[[Operation], Key] = attrgetter(*Shape._fields)


def name_of(shape: Shape) -> str:
    """Kind of an operation in words."""
    name = list(KINDS)[shape.kind].lower().replace("_", " ")
    if shape.flags & SHIFTED and facts_of(shape.kind).computes:
        return "convolution"
    if not facts_of(shape.kind).computes:
        return name
    return f"product with {list(OPERANDS)[shape.operand].lower() if shape.tokens else 'expert weights'}"


@dataclass(frozen=True, eq=False)
class Step:
    """One operation.

    Attributes:
        name: name of its kind.
        cycles: its cycles if no weights are late.
        needs: needs of its own weights.
        following: needs of the next operation's weights, whose first tile comes ahead.
        beats: beats of its own weights.
        greedy: cycles, and beats, until the ring is full: from then on weights are taken as tiles are done.
        taken: cycles until all of its own weights have been taken.
        load_beats: beats from memory; `load_tail` is the number of cycles after the last one.
        stored_beats: beats to memory.
    """

    name: str
    cycles: float
    needs: tuple[Need, ...] = ()
    following: tuple[Need, ...] = ()
    beats: int = 0
    greedy: tuple[float, float] = (0.0, 0.0)
    taken: float = 0.0
    load_beats: int = 0
    load_tail: float = 0.0
    stored_beats: int = 0

    @cached_property
    def plain(self) -> bool:
        """Whether the operation does not use memory."""
        return not (self.beats or self.following or self.load_beats or self.stored_beats)


class Operations:
    """Times of operations on an engine; those of equal operations are computed once."""

    def __init__(self, engine: Engine, mean: bool = False) -> None:
        """`mean`: rows of queues are means over queues of all lengths."""
        self.e = engine
        self.mean = mean
        self._known: dict[tuple[Shape, Shape | None, float, float], Step] = {}

    def step(self, shape: Shape, following: Shape | None, rows: float = 0, gathered: float = 0) -> Step:
        """One operation by its shape and the next one's.

        Args:
            rows: rows of its queue, if it has one; may be a mean.
            gathered: rows that are gathered at the same time.
        """
        key = shape, following, rows, gathered
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._computed(*key)
        return found

    def _computed(self, shape: Shape, following: Shape | None, rows: float, gathered: float) -> Step:
        if shape.kind == ROUTE:
            return Step(name_of(shape), self._route(shape))
        if shape.kind == STORE_ROUTES:
            beats = shape.transfer_beats
            return Step(name_of(shape), ORDER_READ + beats - 1 + self.e.depth.route_beats, stored_beats=beats)
        return _Region(self.e, shape, following, rows, gathered, self.mean).step()

    def _route(self, shape: Shape) -> float:
        """Search, scores and counting run at once; placing and sorting wait for the last route."""
        e, d = self.e, self.e.depth
        tokens, words, top_k, experts = shape.tokens, shape.in_words, shape.top_k, shape.expert_end
        rounds = max(top_k, 2) * words
        groups = -(-tokens // e.choose_tokens)
        entries = tokens * top_k
        last_group = tokens - (groups - 1) * e.choose_tokens
        # A group's choices come in its last pass, one a cycle; each makes top_k routes.
        first = (rounds - 1) * e.choose_tokens
        last = (groups - 1) * rounds * e.choose_tokens + first
        routes = max(first + entries, last + max(last_group, last_group * top_k))
        counted = routes - 1 + d.choose_words + d.weigh_routes + d.score_routes + d.count_routes
        sorted_after = experts - 1 + d.place_queues + entries - 1 + d.sort_routes
        return e.start + counted + sorted_after + e.end


class _Region:
    """One operation in the region of all processes. Times count from its begin."""

    def __init__(
        self, e: Engine, shape: Shape, following: Shape | None, rows: float, gathered: float, mean: bool
    ) -> None:
        self.e = e
        self.shape = shape
        self.product = facts_of(shape.kind).computes
        self.blocks: float = shape.blocks
        if self.product and shape.tokens == 0:
            # A queue ends somewhere in its last block: half of that is padding, less half a row.
            padding = (e.parallel - 1) / (2 * e.parallel)
            self.blocks = rows / e.parallel + padding if mean and rows else ceil(rows / e.parallel)
        self.gathered = gathered
        self.next = following if following and facts_of(following.kind).computes and following.flags & AHEAD else None
        self.first = 1 if self.product and shape.flags & AHEAD else 0

    def step(self) -> Step:
        e, d, kind = self.e, self.e.depth, facts_of(self.shape.kind)
        unit = unit_time(e, self._work())
        end = max(unit.end, self._moved())
        if self.shape.gather_words and self.gathered:
            end = max(end, e.start + self.gathered * self.shape.gather_words - 1 + d.gather_steps)
        cycles = end + e.end
        own, taken = unit.own, unit.taken
        if self.shape.kind == NORMALISE:
            taken = float(e.start + d.shift_words)
            own = (Need(self.shape.weight_beats, end - taken),)
        return Step(
            name_of(self.shape), cycles,
            tuple(Need(need.beats, need.tail + e.end) for need in own),
            tuple(Need(need.beats, need.tail + e.end) for need in unit.following),
            self.shape.weight_beats, unit.greedy, taken,
            load_beats=self.shape.transfer_beats if kind.loads else 0,
            load_tail=self._load_tail() + e.end,
            stored_beats=self.shape.transfer_beats if kind.stores else 0,
        )  # fmt: skip

    def _work(self) -> Work:
        e, d = self.e, self.e.depth
        if self.shape.operand == KEYS:
            service, ways = e.out_words * e.score_groups, d.score_steps + d.store_scores
        else:
            service, ways = e.parallel * e.out_words, d.round_steps + d.store_words
        following = self.next
        return Work(
            tiles=self.shape.out_tiles if self.product else 0,
            words=self.shape.in_words if self.product else 0,
            blocks=self.blocks,
            here=self.first,
            weights=self.product and self.shape.operand == WEIGHTS,
            narrow=bool(self.shape.flags & NARROW),
            beats=self.shape.weight_beats,
            held=self.shape.in_words if self.shape.kind == NORMALISE else 0,
            next_words=following.in_words if following else 0,
            next_weights=following is not None and following.operand == WEIGHTS,
            next_narrow=following is not None and bool(following.flags & NARROW),
            service=service,
            ways=ways,
            tile_ways=d.convolution_tiles if self.shape.flags & SHIFTED else d.product_tiles,
        )

    def _load_tail(self) -> int:
        return self.e.depth.input_beats + self._copied(self.e.depth.store_words)

    def _copied(self, leaves: int) -> int:
        """Cycles from a word that is only copied to the end of all: LayerNorm's loops hand it on at once, but its sums
        still end."""
        e = self.e
        return max(e.depth.measure_words, e.measured + e.depth.apply_words + leaves)

    def _moved(self) -> float:
        """End of operations that move words: LayerNorm, loads and stores."""
        e, d = self.e, self.e.depth
        words = self.shape.tokens * self.shape.in_words
        if self.shape.kind == NORMALISE:
            # A token's last word makes its moments, for which all its words wait.
            ways = d.memory_words + d.measure_words + d.apply_words + d.store_words
            return e.start + words - 1 + self.shape.in_words - 1 + ways
        if self.shape.kind == RESIZE:
            # A column comes before there is a blend, and the last one again behind it.
            return e.start + (self.shape.width + 2) * self.shape.in_words - 1 + d.blend_words + d.store_columns
        if self.shape.kind == STORE_RESIZED:
            # Columns leave one by one, behind the first of the source's.
            return e.start + words + self.shape.in_words - 1 + d.blend_words + d.output_pixels
        if facts_of(self.shape.kind).loads:
            beats = words * (e.wide if self.shape.flags & WIDE else e.narrow)
            return e.start + max(beats, words) - 1 + self._load_tail()
        if facts_of(self.shape.kind).stores:
            return e.start + words * e.wide - 1 + d.memory_words + self._copied(d.output_beats)
        return 0.0


def keys_of(operations: Sequence[Operation]) -> list[Key]:
    """Shapes of operations as plain tuples."""
    return list(map(_key_of, operations))
