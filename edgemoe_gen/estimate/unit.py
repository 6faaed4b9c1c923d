"""The compute unit in an operation: the iterations of its loop, and those that wait for operands.

Every iteration may fill one part of the ring and compute one word; counters alone decide which. So iterations can be
counted first, and time follows from them. The loop waits where a part comes later than the iteration that takes it, and
all later iterations are delayed by the same time.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from edgemoe_gen.estimate.engine import LAST_TEST, Engine


@dataclass(frozen=True)
class Need:
    """Weights that an operation waits for: beats of its own or of the following operation's weights, and the cycles
    that the operation still takes after they have come."""

    beats: int
    tail: float


@dataclass(frozen=True)
class Work:
    """Work of the unit in an operation.

    Attributes:
        tiles, words: output tiles, and words of the inner dimension; no tiles in operations that only move words.
        blocks: blocks of tokens; may be a mean, 0 without tokens.
        here: tiles whose operands came during the operation before.
        weights: operands are weights, not keys or values.
        beats: beats of its weights.
        held: cycles by which the loader is delayed before (LayerNorm's shifts).
        narrow: two parts of weights come in a step.
        next_words: words of the next operation's first tile, if it comes ahead; `next_weights`, `next_narrow` as above.
        service: cycles of rounding and storing for a block; `ways`: cycles from a sum to its store.
        tile_ways: cycles from a tile's address to the unit.
    """

    tiles: int
    words: int
    blocks: float
    here: int
    weights: bool
    narrow: bool
    beats: int
    held: int
    next_words: int
    next_weights: bool
    next_narrow: bool
    service: int
    ways: int
    tile_ways: int


@dataclass(frozen=True)
class UnitTime:
    """Times of the unit, in cycles from the operation's begin.

    Attributes:
        end: end of the loop, and of the last row that it sends; 0 without a row.
        own, following: weights of this operation, and of the next one's first tile, that may be late.
        taken: when the last own part is taken.
        greedy: when the ring is full for the first time, and the beats that have been taken by then.
    """

    end: float
    own: tuple[Need, ...] = ()
    following: tuple[Need, ...] = ()
    taken: float = 0.0
    greedy: tuple[float, float] = (0.0, 0.0)


def unit_time(e: Engine, work: Work) -> UnitTime:
    """Times of an operation's unit, if its weights are there; `Need` gives the delay if they are not."""
    parts, tile_parts = e.parts, work.words * e.parts
    own_parts = (work.tiles - work.here) * tile_parts
    next_parts = work.next_words * parts
    computed = _computed(e, work, own_parts)
    last_own = _filled(e, work, computed, own_parts, work.tiles - 1, work.words) if own_parts else 0.0
    last_next = 0.0
    if next_parts:
        last_next = _filled(e, work, computed, own_parts + next_parts, work.tiles, work.next_words)

    loads = _Loader(e, work, own_parts)
    base = loads.first_word if work.tiles else loads.begin
    greedy = _greedy(e, work, own_parts)
    if greedy:
        base = max(base, loads.part(greedy) - greedy)
    if own_parts:
        base = max(base, loads.part(own_parts) - last_own)
    row = base + computed
    taken = base + last_own
    if next_parts:
        # Own parts that the ring has no room for hold up the loader, but for those that wait in the FIFO.
        next_at = max(loads.over, taken - e.buffered) + _loading(e, work.next_words, work.next_weights)
        base = max(base, next_at - last_next)
        if last_next < computed:
            row = max(row, base + computed)
    end = max(base + max(last_own, last_next), row) - 1 + LAST_TEST + e.depth.multiply_steps
    return UnitTime(
        max(end, _last_row(e, work, row)),
        own=_own_needs(e, work, computed, {greedy: float(greedy), own_parts: last_own}) if work.weights else (),
        following=_next_need(e, work, computed, last_next) if work.next_weights else (),
        taken=taken if work.tiles else 0.0,
        greedy=(base + greedy, (work.here + greedy / tile_parts) * _tile_beats(e, work.words, work.narrow))
        if greedy
        else (0.0, 0.0),
    )


def _computed(e: Engine, work: Work, own_parts: int) -> float:
    """Iterations until the last word is computed: a word can be read `ring_distance` iterations after it has come."""
    if not work.tiles:
        return 0.0
    blocks = max(work.blocks, 1)  # without tokens, weights still pass
    tile = blocks * work.words
    computed: float = work.tiles * tile
    if own_parts:
        # The first tile that comes now, then all others at the pace of tokens; or the last one, at the pace of parts.
        behind = e.ring_distance + (blocks - 1) * work.words
        first = work.words * e.parts + behind + (work.tiles - 1 - work.here) * tile
        computed = max(computed, own_parts + behind, first)
    if not work.here:
        computed = max(computed, e.parts + e.ring_distance - 1 + work.tiles * tile)
    return computed


def _filled(e: Engine, work: Work, computed: float, part: int, tile: int, words: int) -> float:
    """Iteration at whose end a tile is full: one part an iteration, or when done tiles have made room for it."""
    if not work.tiles:
        return part
    total = tile * work.words + words
    done = max(ceil((total - e.ring_words) / work.words), tile + 1 - e.open_tiles)
    if done <= 0:
        return part
    freed = computed - max(work.tiles - done, 0) * max(work.blocks, 1) * work.words
    return max(part, freed + e.ring_distance + min(words, work.words) * e.parts)


def _greedy(e: Engine, work: Work, own_parts: int) -> int:
    """Own parts that are filled before the ring is full for the first time: every iteration fills one."""
    if not own_parts:
        return 0
    room = min(e.open_tiles, e.ring_words // work.words) - work.here
    # Tiles that an iteration fills, less those that it computes.
    gain = 1 / (work.words * e.parts) - 1 / (max(work.blocks, 1) * work.words)
    return own_parts if gain <= 0 else min(own_parts, int(room / gain))


class _Loader:
    """Times of parts of operands that do not wait for memory.

    Attributes:
        begin: begin of the unit's loop.
        first_word: when the loop can compute its first word, less the iterations before.
        over: when the loader continues with the next operation's first tile.
    """

    def __init__(self, e: Engine, work: Work, own_parts: int) -> None:
        d = e.depth
        self.begin: float = e.start
        tile_parts = work.words * e.parts
        begin = e.start + e.passes
        if work.weights:
            self._first = begin + d.weight_steps + e.bias_steps
            self._pace = 1 + e.bias_steps / tile_parts if tile_parts else 1.0
        else:
            self._first = begin + d.cache_steps + e.cache_steps
            self._pace = e.cache_steps / e.parts
        tokens = e.start + work.tile_ways if work.blocks else e.start  # there are no tiles of no tokens
        if work.here:
            self.first_word: float = tokens
        else:
            self.first_word = max(self._first, tokens - e.parts - e.ring_distance + 1)
        self.over: float = begin + work.held if not own_parts else self.part(own_parts)

    def part(self, count: int) -> float:
        """Time when a number of own parts have come."""
        return self._first + count * self._pace


def _loading(e: Engine, words: int, weights: bool) -> int:
    """Cycles in which a separate loop brings one tile to the unit."""
    if weights:
        return e.passes + e.depth.weight_steps + e.bias_steps + words * e.parts
    return e.passes + e.depth.cache_steps + (words + 1) * e.cache_steps


def _last_row(e: Engine, work: Work, computed: float) -> float:
    """End of the last row: all blocks at the rate of rounding and storing, or the last block after its computation."""
    if not work.tiles or not work.blocks:
        return 0.0
    first = e.start + work.tile_ways - 1 + work.words + e.depth.multiply_steps
    every = first + (work.tiles * work.blocks - 1) * work.service
    return max(every, computed - 1 + e.depth.multiply_steps) + work.service - 1 + work.ways


def _tile_beats(e: Engine, words: int, narrow: bool) -> int:
    """Beats of weights, at every port, of one output tile."""
    steps = ceil(words * e.parts / 2) if narrow else words * e.parts
    return (e.bias_steps + steps) * e.fill_beats


def _own_needs(e: Engine, work: Work, computed: float, filled: dict[int, float]) -> tuple[Need, ...]:
    """After a part has come: through FIFO, loader and unit, then all iterations that are left, and their last row."""
    tile_parts = work.words * e.parts
    needs = []
    for part, iteration in filled.items():
        if part:
            beats = min(ceil((work.here + part / tile_parts) * _tile_beats(e, work.words, work.narrow)), work.beats)
            needs.append(Need(beats, _through(e) + _left(e, work, computed - iteration)))
    return tuple(needs)


def _next_need(e: Engine, work: Work, computed: float, last: float) -> tuple[Need, ...]:
    """A late part of the next operation delays this operation's last iterations too."""
    left = _left(e, work, computed - last) if last < computed else 0.0
    tail = _through(e) + max(left, e.depth.multiply_steps + LAST_TEST)
    return (Need(_tile_beats(e, work.next_words, work.next_narrow), tail),)


def _through(e: Engine) -> int:
    return e.depth.weight_burst + e.depth.weight_steps


def _left(e: Engine, work: Work, iterations: float) -> float:
    """Cycles from an iteration to the end of the last row, with a number of iterations left."""
    if not work.blocks:
        return iterations + e.depth.multiply_steps
    pace = max(1.0, work.service / work.words)
    return iterations * pace + e.depth.multiply_steps + work.service - 1 + work.ways
