"""Packing: integers to beats of DDR, in the order in which the engine asks for them.

Weights go to all weight ports at once: the same fill_beats beats of every port make up a step, which the engine takes
in one cycle. So each port reads one contiguous region, in bursts, and no value ever needs rearranging on the chip.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.base.arithmetic import ceil_div
from edgemoe_gen.design import Design
from edgemoe_gen.design.sizes import BIAS_BITS

Integers = NDArray[np.int64]
Bytes = NDArray[np.uint8]


def pack_fields(values: Integers, bits: int, beat_bytes: int) -> Bytes:
    """Packs rows of signed integers as fields of `bits`, from the least significant end of a beat.

    Args:
        values: [..., fields of one beat].
        bits: width of a field.
        beat_bytes: bytes of a beat.

    Returns:
        [..., beat_bytes].
    """
    if bits in (8, 16, 32) and values.shape[-1] * bits == beat_bytes * 8:
        return np.ascontiguousarray(values.astype(f"<i{bits // 8}")).view(np.uint8)
    places = (values[..., None] >> np.arange(bits)) & 1
    flat = places.reshape(*values.shape[:-1], -1).astype(np.uint8)
    padding = [(0, 0)] * (flat.ndim - 1) + [(0, beat_bytes * 8 - flat.shape[-1])]
    return np.packbits(np.pad(flat, padding), axis=-1, bitorder="little")


def linear_beats(design: Design, outputs: int, inputs: int, narrow: bool) -> int:
    """Beats at every port of a product's weights, as `pack_linear` packs them."""
    steps = design.weight_steps(design.words(inputs), narrow) + design.bias_steps
    return design.out_tiles(outputs) * steps * design.knobs.fill_beats


def shift_beats(design: Design, features: int) -> int:
    """Beats at every port of a norm's shifts, as `pack_shifts` packs them."""
    rows = ceil_div(design.words(features), design.shift_words)
    return rows * design.shift_steps * design.knobs.fill_beats


def pack_linear(design: Design, weight: Integers, bias: Integers | None, narrow: bool = False) -> Bytes:
    """Weights of one product in the order of use.

    Every output tile has its biases, then for every word of inputs the tile [in][out], cut into parts. A step brings
    one part. For narrow weights it brings two: each field holds a weight of the first part below one of the second.

    Args:
        design: gives the geometry.
        weight: [outputs, inputs].
        bias: [outputs] or None.
        narrow: whether the weights go into the design's narrow fields.

    Returns:
        [ports, beats, bytes of a beat].
    """
    k = design.knobs
    tiles, words = ceil_div(weight.shape[0], k.out_parallel), ceil_div(weight.shape[1], k.in_parallel)
    padded = np.zeros((tiles * k.out_parallel, words * k.in_parallel), np.int64)
    padded[: weight.shape[0], : weight.shape[1]] = weight
    ordered = padded.reshape(tiles, k.out_parallel, words, k.in_parallel).transpose(0, 2, 3, 1)
    lanes = np.zeros((tiles, words, design.operand_parts * design.part_values), np.int64)
    lanes[:, :, : k.out_parallel * k.in_parallel] = ordered.reshape(tiles, words, -1)
    ports, fill = k.weight_ports, k.fill_beats
    parts = lanes.reshape(tiles, words * design.operand_parts, design.part_values)
    if narrow:
        parts = _paired(parts, design.narrow_weight_bits)
    fields = parts.reshape(tiles, -1, ports, fill, design.weights_per_beat)
    steps = pack_fields(fields, k.weight_bits, design.beat_bytes)
    if bias is not None:
        biases = np.zeros((tiles, design.bias_steps * design.biases_per_step), np.int64)
        flat = np.zeros(tiles * k.out_parallel, np.int64)
        flat[: bias.shape[0]] = bias
        biases[:, : k.out_parallel] = flat.reshape(tiles, k.out_parallel)
        bias_fields = biases.reshape(tiles, design.bias_steps, ports, fill, design.biases_per_beat)
        steps = np.concatenate([pack_fields(bias_fields, BIAS_BITS, design.beat_bytes), steps], axis=1)
    # [tiles, steps, ports, beats of a step, bytes]: a port's beats of one step follow each other in its memory.
    return np.ascontiguousarray(steps.transpose(2, 0, 1, 3, 4)).reshape(ports, -1, design.beat_bytes)


def _paired(parts: Integers, bits: int) -> Integers:
    """Joins neighbouring parts [tiles, parts, values] of a width in bits to [tiles, ceil(parts / 2), values]."""
    even = np.pad(parts, ((0, 0), (0, parts.shape[1] % 2), (0, 0)))
    return (even[:, 1::2] << bits) | (even[:, ::2] & ((1 << bits) - 1))


def pack_shifts(design: Design, shifts: Integers) -> Bytes:
    """LayerNorm's shift of every feature [features], word after word; [ports, beats, bytes of a beat]."""
    k = design.knobs
    words = ceil_div(shifts.shape[0], k.in_parallel)
    # A row of `rows` is what one step brings (of one or several words), or several steps (of one word).
    rows = np.zeros((ceil_div(words, design.shift_words), design.shift_words * k.in_parallel), np.int64)
    rows.reshape(-1)[: shifts.shape[0]] = shifts
    steps = np.zeros((rows.shape[0], design.shift_steps * design.shifts_per_step), np.int64)
    steps[:, : rows.shape[1]] = rows
    fields = steps.reshape(-1, k.weight_ports, k.fill_beats, design.beat_bytes)
    packed = pack_fields(fields, 8, design.beat_bytes).transpose(1, 0, 2, 3)
    return np.ascontiguousarray(packed).reshape(k.weight_ports, -1, design.beat_bytes)


def pack_words(design: Design, values: Integers, bits: int) -> Bytes:
    """A matrix for a LOAD operation: row after row, each padded to whole words.

    Args:
        design: gives the geometry.
        values: [tokens, columns].
        bits: 16 or 32, the width of a value in DDR.

    Returns:
        [beats, bytes of a beat].
    """
    words = ceil_div(values.shape[1], design.knobs.in_parallel)
    padded = np.zeros((values.shape[0], words * design.knobs.in_parallel), np.int64)
    padded[:, : values.shape[1]] = values
    fields = padded.reshape(-1, design.knobs.port_bits // bits)
    return pack_fields(fields, bits, design.beat_bytes).reshape(-1, design.beat_bytes)


def unpack_words(beats: Bytes, tokens: int, columns: int) -> Integers:
    """Result of a STORE operation, 32-bit values row after row, as [tokens, columns]."""
    values = beats.reshape(-1).view("<i4").reshape(tokens, -1)
    return values[:, :columns].astype(np.int64)
