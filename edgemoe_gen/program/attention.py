"""Attention of one block: head after head, and within a head frame after frame.

Queries, keys and values of all frames that share a pass of the weights come by one product each; scores and values are
of one frame, as a token attends to those of its own picture only.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from edgemoe_gen.design import Design
from edgemoe_gen.numerics.fixed import Format
from edgemoe_gen.numerics.lower import Linear, LoweredBlock
from edgemoe_gen.program.capacity import head_columns
from edgemoe_gen.program.places import Place

if TYPE_CHECKING:
    from edgemoe_gen.program.group import Group


def slices(columns: int, most: int, multiple: int) -> Iterator[tuple[int, int]]:
    """Cuts columns into even pieces of at most `most`, each but the last a multiple of `multiple`: start and stop."""
    usable = most // multiple * multiple
    pieces = -(-columns // usable)
    size = -(-columns // (pieces * multiple)) * multiple
    for start in range(0, columns, size):
        yield start, min(start + size, columns)


def attend(group: Group, block: LoweredBlock, normed: Place) -> Place:
    """Attention; the result replaces the head's queries. Returns the place of all results."""
    name = f"blocks.{block.index}"
    spec, design = group.spec, group.design
    width, padded = spec.head_dim, head_columns(design, spec)
    words = design.words(padded)
    queries = group.b.place("query", spec.heads * padded, group.formats[f"{name}.query"])
    query = _spread_outputs(block.query, spec.heads, width, padded)
    group.linear(f"{name}.query", f"{name}.query.weight", query, normed, queries)
    per_pass = group.capacity_words("cache") // (2 * words)
    for first in range(0, spec.heads, per_pass):
        heads = range(first, min(first + per_pass, spec.heads))
        stride = 2 * len(heads) * words
        places = {}
        for part, word in (("key", 0), ("value", len(heads) * words)):
            form = group.formats[f"{name}.{part}"]
            places[part] = Place("cache", len(heads) * padded, form, stride, word)
            every = getattr(block, part)
            rows = slice(heads.start * width, heads.stop * width)
            linear = _spread_outputs(Linear(every.weight[rows], every.bias[rows]), len(heads), width, padded)
            group.linear(f"{name}.{part}.{first}", f"{name}.{part}.weight", linear, normed, places[part])
        for i, head in enumerate(heads):
            for frame in range(group.rows.frames):
                key, value = (
                    Place("cache", padded, p.form, stride, p.word + i * words, group.first_block("cache", frame))
                    for p in (places["key"], places["value"])
                )
                _head(group, name, head, frame, head * words, queries.stride, key, value)
    return Place("query", spec.heads * padded, _attended(design, places["value"].form), queries.stride)


def _attended(design: Design, value: Format) -> Format:
    """Format of means of values: of the same range, as fine as activations are."""
    bits = design.knobs.activation_bits
    return Format(bits, value.fraction + bits - value.bits)


def _head(group: Group, name: str, head: int, frame: int, word: int, stride: int, key: Place, value: Place) -> None:
    """Attention of one head of a frame, as many rows at a time as their scores fit the hidden memory."""
    design, tokens = group.design, group.rows.tokens
    parallel = design.knobs.tokens_parallel
    score_words = design.padded_words(tokens)
    rows = design.memory_depths["hidden"] // score_words * parallel
    scores = Place("hidden", tokens, group.formats[f"{name}.scores.{head}"], score_words)
    for first, stop in slices(tokens, min(rows, design.max_rows), parallel):
        block = group.first_block("query", frame) + first // parallel
        query = Place("query", key.columns, group.formats[f"{name}.query"], stride, word, block)
        result = Place("query", key.columns, _attended(design, value.form), stride, word, block)
        group.b.layer = f"{name}.scores.{head}"
        group.b.scores(query, key, scores, stop - first, tokens)
        group.b.layer = f"{name}.values.{head}"
        group.b.values(scores, value, result, stop - first, tokens)


def _spread_outputs(linear: Linear, heads: int, width: int, padded: int) -> Linear:
    """Pads each head's outputs from `width` to `padded` rows of zeros."""
    assert linear.bias is not None
    inputs = linear.weight.shape[1]
    weight = np.zeros((heads, padded, inputs))
    weight[:, :width] = linear.weight.reshape(heads, width, inputs)
    bias = np.zeros((heads, padded))
    bias[:, :width] = linear.bias.reshape(heads, width)
    return Linear(weight.reshape(-1, inputs), bias.reshape(-1))


def spread_inputs(linear: Linear, heads: int, width: int, padded: int) -> Linear:
    """Pads each head's inputs from `width` to `padded` columns of zeros."""
    outputs = linear.weight.shape[0]
    weight = np.zeros((outputs, heads, padded))
    weight[:, :, :width] = linear.weight.reshape(outputs, heads, width)
    return Linear(weight.reshape(outputs, -1), linear.bias)
