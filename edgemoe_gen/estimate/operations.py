"""How long one operation takes when its weights are there, and how long it goes on after the last of them has come.

Every operation is a chain of pipelined loops that all start together. A chain ends when its slowest loop has taken all
its iterations, plus one iteration's way through all loops. The unit's operands come through a ring, tile after tile;
the unit fills it as early as it can, in the iterations in which it computes, so an operand that is late holds up both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from operator import attrgetter

from edgemoe_gen.estimate.engine import LAST_TEST, ORDER_READ, Engine
from edgemoe_gen.program.descriptor import KINDS, OPERANDS, Operation, bit, number, operand_number

AHEAD, WIDE, NARROW = bit("AHEAD"), bit("WIDE"), bit("NARROW")
LOAD, STORE, STORE_ROUTES, NORMALISE, GATHER, PRODUCT, ROUTE = (
    number(kind) for kind in ("LOAD", "STORE", "STORE_ROUTES", "NORMALISE", "GATHER", "PRODUCT", "ROUTE")
)
WEIGHTS, KEYS = operand_number("WEIGHTS"), operand_number("KEYS")

# What the time of an operation depends on; queues give the rest.
FIELDS = (
    "kind", "flags", "operand", "tokens", "blocks", "in_words", "out_tiles", "weight_beats", "transfer_beats",
    "gather_words", "top_k", "expert_end",
)  # fmt: skip
Shape = tuple[int, ...]
_shape_of: Callable[[Operation], Shape] = attrgetter(*FIELDS)


def uses_queue(shape: Shape) -> bool:
    """Whether an operation works on the tokens of a queue, or gathers them."""
    return (shape[0] == PRODUCT and shape[3] == 0) or shape[9] > 0


def name_of(shape: Shape) -> str:
    """Kind of an operation in words."""
    kind, _, operand, tokens, *_ = shape
    name = list(KINDS)[kind].lower()
    if kind != PRODUCT:
        return name
    return f"product with {list(OPERANDS)[operand].lower() if tokens else 'expert weights'}"


@dataclass(frozen=True)
class Need:
    """Weights that an operation waits for: so many beats of its own or of the following one's, and how many cycles it
    goes on after they have come."""

    beats: int
    tail: float


@dataclass(frozen=True, eq=False)
class Step:
    """One operation.

    Attributes:
        name: of its kind.
        cycles: if no weights are late.
        needs: of its own weights.
        following: of the next operation's, whose first tile comes ahead.
        beats: own weights; `first_beats` of them came during the operation before.
        greedy: cycles, and beats, until the ring is full: from then on weights are taken as tiles are done.
        taken: cycles until all of its own weights have been taken.
        load_beats: that come from memory; `load_tail` are the cycles after the last one.
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
        """Whether memory has no part in it."""
        return not (self.beats or self.following or self.load_beats or self.stored_beats)


