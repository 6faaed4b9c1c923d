"""Checks that the compiler could have written a program: every field of every operation, against the design.

In: the words of a program, a design, and the sizes of the buffers in DDR. Out: nothing, or an error that names the
operation, the field and the rule. The engine checks none of this: a wrong address would leave its memories, and a wrong
number of beats would make the engine wait for ever.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.design import Design
from edgemoe_gen.design.sizes import MIN_ROWS, TERM_BITS
from edgemoe_gen.hardware import descriptor as d
from edgemoe_gen.hardware import kinds, memories
from edgemoe_gen.hardware.kinds import ACCUMULATE, AHEAD, GELU, NARROW, SCALE, SCATTER, SOURCE, WIDE
from edgemoe_gen.hardware.parts import DECODERS, EXPERTS
from edgemoe_gen.hardware.ring import OPEN_TILES
from edgemoe_gen.numerics import shifts, tables
from edgemoe_gen.program.columns import Column, Columns, Mask, ceiling
from edgemoe_gen.program.verify_maps import (
    convolved_rows,
    reads_maps,
    resized_beats,
    verify_maps,
    writes_maps,
)

_FINISHED_BITS = TERM_BITS + tables.MANTISSA_BITS + 2
_DEFAULTS: dict[str, int] = asdict(d.Operation())
_MOST_BEATS = (1 << 31) - 1


@dataclass(frozen=True)
class Room:
    """Beats of each buffer in DDR; an unknown size does not bound a program."""

    weights: int = _MOST_BEATS  # at every port
    constants: int = _MOST_BEATS
    image: int = _MOST_BEATS
    result: int = _MOST_BEATS


def verify_program(words: NDArray[np.uint32], design: Design, room: Room | None = None) -> None:
    """Refuses a program that the compiler could not have written for this design.

    A program that passed is remembered by its content, so that it may run often.

    Args:
        words: the program, header included.
        design: the design on which it runs.
        room: sizes of its buffers.

    Raises:
        ProgramError: names operation, kind, field, value and rule.
    """
    _verified(np.ascontiguousarray(words, "<u4").tobytes(), design, room or Room())


@lru_cache(maxsize=16)
def _verified(data: bytes, design: Design, room: Room) -> None:
    operations = np.frombuffer(data, "<u4").reshape(-1, d.OPERATION_WORDS)[1:]
    if len(operations):
        _Check(operations, design, room).all()


class _Check(Columns):
    """The rules. Every rule is a comparison of whole columns."""

    def __init__(self, operations: NDArray[np.uint32], design: Design, room: Room) -> None:
        super().__init__(operations, design)
        self.room = room

    def all(self) -> None:
        """All rules; rules on which others rely come first."""
        self._kinds()
        self._sizes()
        self._routes()
        verify_maps(self)
        self._places()
        self._products()
        self._scores()
        self._shifts()
        self._normalisations()
        self._beats()

    # What an operation is

    def _kinds(self) -> None:
        every = np.ones(len(self.index), bool)
        most = min(len(self.index), d.MAX_OPERATIONS - 1)
        self.rule(every, "kind", self.index < most, f"a program has fewer than {d.MAX_OPERATIONS} operations")
        self.within(every, "kind", 0, kinds.number("END") - 1)
        self.within(every, "operand", 0, len(kinds.OPERANDS) - 1)
        self._unused()
        for name, use in kinds.USES.items():
            if use.paths:
                said = ", ".join(" to ".join(memories.PATHS[path]) for path in sorted(use.paths))
                self.among(self.of[name], "path", use.paths, f"{name} goes from {said}")
            if use.flags:
                self.among(self.of[name], "flags", use.flags, f"{name} has no such flags")
        self.equal(~self.product, "operand", 0, "only a product has a second operand: it must be")
        last = d.field_places()[-1]
        rest = self.operations[:, last.word].astype(np.int64) >> (last.low + last.bits)
        unused = (rest == 0) & (self.operations[:, last.word + 1 :] == 0).all(axis=1)
        self.rule(every, last.name, unused, "words behind the last field must be zero")

    def _unused(self) -> None:
        """Fields that a kind does not use: checked all at once, since there are many."""
        names = list(_DEFAULTS)
        differs = np.stack([self.f[name] != default for name, default in _DEFAULTS.items()])
        for kind, use in kinds.USES.items():
            unused = [name not in ("kind", "operand", *use.fields) for name in names]
            broken = differs & np.array(unused)[:, None] & self.of[kind]
            if broken.any():
                field = names[int(broken.any(axis=1).argmax())]
                self.equal(self.of[kind], field, _DEFAULTS[field], f"{kind} does not use it: it must be")

    def _sizes(self) -> None:
        f, k, design = self.f, self.design.knobs, self.design
        queued = self.of["WEIGHTS"] & (f["expert"] >= 0)
        self.queued = queued
        resized = self.of_part(DECODERS)
        matrix = self.that("computes") | self.that("moves") | resized
        self.equal(queued, "tokens", 0, "an expert's queue has the rows: it must be")
        self.maps = convolved_rows(self) | resized
        self.within(matrix & ~queued, "tokens", 1, max(design.blocks, design.map_blocks) * k.tokens_parallel)
        self.within(matrix & ~convolved_rows(self), "in_words", 1, design.max_in_words)
        blocks = ceiling(f["tokens"], k.tokens_parallel)
        least = -(-MIN_ROWS // k.tokens_parallel)
        blocks = np.where(self.of["KEYS"], np.maximum(blocks, least), blocks)
        self.equal(self.product, "blocks", blocks, "its rows take")
        self.within(self.product, "out_tiles", 1, int(self.depths.max()) // design.out_words)

    # Routes, and what follows them

    def _routes(self) -> None:
        f, k, design, of = self.f, self.design.knobs, self.design, self.of
        route = of["ROUTE"]
        queues = self.of_part(EXPERTS) | (self.product & (f["flags"] & SCATTER != 0))
        queues |= (f["expert"] != -1) | (f["gather_expert"] != -1)
        self.rule(queues, "kind", np.full(queues.shape, design.has_experts), "the design has no router")
        parallel = k.tokens_parallel
        self.within(route, "expert_end", 1, k.max_experts)
        self.within(route, "expert_first", 0, f["expert_end"] - 1)
        self.within(route, "top_k", 1, np.minimum(k.max_top_k, f["expert_end"] - f["expert_first"]))
        self.within(route, "tokens", 1, design.max_routes // np.maximum(f["top_k"], 1))
        self.equal(route, "in_words", ceiling(f["expert_end"], k.in_parallel), "the logits of its experts take")
        several = route & (f["frame_tokens"] != 0)
        self.within(several, "frame_tokens", 1, k.max_tokens)
        frame = np.maximum(f["frame_tokens"], 1)
        frames = np.where(several, f["tokens"] // frame, 1)
        whole = (f["tokens"] % frame == 0) & (frames > 1) & (frames <= k.frames_per_pass)
        self.rule(several, "frame_tokens", whole, f"its tokens are those of 2 to {k.frames_per_pass} frames")
        pitch = np.array([design.pitch(int(t)) // parallel for t in frame], np.int64) if several.any() else frame
        own = (frame - 1) // parallel
        self.equal(route, "frame_gap", np.where(several, pitch - own, 0), "from frame to frame it is")
        last = np.where(several, (frames - 1) * pitch + own, (f["tokens"] - 1) // parallel)
        # Rows of a queue are rows of every memory.
        self.equal(route, "source_block", 0, "tokens begin at block")
        self._fits(route, "source", f["in_words"], last + 1, np.full_like(last, self.depth(memories.ROUTER_SOURCE)))
        self.rule(route, "tokens", last < design.blocks, f"the memories hold {design.blocks} blocks")
        # What the last route says, at every operation behind it.
        before = np.maximum.accumulate(np.where(route, self.index, -1))
        at = np.maximum(before, 0)
        routed = before >= 0
        self.route_blocks, self.route_rows = last[at] + 1, f["tokens"][at]
        stored = of["STORE_ROUTES"]
        self.rule(stored, "kind", routed, "there is no ROUTE before it")
        for field in ("tokens", "top_k"):
            self.equal(stored, field, f[field][at], "the last ROUTE has")
        gathers = f["gather_expert"] != -1
        for who, field in ((self.of["WEIGHTS"] & (f["expert"] != -1), "expert"), (gathers, "gather_expert")):
            self.rule(who, field, routed, "there is no ROUTE before it")
            self.within(who, field, f["expert_first"][at], f["expert_end"][at] - 1)
        self.rule(of["GATHER"], "gather_expert", gathers, "it must gather")
        self._gathers(gathers, before)

    def _gathers(self, gathers: Mask, routed: Column) -> None:
        f, design = self.f, self.design
        path, way = memories.path_number(*memories.GATHERING_PATH), " to ".join(memories.GATHERING_PATH)
        self.rule(gathers, "path", f["path"] == path, f"only {way} leaves the gathered memories free")
        for field in ("gather_words", "gather_stride"):
            self.equal(~gathers, field, 0, "nothing is gathered: it must be")
        self.within(gathers, "gather_words", 1, design.dim_words)
        rows = ceiling(self.route_rows, design.knobs.tokens_parallel)
        depths = map(self.depth, memories.GATHERED)
        most = np.minimum(*(depth // blocks for depth, blocks in zip(depths, (self.route_blocks, rows), strict=True)))
        self.within(gathers, "gather_stride", f["gather_words"], most)
        # First layers take the tokens gathered last; second ones go on with the same expert.
        scatter = self.of["WEIGHTS"] & (f["flags"] & SCATTER != 0)
        self.scatter = scatter
        self.rule(scatter, "expert", self.queued, "only an expert's rows are scattered")
        self.rule(scatter, "path", f["path"] == path, f"an expert's results go from {way}")
        first = self.queued & ~scatter
        to_experts = f["path"] == memories.path_number(*memories.EXPERT_PATH)
        self.rule(first, "path", to_experts, f"an expert's tokens go from {memories.EXPERT_PATH[0]}")
        for who, those, said in (
            (first, gathers, "the last one gathered is"), (scatter, first, "the last first layer is of"),
        ):  # fmt: skip
            found = np.maximum.accumulate(np.where(those, self.index, -1))
            found = np.concatenate([[-1], found[:-1]])
            field = "gather_expert" if those is gathers else "expert"
            self.rule(who, "expert", found > routed, "nothing of it came since the last ROUTE")
            self.equal(who, "expert", f[field][np.maximum(found, 0)], said)

    # Where matrices lie

    def _fits(
        self, where: Mask, side: str, words: Column, blocks: Column, depth: Column, maps: Mask | None = None
    ) -> None:
        """A matrix, by words of a row and blocks of rows, lies within its memory; rows of `maps` at any address."""
        stride = self.f[f"{side}_stride"]
        self.within(where, f"{side}_stride", words, depth)
        if maps is not None:
            # A map begins at a word; a word of block 0 that a matrix could have as well is either's.
            mapped = where & maps & (self.f[f"{side}_word"] > stride - words)
            self.equal(mapped, f"{side}_block", 0, "a map begins at a word: it must be")
            self.within(mapped, f"{side}_word", 0, depth - words - (blocks - 1) * stride)
            where = where & ~mapped
        self.within(where, f"{side}_word", 0, stride - words)
        self.within(where, f"{side}_block", 0, depth // np.maximum(stride, 1) - blocks)

    def _places(self) -> None:
        f, design = self.f, self.design
        rows = np.where(self.queued, self.route_rows, f["tokens"])
        reads = self.that("reads")
        blocks = ceiling(f["source_lane"] + rows, self.lanes[self.source])
        self._fits(reads & ~self.maps, "source", f["in_words"], blocks, self.depths[self.source], reads_maps(self))
        writes = self.that("writes")
        words = np.where(self.product, f["out_tiles"] * design.out_words, f["in_words"])
        blocks = np.where(self.scatter, self.route_blocks, ceiling(rows, self.lanes[self.destination]))
        self.equal(self.scatter, "destination_block", 0, "a queue says where its rows go: it must be")
        self._fits(writes, "destination", words, blocks, self.depths[self.destination], writes_maps(self))

    # Products

    def _products(self) -> None:
        f, of, design = self.f, self.of, self.design
        tiles, words = np.where(self.product, f["out_tiles"], 0), np.where(self.product, f["in_words"], 0)
        # What was cut out of a program of several tasks, or put one behind another, begins anywhere in the ring. It
        # loads first, the positions of its tokens or a decoder's ones, and stores last.
        stored = of["STORE"] | of["STORE_RESIZED"]
        begins = of["LOAD"] & np.concatenate([[False], stored[:-1]])
        places = np.where(self.product, self.index, len(self.index))
        ahead_of = np.minimum.accumulate(places[::-1])[::-1]  # the next product
        first = ahead_of[np.maximum.accumulate(np.where(begins, self.index, 0))] % len(self.index)
        for field, step, size in (
            ("ring_word", tiles * words, design.ring_words), ("ring_tile", tiles, OPEN_TILES),
        ):  # fmt: skip
            self.within(self.product, field, 0, size - 1)
            taken = np.cumsum(step) - step
            expected = (self.f[field] - taken)[first] + taken
            expected %= size
            self.equal(self.product, field, expected, "behind the products before it, it is")
        ahead = self.product & (f["flags"] & AHEAD != 0)
        to_operands = self.operands[self.destination]
        fills = to_operands & self.that("writes")
        free = np.concatenate([[False], self.that("in_region")[:-1]])
        filled = np.concatenate([[False], fills[:-1]])
        self.rule(ahead, "flags", free, "the operation before brings no operands, so none can come ahead")
        self.rule(ahead & ~of["WEIGHTS"], "flags", ~filled, "the operation before fills the cache that they come from")
        weights = of["WEIGHTS"]
        narrow = weights & (f["flags"] & NARROW != 0)
        self.rule(narrow, "flags", np.full(narrow.shape, design.has_narrow_weights), "the design has no narrow weights")
        accumulates = weights & (f["flags"] & ACCUMULATE != 0)
        self.rule(accumulates, "flags", ~to_operands, "nothing can be added to the cache")
        self.equal(weights & ~accumulates, "old_shift", 0, "nothing is added to: it must be")

    def _scores(self) -> None:
        f, k, design, of = self.f, self.design.knobs, self.design, self.of
        both = of["KEYS"] | of["VALUES"]
        self.within(both, "keys", 1, k.max_tokens)
        self.within(both, "tokens", 1, design.max_rows)
        self.within(both, "blocks", 1, design.score_blocks)
        self.equal(of["KEYS"], "out_tiles", ceiling(f["keys"], k.out_parallel), "its keys take")
        self.equal(of["VALUES"], "in_words", ceiling(f["keys"], k.in_parallel), "its keys take")
        self.equal(both, "operand_blocks", ceiling(f["keys"], k.cache_lanes), "its keys take")
        words = np.where(of["KEYS"], f["in_words"], f["out_tiles"] * design.out_words)
        depth = np.full_like(words, self.depth(memories.CACHE))
        self._fits(both, "operand", words, f["operand_blocks"], depth)
        # Values are weighted by the scores, and by their maxima, of the operation before.
        scored = np.concatenate([[False], of["KEYS"][:-1]])
        self.rule(of["VALUES"], "operand", scored, "the operation before makes no scores")
        for field in ("tokens", "keys", "score_shift", *SOURCE):
            of_scores = np.roll(f[field.replace("source", "destination")], 1)
            self.equal(of["VALUES"], field, of_scores, "the scores before it have")

    # Numbers

    def _shifts(self) -> None:
        f, of, design = self.f, self.of, self.design
        tail = design.knobs.residual_tail_bits
        sums = shifts.sum_window(design.knobs.activation_bits, design.knobs.weight_bits)
        rows = of["WEIGHTS"] | of["VALUES"]
        exponents = design.exp_sum_bits - tables.EXP_FRACTION  # a row's exponent comes on top
        most = np.where(of["VALUES"], sums.most - exponents, sums.most)
        self.within(rows, "term_shift", sums.least, most)
        self.within(of["WEIGHTS"], "bias_shift", shifts.BIAS.least, shifts.BIAS.most)
        scales = f["flags"] & (SCALE | GELU) == SCALE
        up = np.where(scales, 0, shifts.RESULT_UP) - np.where(f["flags"] & ACCUMULATE != 0, tail, 0)
        self.within(rows, "out_shift", shifts.RESULT.least - up, shifts.RESULT.most - up)
        self.within(of["LOAD"], "out_shift", shifts.COPY.least, shifts.COPY.most)
        # A score is rounded once, by both together.
        bits = design.accumulator_bits - 1
        self.within(of["KEYS"], "term_shift", -bits, bits)
        scores, both = shifts.SCORE_SUM, f["term_shift"]
        self.within(of["KEYS"], "out_shift", scores.least - both, scores.most - both)
        self.within(of["WEIGHTS"], "old_shift", shifts.OLD.least, shifts.OLD.most)
        difference = of["KEYS"] | of["VALUES"] | of["ROUTE"]
        self.within(difference, "score_shift", shifts.EXPONENTIAL.least, shifts.EXPONENTIAL.most)
        one = 1 << tables.MANTISSA_FRACTION
        self.within(of["ROUTE"], "score_threshold", -one, one)

    def _normalisations(self) -> None:
        f, design, norm = self.f, self.design, self.of["NORMALISE"]
        self.within(norm, "features", 1, design.knobs.max_dim)
        self.equal(norm, "in_words", ceiling(f["features"], design.knobs.in_parallel), "its features take")
        features = np.maximum(f["features"], 1)
        shift = 23 + np.array([int(n).bit_length() - 1 for n in features], np.int64)
        self.equal(norm, "inverse_shift", shift - 8, "of its features it is")
        inverse = [round(2 ** int(s) / int(n)) for s, n in zip(shift, features, strict=True)]
        self.equal(norm, "inverse_features", np.array(inverse, np.int64), "of its features it is")
        self.within(norm, "normal_fraction", 1 - _FINISHED_BITS, _FINISHED_BITS - 1)
        self.within(norm, "eps_high", 0, (1 << max(design.variance_bits - 1 - 31, 0)) - 1)
        self.within(norm, "eps_low", np.where(f["eps_high"] > 0, 0, 1), (1 << 31) - 1)

    def _beats(self) -> None:
        f, of, design, k = self.f, self.of, self.design, self.design.knobs
        narrow = f["flags"] & NARROW != 0
        parts = f["in_words"] * design.operand_parts
        steps = np.where(narrow, ceiling(parts, 2), parts) + design.bias_steps
        shifts = ceiling(f["in_words"], design.shift_words) * design.shift_steps
        takes = of["WEIGHTS"] | of["NORMALISE"]
        beats = np.where(of["NORMALISE"], shifts, f["out_tiles"] * steps) * k.fill_beats
        self.equal(takes, "weight_beats", beats, "its weights take")
        self.within(takes, "weight_first", 0, self.room.weights - beats)
        load, stores = self.that("loads"), self.that("stores")
        bits = np.where(load & (f["flags"] & WIDE == 0), 16, 32)
        beats = f["tokens"] * f["in_words"] * k.in_parallel * bits // k.port_bits
        beats = np.where(of["STORE_ROUTES"], f["tokens"] * f["top_k"], beats)
        beats = np.where(of["STORE_RESIZED"], resized_beats(self), beats)
        self.equal(load | stores, "transfer_beats", beats, "its values take")
        constant = f["flags"] & kinds.bit("CONSTANT") != 0
        self.within(load, "transfer_first", 0, np.where(constant, self.room.constants, self.room.image) - beats)
        stored = np.where(stores, beats, 0)
        first = np.cumsum(stored) - stored
        self.equal(stores, "transfer_first", first, "results lie one behind another: it must be")
        self.within(stores, "transfer_first", 0, self.room.result - beats)
