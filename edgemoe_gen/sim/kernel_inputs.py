"""Inputs of the kernel cases: extreme rows, rows of softmax scores that are hard to sum, random weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.design import Design
from edgemoe_gen.numerics.fixed import Format, Integers, dequantise, fraction_for, quantise
from edgemoe_gen.numerics.lower import Linear

Values = NDArray[np.float64]


def limits(bits: int) -> tuple[int, int]:
    """Smallest and largest signed number of so many bits."""
    return -(1 << (bits - 1)), (1 << (bits - 1)) - 1


def extreme_rows(columns: int, bits: int) -> Integers:
    """All largest, all smallest, alternating (both ways), zeros, one-hot (three), all 1, all -1; [10, columns]."""
    low, high = limits(bits)
    odd = np.arange(columns) % 2 == 1
    rows = np.zeros((10, columns), np.int64)
    rows[0], rows[1] = high, low
    rows[2], rows[3] = np.where(odd, low, high), np.where(odd, high, low)
    rows[5, 0], rows[6, -1], rows[7, columns // 2] = high, low, high
    rows[8], rows[9] = 1, -1
    return rows


def score_rows(keys: int, form: Format, tile: int, rng: np.random.Generator) -> dict[str, Integers]:
    """Rows of scores (base-2 logarithms) by name, each hard for a softmax with a running maximum."""
    low, high = limits(form.bits)
    place = np.arange(keys)
    one = 1 << max(form.fraction, 0)
    spread = rng.normal(0.0, 4.0, keys)
    rows = {
        "random": quantise(spread, form),
        "random, narrow": quantise(spread / 64, form),
        "all equal": np.full(keys, 3),
        "all largest": np.full(keys, high),
        "all smallest": np.full(keys, low),
        "rising over the whole range": low + (high - low) * place // max(keys - 1, 1),
        "rising by the smallest step": place - keys // 2,
        # A new maximum in every tile, each just far enough above the last for the table's largest error.
        "rising every tile by 1/256": place // tile * max(one // 256, 1),
        "rising every tile by a third": place // tile * max(one // 3, 1) - one,
        "rising every key by a fifth": place * max(one // 5, 1) + low,
        "falling": -place,
        "first largest, many tiny": np.where(place == 0, 0, -8 * one),
        "last largest, many tiny": np.where(place == keys - 1, 0, -8 * one),
        "last largest, others just below": np.where(place == keys - 1, 1, 0),
        "one among smallest": np.where(place == keys // 2, high, low),
        "two equal": np.where((place == 0) | (place == keys - 1), 0, low),
        "alternating": np.where(place % 2 == 1, low, high),
        "half a step apart": np.where(place % 2 == 1, 0, one // 2),
        "sum just below a power of two": np.where(place % 4 == 3, -12 * one, 0),
    }
    return {name: np.clip(row, low, high).astype(np.int64) for name, row in rows.items()}


def random_values(rng: np.random.Generator, rows: int, columns: int, form: Format, spread: float) -> Integers:
    """Normally distributed values in format `form`."""
    return quantise(rng.normal(0.0, spread, (rows, columns)), form)


def random_linear(
    rng: np.random.Generator,
    design: Design,
    inputs: int,
    outputs: int,
    bias: bool = True,
    gain: float = 1.0,
    bits: int | None = None,
) -> tuple[Linear, Format]:
    """Random weights that keep the size of their inputs times `gain`, exact in the format that comes with them.

    `bits`: their width; the design's by default.
    """
    values = rng.normal(0.0, gain / np.sqrt(inputs), (outputs, inputs))
    linear = Linear(values, rng.normal(0.0, gain, outputs) if bias else None)
    return exact_linear(linear, design, bits)


def exact_linear(linear: Linear, design: Design, bits: int | None = None) -> tuple[Linear, Format]:
    """Weights rounded to the widest format that holds them, and that format: what is then lost is the engine's loss."""
    bits = bits or design.knobs.weight_bits
    form = Format(bits, fraction_for(float(np.abs(linear.weight).max(initial=0.0)), bits))
    return rounded_linear(linear, form), form


def rounded_linear(linear: Linear, form: Format) -> Linear:
    """The same layer with weights that a format holds exactly."""
    return Linear(dequantise(quantise(linear.weight, form), form), linear.bias)


def identity_linear(columns: int, design: Design) -> tuple[Linear, Format]:
    """Weights that hand every column on, exactly."""
    return Linear(np.eye(columns), None), Format(design.knobs.weight_bits, design.knobs.weight_bits - 2)


def memory_columns(design: Design, memory: str, tokens: int) -> int:
    """Columns that a memory holds of so many tokens and the compute unit can take at once, in whole output tiles."""
    blocks = max(-(-min(tokens, design.knobs.max_tokens) // design.knobs.tokens_parallel), 1)
    words = min(design.memory_depths[memory] // blocks, design.max_in_words)
    return words // design.out_words * design.knobs.out_parallel
