"""Attention of one block: head after head, and within a head frame after frame.

One product each makes the queries, keys and values of all frames that share a pass of the weights. Scores and values
belong to one frame, since a token attends only to tokens of its own picture.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgemoe_gen.base.arithmetic import even_pieces
from edgemoe_gen.numerics.fixed import Format
from edgemoe_gen.numerics.lower import Linear, LoweredBlock
from edgemoe_gen.program.capacity import head_columns
from edgemoe_gen.program.places import Place
from edgemoe_gen.program.shared import Shared


class Attention:
    """Attention of one block over the rows of a pass."""

    def __init__(self, shared: Shared, block: LoweredBlock) -> None:
        self._shared = shared
        self._builder, self._design, self._spec = shared.builder, shared.design, shared.spec
        self._block = block
        self._name = f"blocks.{block.index}"
        self._columns = head_columns(self._design, self._spec)
        self._words = self._design.words(self._columns)  # a row of one head

    def add(self, normed: Place) -> Place:
        """Adds its operations on normed tokens; results replace the queries. Returns the place of all results."""
        spec = self._spec
        queries = self._builder.place("query", spec.heads * self._columns, self._form("query"))
        query = self._spread(self._block.query, range(spec.heads))
        self._shared.linear(f"{self._name}.query", f"{self._name}.query.weight", query, normed, queries)
        per_pass = self._shared.capacity_words("cache") // (2 * self._words)
        for first in range(0, spec.heads, per_pass):
            heads = range(first, min(first + per_pass, spec.heads))
            keys, values = self._keys_and_values(normed, heads)
            for i, head in enumerate(heads):
                query_part, key, value = (
                    replace(place, columns=self._columns, word=place.word + n * self._words)
                    for place, n in ((queries, head), (keys, i), (values, i))
                )
                for frame in range(self._shared.rows.frames):
                    self._head(head, *(self._shared.of_frame(place, frame) for place in (query_part, key, value)))
        return replace(queries, form=self._attended())

    def _form(self, part: str) -> Format:
        return self._shared.formats[f"{self._name}.{part}"]

    def _attended(self) -> Format:
        """Format of means of values: the same range, with the bits of an activation."""
        value, bits = self._form("value"), self._design.knobs.activation_bits
        return Format(bits, value.fraction + bits - value.bits)

    def _keys_and_values(self, normed: Place, heads: range) -> tuple[Place, Place]:
        """Adds the products that fill the cache for some heads; returns the places of keys and values."""
        words = len(heads) * self._words
        places = []
        for part, word in (("key", 0), ("value", words)):
            place = Place("cache", len(heads) * self._columns, self._form(part), 2 * words, word)
            linear = self._spread(getattr(self._block, part), heads)
            key = f"{self._name}.{part}.{heads.start}"
            self._shared.linear(key, f"{self._name}.{part}.weight", linear, normed, place)
            places.append(place)
        return places[0], places[1]

    def _head(self, head: int, query: Place, key: Place, value: Place) -> None:
        """One head of a frame, with as many rows at a time as the hidden memory holds scores for."""
        design, tokens = self._design, self._shared.rows.tokens
        parallel = design.knobs.tokens_parallel
        score_words = design.padded_words(tokens)
        rows = design.memory_depths["hidden"] // score_words * parallel
        scores = Place("hidden", tokens, self._form(f"scores.{head}"), score_words)
        for piece in even_pieces(tokens, min(rows, design.max_rows), parallel):
            part = replace(query, block=query.block + piece.start // parallel)
            self._builder.layer = f"{self._name}.scores.{head}"
            self._builder.scores(part, key, scores, len(piece), tokens)
            self._builder.layer = f"{self._name}.values.{head}"
            self._builder.values(scores, value, replace(part, form=self._attended()), len(piece), tokens)

    def _spread(self, linear: Linear, heads: range) -> Linear:
        """The part of some heads, each head's outputs padded with rows of zeros to whole output tiles."""
        assert linear.bias is not None
        width, inputs = self._spec.head_dim, linear.weight.shape[1]
        rows = slice(heads.start * width, heads.stop * width)
        weight = np.zeros((len(heads), self._columns, inputs))
        weight[:, :width] = linear.weight[rows].reshape(len(heads), width, inputs)
        bias = np.zeros((len(heads), self._columns))
        bias[:, :width] = linear.bias[rows].reshape(len(heads), width)
        return Linear(weight.reshape(-1, inputs), bias.reshape(-1))


def spread_inputs(linear: Linear, heads: int, width: int, padded: int) -> Linear:
    """Pads each head's inputs from `width` to `padded` columns of zeros."""
    outputs = linear.weight.shape[0]
    weight = np.zeros((outputs, heads, padded))
    weight[:, :, :width] = linear.weight.reshape(outputs, heads, width)
    return Linear(weight.reshape(outputs, -1), linear.bias)