class Operations:
    """Times of operations on an engine; equal ones are computed once."""

    def __init__(self, engine: Engine) -> None:
        self.e = engine
        self._known: dict[tuple[Shape, Shape | None, float, float], Step] = {}

    def step(self, shape: Shape, following: Shape | None, rows: float = 0, gathered: float = 0) -> Step:
        """One operation by its shape and the next one's.

        Args:
            rows: of its queue, if it has one; may be a mean.
            gathered: rows that are gathered meanwhile.
        """
        key = shape, following, rows, gathered
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._computed(*key)
        return found

    def _computed(self, shape: Shape, following: Shape | None, rows: float, gathered: float) -> Step:
        kind = shape[0]
        if kind == ROUTE:
            return Step(name_of(shape), self._route(shape))
        if kind == STORE_ROUTES:
            return Step(name_of(shape), ORDER_READ + shape[8] - 1 + self.e.depth.route_beats, stored_beats=shape[8])
        return _Region(self.e, shape, following, rows, gathered).step()

    def _route(self, shape: Shape) -> float:
        """Search, scores and counting run at once; placing and sorting wait for the last route."""
        e, d = self.e, self.e.depth
        tokens, words, top_k, experts = shape[3], shape[5], shape[10], shape[11]
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

    def __init__(self, e: Engine, shape: Shape, following: Shape | None, rows: float, gathered: float) -> None:
        self.e = e
        (self.kind, self.flags, self.operand, self.tokens, blocks, self.words, self.tiles, self.beats, self.transfer,
         self.gather_words, _, _) = shape  # fmt: skip
        self.name = name_of(shape)
        self.product = self.kind == PRODUCT
        self.blocks: float = blocks
        if self.product and self.tokens == 0:
            # A mean stands for queues of all lengths: half a block of each is padding, less half a row.
            padding = 0.0 if rows == int(rows) else (e.parallel - 1) / (2 * e.parallel)
            self.blocks = ceil(rows / e.parallel) if padding == 0 else rows / e.parallel + padding
        self.gathered = gathered
        self.next = following if following is not None and following[0] == PRODUCT and following[1] & AHEAD else None
        self.first = 1 if self.product and self.flags & AHEAD else 0

    def step(self) -> Step:
        e, d = self.e, self.e.depth
        ends = [0.0]
        if self.gather_words and self.gathered:
            ends.append(e.start + self.gathered * self.gather_words - 1 + d.gather_steps)
        moved = self._moved()
        unit = self._unit() if self.product or self.next is not None else None
        if unit is not None:
            ends.append(unit.end)
            if self.product:
                ends.append(self._product(unit.computed))
        cycles = max(*ends, moved) + e.end
        needs: list[Need] = []
        following: tuple[Need, ...] = ()
        taken, greedy = 0.0, (0.0, 0.0)
        if self.kind == NORMALISE:
            arrive = e.start + d.shift_words
            needs.append(Need(self.beats, cycles - arrive))
            taken = float(arrive)
        if unit is not None:
            needs += [Need(beats, tail + e.end) for beats, tail in unit.own]
            following = tuple(Need(beats, tail + e.end) for beats, tail in unit.following)
            if self.product:
                taken, greedy = unit.taken, unit.greedy
        return Step(
            self.name, cycles, tuple(needs), following, self.beats, greedy, taken,
            load_beats=self.transfer if self.kind == LOAD else 0,
            load_tail=self._load_tail() + e.end,
            stored_beats=self.transfer if self.kind == STORE else 0,
        )  # fmt: skip

    def _load_tail(self) -> int:
        d = self.e.depth
        return d.input_beats + d.measure_words + d.apply_words + d.store_words

    def _moved(self) -> float:
        """End of what moves words: LayerNorm, loads and stores."""
        e, d = self.e, self.e.depth
        words = self.tokens * self.words
        if self.kind == NORMALISE:
            # A token's last word makes its moments, for which all its words wait.
            ways = d.memory_words + d.measure_words + d.apply_words + d.store_words
            return e.start + words - 1 + self.words - 1 + ways
        if self.kind == LOAD:
            beats = words * (e.wide if self.flags & WIDE else e.narrow)
            return e.start + max(beats, words) - 1 + self._load_tail()
        if self.kind == STORE:
            ways = d.memory_words + d.measure_words + d.apply_words + d.output_beats
            return e.start + words * e.wide - 1 + ways
        return 0.0

    def _product(self, computed: float) -> float:
        """End of the last row, if the unit has computed the last block by then."""
        e, d = self.e, self.e.depth
        if self.blocks == 0:
            return 0.0
        if self.operand == KEYS:
            service, ways = e.out_words * e.score_groups, d.score_steps + d.store_scores
        else:
            service, ways = e.parallel * e.out_words, d.round_steps + d.store_words
        # All blocks at the pace of rounding and storing, or the last one after it has been computed.
        first = e.start + d.product_tiles - 1 + self.words + d.multiply_steps
        count = self.tiles * self.blocks
        return max(first + (count - 1) * service, computed - 1 + d.multiply_steps) + service - 1 + ways

    def _unit(self) -> _Unit:
        return _Unit(self)


def _steps(parts: int, flags: int) -> int:
    """Steps that bring so many parts of weights."""
    return ceil(parts / 2) if flags & NARROW else parts


