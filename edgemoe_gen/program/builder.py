"""Writes programs: one method for each operation, which computes its addresses, shifts and weights.

The builder knows the engine but no network; `compile.py` writes networks with it, and `sim/kernels.py` the small
programs that prove each kernel.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from edgemoe_gen.base.arithmetic import ceil_div
from edgemoe_gen.base.errors import CapacityError
from edgemoe_gen.design import Design
from edgemoe_gen.design.sizes import MIN_ROWS, TERM_BITS
from edgemoe_gen.hardware.descriptor import Operation
from edgemoe_gen.hardware.kinds import bit, facts_of, number, operand_number
from edgemoe_gen.hardware.memories import GATHERING_PATH, path_number
from edgemoe_gen.numerics import tables
from edgemoe_gen.numerics.fixed import Floats, Format, Integers, fraction_for
from edgemoe_gen.program.contents import Contents
from edgemoe_gen.program.maps import Map, resize_operation, resized_from, store_resized_operation, window_fields
from edgemoe_gen.program.moves import load_operation, normalise_operation, store_operation
from edgemoe_gen.program.places import Gathering, Place, Region, Rows
from edgemoe_gen.program.product import PLAIN, Finish, Weights
from edgemoe_gen.program.ring import Ring
from edgemoe_gen.program.rounded import term_fraction
from edgemoe_gen.program.schedule import Schedule


class Builder:
    """Collects operations, weights and constants of one program.

    Args:
        design: the accelerator.
        schedule: operations that may overlap.
        packing: False counts the beats of weights and constants but packs none; operations then have no weights'
            shifts. All sizes and addresses are the same.
    """

    def __init__(self, design: Design, schedule: Schedule | None = None, packing: bool = True) -> None:
        self.design = design
        self.schedule = schedule or Schedule()
        self.operations: list[Operation] = []
        self.layer = ""  # what the operations that are added now belong to
        self.layers: list[str] = []
        self.regions: list[Region] = []
        self.image_beats = 0
        self.result_beats = 0
        self.contents = Contents(design, packing)
        self._ring = Ring(design, self.schedule.operands_ahead)

    # Where things lie

    def blocks(self, tokens: int) -> int:
        """Blocks that a number of rows fills."""
        return ceil_div(tokens, self.design.knobs.tokens_parallel)

    def memory_blocks(self, memory: str, tokens: int) -> int:
        """Blocks that a number of rows fills in a memory: the cache has its own lanes."""
        return ceil_div(tokens, self.design.memory_lanes(memory))

    def capacity_words(self, memory: str, tokens: int) -> int:
        """Words of a row, if a memory holds this number of rows."""
        return self.design.memory_depths[memory] // max(self.memory_blocks(memory, tokens), 1)

    def place(self, memory: str, columns: int, form: Format, words: int | None = None) -> Place:
        """A matrix that fills its memory from the start, rows padded to whole output tiles or to `words`."""
        return Place(memory, columns, form, self.design.padded_words(columns) if words is None else words)

    # Operations

    def load_constant(self, values: Floats, destination: Place, key: object = None) -> None:
        """Loads a constant matrix [tokens, columns], with the precision of the residual.

        `key` names it, so that a later frame loads the same one.
        """
        bits = self.design.knobs.activation_bits + self.design.knobs.residual_tail_bits
        form = Format(bits, fraction_for(float(np.abs(values).max(initial=0.0)), bits))
        first = self.contents.keep_constant(values, form, key)
        self._load(destination, values.shape[0], first, form, bit("CONSTANT") | bit("WIDE"))

    def load_image(
        self, tokens: int, destination: Place, form: Format, wide: bool = False, first: int | None = None
    ) -> int:
        """Loads [tokens, columns] values of the image buffer: those at beat `first`, or the next ones.

        Returns:
            The first beat that they come from.
        """
        first = self.image_beats if first is None else first
        beats = self._load(destination, tokens, first, form, bit("WIDE") if wide else 0)
        self.image_beats = max(self.image_beats, first + beats)
        return first

    def _load(self, destination: Place, tokens: int, first: int, form: Format, flags: int) -> int:
        operation = load_operation(self.design, destination, tokens, first, form, flags)
        self._add(operation, destination=destination)
        return operation.transfer_beats

    def store(self, name: str, source: Place, tokens: int) -> Region:
        """Stores a matrix to the result buffer, as 32-bit values."""
        operation = store_operation(self.design, source, tokens, self.result_beats)
        tail = self.design.knobs.residual_tail_bits
        # What is stored is as fine as the finest memory; the values of others end in zeros.
        form = Format(source.form.bits + tail, source.form.fraction + tail)
        region = Region(name, self.result_beats, operation.transfer_beats, tokens, source.columns, form)
        self._add(operation, source=source)
        self.result_beats += operation.transfer_beats
        self.regions.append(region)
        return region

    def normalise(
        self,
        source: Place,
        destination: Place,
        tokens: int,
        eps: float,
        shifts: Integers | None = None,
        key: object = None,
    ) -> None:
        """LayerNorm without gain and offset (they are folded into the next layers).

        Args:
            source, destination: places of the tokens.
            tokens: rows.
            eps: added to the variance.
            shifts: bits by which each feature is shifted down [columns]; none by default.
            key: names these shifts, so that a later frame uses the same ones.
        """
        every = np.zeros(source.columns, np.int64) if shifts is None else shifts
        weights = self.contents.keep_shifts(every, key)
        operation = normalise_operation(self.design, source, destination, tokens, eps, weights)
        self._add(operation, source=source, destination=destination)

    def gather(self, gathering: Gathering) -> None:
        """Copies the tokens of an expert's queue side by side."""
        self._add(Operation(kind=number("GATHER"), path=path_number(*GATHERING_PATH)), gathering=gathering)

    def linear(
        self,
        weights: Weights,
        source: Place,
        destination: Place,
        tokens: int,
        finish: Finish = PLAIN,
        expert: int = -1,
        gathering: Gathering | None = None,
        convolution: Mapping[str, int] | None = None,
    ) -> None:
        """Tokens times weights.

        Args:
            weights: the weights.
            source, destination: places of tokens and results.
            tokens: rows; ignored for an expert's queue.
            finish: processing of the results.
            expert: take the rows of this expert's queue.
            gathering: tokens of another queue to gather at the same time.
            convolution: fields of a convolution (`maps.window_fields`).
        """
        design = self.design
        fraction = source.form.fraction + weights.form.fraction
        out = destination.form.fraction
        if finish.gelu:
            term, finished = tables.GELU_FRACTION, tables.GELU_OUT_FRACTION
        else:
            term = term_fraction(design, fraction, out, finish.scatter)
            finished = term + (tables.MANTISSA_FRACTION if finish.scatter else 0)
        narrow = design.has_narrow_weights and weights.form.bits <= design.narrow_weight_bits
        first, beats, bias_shift = self.contents.keep_linear(
            weights.linear, weights.form, fraction, fraction - term, narrow, weights.key
        )
        self._add(
            Operation(
                kind=number("PRODUCT"),
                path=path_number(source.memory, destination.memory),
                flags=(bit("GELU") if finish.gelu else 0)
                | (bit("ACCUMULATE") if finish.added_to is not None else 0)
                | (bit("SCATTER") | bit("SCALE") if finish.scatter else 0)
                | (bit("NARROW") if narrow else 0)
                | (bit("RELU") if finish.relu else 0)
                | (bit("SHIFTED") if convolution else 0),
                operand=operand_number("WEIGHTS"),
                tokens=0 if expert >= 0 else tokens,
                blocks=0 if expert >= 0 else self.blocks(tokens),
                in_words=design.words(weights.linear.weight.shape[1]),
                out_tiles=design.out_tiles(weights.linear.weight.shape[0]),
                expert=expert,
                weight_first=first,
                weight_beats=beats,
                bias_shift=bias_shift,
                term_shift=fraction - term,
                out_shift=finished - out,
                old_shift=finish.added_to.fraction - out if finish.added_to is not None else 0,
                **(convolution or {}),
            ),
            source=source,
            destination=destination,
            gathering=gathering,
        )

    def convolve(
        self, weights: Weights, source: Map, destination: Map, row: int, rows: int, finish: Finish = PLAIN
    ) -> None:
        """Rows `row` to `row + rows` of a 3x3 convolution with zeros around its source.

        The weights are those of `maps.tap_matrix`. The rows lie behind one another in the destination's ring.
        """
        in_words = self.design.words(weights.linear.weight.shape[1])
        window = window_fields(source, row, rows, in_words)
        if row % destination.slots + rows > destination.slots:
            raise CapacityError(
                f"rows {row} to {row + rows} of a map do not lie one behind another in a ring of {destination.slots}"
            )
        pixels = rows * source.row_blocks * self.design.knobs.tokens_parallel
        self.linear(weights, source.place(), destination.place(row), pixels, finish, convolution=window)

    def resize(self, source: Map, destination: Map, row: int) -> None:
        """Row `row` of a map of twice the size, bilinear between the pixels' centres."""
        operation = resize_operation(self.design, source, destination, row)
        nearer, _ = resized_from(source, row)
        self._add(operation, source=source.place(nearer), destination=destination.place(row), source_rows=source.width)

    def store_resized(self, name: str, source: Map, row: int, classes: bool) -> Region:
        """Sends such a row to the result buffer: the class of every pixel, or up to three values of 16 bits."""
        operation = store_resized_operation(self.design, source, row, classes, self.result_beats)
        pixels, columns = 2 * source.width, 1 if classes else source.channels
        region = Region(name, self.result_beats, operation.transfer_beats, pixels, columns, source.form)
        nearer, _ = resized_from(source, row)
        self._add(operation, source=source.place(nearer), source_rows=source.width)
        self.result_beats += operation.transfer_beats
        self.regions.append(region)
        return region

    def scores(self, query: Place, key: Place, destination: Place, tokens: int, keys: int) -> None:
        """Attention scores of `tokens` rows against `keys` keys, and the maximum of every row."""
        fraction = query.form.fraction + key.form.fraction
        term = min(fraction, destination.form.fraction + TERM_BITS - self.design.knobs.activation_bits - 1)
        self._add(
            Operation(
                kind=number("PRODUCT"),
                path=path_number(query.memory, destination.memory),
                operand=operand_number("KEYS"),
                tokens=tokens,
                blocks=max(self.blocks(tokens), self.blocks(MIN_ROWS)),
                in_words=self.design.words(query.columns),
                out_tiles=self.design.out_tiles(keys),
                keys=keys,
                term_shift=fraction - term,
                out_shift=term - destination.form.fraction,
                score_shift=_score_shift(destination.form),
            ),
            source=query,
            destination=destination,
            operand=key,
            operand_rows=keys,
        )

    def values(self, scores: Place, value: Place, destination: Place, tokens: int, keys: int) -> None:
        """Softmax of scores times values; the destination takes `value.columns` columns."""
        # A result is a mean of values; before the division by the row's sum, whose exponent is shifted out first, it is
        # at most twice as large. No sum is finer than its products.
        term = value.form.fraction + min(TERM_BITS - value.form.bits - 2, tables.PROBABILITY_FRACTION)
        self._add(
            Operation(
                kind=number("PRODUCT"),
                path=path_number(scores.memory, destination.memory),
                flags=bit("SCALE"),
                operand=operand_number("VALUES"),
                tokens=tokens,
                blocks=self.blocks(tokens),
                in_words=self.design.words(keys),
                out_tiles=self.design.out_tiles(value.columns),
                keys=keys,
                term_shift=tables.PROBABILITY_FRACTION + value.form.fraction - term,
                out_shift=term + tables.MANTISSA_FRACTION - destination.form.fraction,
                score_shift=_score_shift(scores.form),
            ),
            source=scores,
            destination=destination,
            operand=value,
            operand_rows=keys,
        )

    def route(
        self, logits: Place, rows: Rows, experts: range, top_k: int, after_top_k: bool, score_threshold: float
    ) -> None:
        """Fills the token queues from logits in the hidden memory.

        Args:
            logits: place of the logits.
            rows: the rows that are tokens; only these go to experts.
            experts: experts that the task may choose.
            top_k: experts a token.
            after_top_k: whether scores are a softmax over the chosen experts only.
            score_threshold: scores not above it become 0.
        """
        several, parallel = rows.frames > 1, self.design.knobs.tokens_parallel
        self._check_limit("top-k", top_k, "max_top_k", self.design.knobs.max_top_k)
        self._check_limit("experts", experts.stop, "max_experts", self.design.knobs.max_experts)
        self._add(
            Operation(
                kind=number("ROUTE"),
                flags=bit("SOFTMAX_AFTER_TOP_K") if after_top_k else 0,
                tokens=rows.routed,
                in_words=self.design.words(experts.stop),
                score_shift=_score_shift(logits.form),
                expert_first=experts.start,
                expert_end=experts.stop,
                score_threshold=math.floor(score_threshold * 2.0**tables.MANTISSA_FRACTION),
                top_k=top_k,
                frame_tokens=rows.tokens if several else 0,
                frame_gap=self.blocks(rows.pitch) - (rows.tokens - 1) // parallel if several else 0,
            ),
            source=logits,
            source_rows=rows.total,
        )

    def store_routes(self, name: str, rows: Rows, top_k: int) -> list[Region]:
        """Stores the last routes, one region for each frame: expert and score of each token, one beat each."""
        form = Format(tables.MANTISSA_BITS, tables.MANTISSA_FRACTION)
        beats = rows.tokens * top_k
        regions = [
            Region(name, self.result_beats + frame * beats, beats, rows.tokens, top_k, form)
            for frame in range(rows.frames)
        ]
        self._add(
            Operation(
                kind=number("STORE_ROUTES"),
                tokens=rows.routed,
                top_k=top_k,
                transfer_first=self.result_beats,
                transfer_beats=rows.frames * beats,
            )
        )
        self.result_beats += rows.frames * beats
        self.regions += regions
        return regions

    # Inside

    def _check_limit(self, what: str, value: int, knob: str, limit: int) -> None:
        if value > limit:
            raise CapacityError(
                f"the network has {value} {what}, but the design holds {limit}", f"raise the knob {knob} to {value}"
            )

    def _add(
        self,
        operation: Operation,
        source: Place | None = None,
        destination: Place | None = None,
        operand: Place | None = None,
        operand_rows: int = 0,
        source_rows: int | None = None,
        gathering: Gathering | None = None,
    ) -> None:
        fields: dict[str, int] = {}
        for name, place in (("source", source), ("destination", destination)):
            if place is not None:
                rows = operation.tokens if operation.expert < 0 else 0
                self._check_fits(place, source_rows if name == "source" and source_rows is not None else rows)
                fields |= {f"{name}_block": place.block, f"{name}_stride": place.stride, f"{name}_word": place.word}
                if name == "source":
                    fields["source_lane"] = place.lane
        if operand is not None:
            self._check_fits(operand, operand_rows)
            fields |= {
                "operand_block": operand.block,
                "operand_stride": operand.stride,
                "operand_word": operand.word,
                "operand_blocks": self.memory_blocks(operand.memory, operand_rows),
            }
        if gathering is not None:
            fields |= {
                "gather_expert": gathering.expert,
                "gather_words": self.design.words(gathering.source.columns),
                "gather_stride": gathering.source.stride,
            }
        if facts_of(operation.kind).computes:
            fields |= self._ring.take(operation, self.operations[-1] if self.operations else None)
        self.operations.append(replace(operation, **fields))
        self.layers.append(self.layer)

    def _check_fits(self, place: Place, rows: int) -> None:
        depth = self.design.memory_depths[place.memory]
        blocks = self.memory_blocks(place.memory, place.lane + rows)
        last = (place.block + blocks - 1) * place.stride + place.word + self.design.words(place.columns)
        needed = max((place.block + blocks) * place.stride, last)
        if needed > depth:
            raise CapacityError(
                f"the {place.memory} memory holds {depth} words, but a matrix of {blocks} blocks of tokens by "
                f"{place.stride} words needs {needed}",
                "raise the knob that bounds it: max_tokens, max_dim, max_query, max_cache or max_hidden",
            )


def _score_shift(form: Format) -> int:
    return tables.EXP_POSITION_BITS - form.fraction