class _Unit:
    """The loop of the unit: iterations by number, and when those happen that fill the ring.

    Attributes:
        computed: when the last block's last word has been issued, plus one.
        end: of the loop.
        own: (beats, cycles from their arrival to the operation's end) of weights that may be late.
        following: the same for the first tile of the next operation.
        taken, greedy: see `Step`.
    """

    def __init__(self, r: _Region) -> None:
        e, d = r.e, r.e.depth
        blocks = max(r.blocks, 1) if r.product else 0
        tiles = r.tiles if r.product else 0
        words, parts = r.words, e.parts
        tile_parts = words * parts
        own_parts = (tiles - r.first) * tile_parts if tiles else 0
        next_words = r.next[5] if r.next else 0
        next_parts = next_words * parts
        all_parts = own_parts + next_parts
        tile_time = blocks * words
        weights = r.operand == WEIGHTS

        # Iterations until the last word is computed. A word can be read ring_distance iterations after it has come.
        computed = 0.0
        if tiles:
            behind = e.ring_distance + (blocks - 1) * words
            computed = tiles * tile_time
            if own_parts:
                first_tile = tile_parts + behind + (tiles - 1 - r.first) * tile_time
                computed = max(computed, own_parts + behind, first_tile)
            if not r.first:
                computed = max(computed, parts + e.ring_distance - 1 + tiles * tile_time)

        def filled(part: int, tile: int, total_words: int, size: int) -> float:
            """Iteration at whose end a tile is full: as early as can be, or when the ring has room for it."""
            room = max(ceil((total_words - e.ring_words) / words) if words else 0, tile + 1 - e.open_tiles)
            if room <= 0 or not tiles:
                return part
            freed = computed - (tiles - min(room, tiles)) * tile_time
            return max(part, freed + e.ring_distance + min(size, words) * parts)

        last_own = filled(own_parts, tiles - 1, tiles * words, words) if own_parts else 0.0
        last_next = filled(all_parts, tiles, tiles * words + next_words, next_words) if next_parts else 0.0
        iterations = max(computed, last_own, last_next)

        # When parts arrive if no weights are late.
        begin = e.start + e.passes
        bias = e.bias_steps if weights else 0
        if weights:
            own_at = begin + d.weight_steps + own_parts + bias * (tiles - r.first) if own_parts else begin
            pace = 1 + bias / tile_parts if tile_parts else 1.0
            first_at = begin + d.weight_steps + bias + 1
        else:
            own_at = begin + d.cache_steps + (own_parts // parts + 1) * e.cache_steps if own_parts else begin
            pace = e.cache_steps / parts
            first_at = begin + d.cache_steps + e.cache_steps + 1
        if r.kind == NORMALISE:
            own_at = begin + words
        # The next operation's first tile: its loop begins when the own one is over.
        loading = 0
        if r.next:
            if r.next[2] == WEIGHTS:
                loading = e.passes + d.weight_steps + e.bias_steps + next_parts
            else:
                loading = e.passes + d.cache_steps + (next_words + 1) * e.cache_steps
        next_at = own_at + loading

        # The unit's time: iteration 0, and the arrivals that may hold it up.
        # A queue without tokens has no tiles to wait for.
        ready = e.start + d.product_tiles if tiles and r.blocks else e.start
        if tiles and not r.first:
            # The first tile comes only now; tokens are awaited once its first word is there.
            ready = max(first_at - 1, ready - parts - e.ring_distance + 1)
        greedy = min(own_parts, self._greedy(e, r.first, words, tile_time, tile_parts)) if own_parts else 0
        late = [0.0]  # by how much arrivals push the iterations behind them
        if greedy and r.first:
            late.append(begin + (d.weight_steps if weights else d.cache_steps + e.cache_steps) + greedy * pace - greedy)
        elif greedy:
            late.append(first_at - 1 + (greedy - 1) * pace - greedy + 1)
        if own_parts:
            late.append(own_at - last_own)
        base = max(ready, *late) if tiles else ready
        self.computed = base + computed if tiles else 0.0
        if next_parts:
            # Own parts that the ring has no room for hold up the loader, but for those that wait in the FIFO.
            next_at = max(next_at, base + last_own - e.buffered + loading)
            base = max(base, next_at - last_next)
            if last_next < computed:
                self.computed = max(self.computed, base + computed)
        self.end = max(base + iterations, self.computed) + LAST_TEST - 1 + d.multiply_steps

        # After a part has come: through the FIFOs and the loader to the unit, then the iterations that are left.
        through = d.weight_burst + d.weight_steps
        beats_per_tile = (e.bias_steps + _steps(tile_parts, r.flags)) * e.fill_beats
        self.own: list[tuple[int, float]] = []
        self.following: list[tuple[int, float]] = []
        after = self._after(r)
        if weights and own_parts:
            for part, iteration in {(greedy, float(greedy)), (own_parts, last_own)}:
                tiles_in = r.first + part / tile_parts
                beats = min(ceil(tiles_in * beats_per_tile), r.beats)
                left = computed - iteration
                self.own.append((beats, through + left + after))
        if r.next and r.next[2] == WEIGHTS:
            beats = (e.bias_steps + _steps(next_parts, r.next[1])) * e.fill_beats
            left = max(computed - last_next, 0.0)
            tail = through + max(left + after if tiles and last_next < computed else 0.0, d.multiply_steps + LAST_TEST)
            self.following.append((beats, tail))
        self.taken = max(base + last_own, 0.0) if tiles else 0.0
        share = (r.first + greedy / tile_parts) * beats_per_tile if weights and own_parts else 0.0
        self.greedy = (base + greedy, share)

    @staticmethod
    def _greedy(e: Engine, first: int, words: int, tile_time: float, tile_parts: int) -> int:
        """Parts that are filled before the ring is full for the first time: every iteration fills one and computes."""
        room = min(e.open_tiles, e.ring_words // words) - first
        gain = 1 / tile_parts - 1 / tile_time
        return int(room / gain) if gain > 0 and room / gain < 1e9 else 1 << 30

    @staticmethod
    def _after(r: _Region) -> float:
        """Cycles from the unit's last iteration to the end of the last row."""
        e, d = r.e, r.e.depth
        if not r.product or r.blocks == 0:
            return 0.0
        if r.operand == KEYS:
            return d.multiply_steps + e.out_words * e.score_groups - 1 + d.score_steps + d.store_scores
        return d.multiply_steps + e.parallel * e.out_words - 1 + d.round_steps + d.store_words


def shapes_of(operations: Sequence[Operation]) -> list[Shape]:
    """Shapes of operations."""
    return list(map(_shape_of, operations))
