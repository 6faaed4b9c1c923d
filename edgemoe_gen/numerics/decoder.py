"""Decoders as the engine computes them: M3ViT's `VisionTransformerUpHead` as plain products and doublings.

- Batch norm's gain goes into the weights, the rest into the bias; LayerNorm's gain into the first convolution.
- LayerNorm's offset must not go into a bias: zeros are padded after the norm, so a tap beyond the border adds no
  offset. A feature of ones carries it; its weight is the tap's weights times the offset.
- ReLU lets a positive factor of an output move into the next layer, and doubling is linear. So each output of a 3x3
  convolution is scaled until its weights fill their format, which halves the error of narrow ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from edgemoe_gen.hardware.kinds import MOST_VALUES
from edgemoe_gen.model import Model, ModelSpec
from edgemoe_gen.model.layout import BATCH_NORM_EPS, decoder_convolutions
from edgemoe_gen.numerics.lower import Array, Linear, LoweredDecoder, feature_shifts
from edgemoe_gen.numerics.maps import doubled_sixteenths, tap_sums

# An output's largest weight is made as large as a format of 6 bits or more holds without rounding up beyond it.
FULL = 31 / 32


def lower_decoder(model: Model, task: str) -> LoweredDecoder:
    """Folds a task's decoder; exact up to float64 rounding.

    Args:
        model: a network with a decoder for the task.
        task: name.
    """
    tensors = {name: values.astype(np.float64) for name, values in model.decoders[task].items()}
    layers = []
    last = decoder_convolutions(tensors) - 1
    for i in range(last):
        weight, bias = _without_batch_norm(tensors, i)
        if i == 0:
            offsets = np.einsum("oiyx,i->oyx", weight, tensors["norm.bias"])[:, None]
            weight = np.concatenate([weight * tensors["norm.weight"][:, None, None], offsets], axis=1)
        layers.append(_linear(weight, bias))
    layers.append(_linear(tensors[f"conv_{last}.weight"], tensors[f"conv_{last}.bias"]))
    scales = tuple(np.ones(layer.weight.shape[0]) for layer in layers[:last])
    return LoweredDecoder(tuple(layers), (9,) * last + (1,), np.zeros(model.spec.dim, np.int64), 1.0, scales)


def _without_batch_norm(tensors: Mapping[str, Array], place: int) -> tuple[Array, Array]:
    """Weights [outputs, inputs, 3, 3] and bias of a convolution, with the batch norm after it folded in."""
    mean, variance, gain, offset = (
        tensors[f"syncbn_fc_{place}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
    )
    gain = gain / np.sqrt(variance + BATCH_NORM_EPS)
    weight = tensors[f"conv_{place}.weight"] * gain[:, None, None, None]
    return weight, (tensors[f"conv_{place}.bias"] - mean) * gain + offset


def _linear(weight: Array, bias: Array) -> Linear:
    """Weights [outputs, inputs, rows, columns] in the order of use: [outputs, taps * inputs]."""
    return Linear(np.ascontiguousarray(weight.transpose(0, 2, 3, 1).reshape(weight.shape[0], -1)), bias)


def by_tap(decoder: LoweredDecoder, layer: int) -> Array:
    """Weights of a layer as [outputs, taps, inputs]; a view."""
    weight = decoder.layers[layer].weight
    return weight.reshape(weight.shape[0], decoder.taps[layer], -1)


def evaluate(decoder: LoweredDecoder, spec: ModelSpec, tokens: Array) -> Array:
    """A decoder's map after the last doubling, by its folded layers in float64: [16 rows, 16 columns, classes].

    Args:
        decoder: the lowered decoder.
        spec: spec of the network.
        tokens: final tokens [tokens, dim].
    """
    x = np.asarray(tokens[spec.prefix_tokens :], np.float64)
    centred = x - x.mean(axis=1, keepdims=True)
    normal = centred / np.sqrt(np.square(centred).mean(axis=1, keepdims=True) + spec.norm_eps)
    grid = (normal * np.exp2(-decoder.shifts)).reshape(*spec.grid, -1)
    x = np.concatenate([grid, np.full((*spec.grid, 1), decoder.ones)], axis=2)
    *convolutions, last = decoder.layers
    for i, layer in enumerate(convolutions):
        x = np.maximum(tap_sums(_doubled(x) if i else x, layer.weight) + _bias(layer), 0.0)
    return _doubled(np.asarray(x @ last.weight.T + _bias(last)))


def _doubled(x: Array) -> Array:
    return doubled_sixteenths(x) / 16


def _bias(layer: Linear) -> Array:
    return np.zeros(layer.weight.shape[0]) if layer.bias is None else layer.bias


def even_out(decoder: LoweredDecoder, norm: Array, convolutions: list[Array], headroom: float) -> LoweredDecoder:
    """The same function with weights that use their formats better.

    Features with outliers are shifted down by the norm, as in blocks. The feature of ones becomes larger, no larger
    than others, until its weights are no larger than theirs. Every output of a 3x3 convolution is scaled up, or down
    where it would widen its layer's range, until its largest weight is just below a power of two.

    Args:
        decoder: a result of `lower_decoder`.
        norm: [dim] largest absolute value of each feature after the norm.
        convolutions: for each 3x3 convolution, [outputs] the largest result after the ReLU.
        headroom: room of activation formats above the largest value.
    """
    first = by_tap(decoder, 0).copy()
    plain = first[:, :, :-1]
    shifts = feature_shifts(norm, [Linear(plain.reshape(-1, plain.shape[2]), None)])
    plain *= np.exp2(shifts)
    reach = float((norm * np.exp2(-shifts)).max(initial=0.0))
    ones = _ones(np.abs(first[:, :, -1]).max(axis=1), np.abs(plain).max(axis=(1, 2)), reach)
    first[:, :, -1] /= ones
    layers = [replace(decoder.layers[0], weight=first.reshape(first.shape[0], -1)), *decoder.layers[1:]]
    scales = []
    for i, largest in enumerate(convolutions):
        scale = _filling(np.abs(layers[i].weight).max(axis=1), largest, headroom)
        after = layers[i + 1]
        layers[i] = Linear(layers[i].weight * scale[:, None], _bias(layers[i]) * scale)
        columns = np.tile(scale, decoder.taps[i + 1])
        layers[i + 1] = Linear(after.weight / columns, after.bias)
        scales.append(scale)
    return replace(decoder, layers=tuple(layers), shifts=shifts, ones=ones, scales=tuple(scales))


def _ones(offsets: Array, others: Array, reach: float) -> float:
    """Value of the feature of ones; a larger value makes the offsets' weights smaller."""
    used = (offsets > 0) & (others > 0)
    ratio = float((offsets[used] / others[used]).max(initial=1.0))
    most = math.floor(math.log2(reach)) if reach >= 1.0 else 0
    return float(2.0 ** min(max(math.ceil(math.log2(ratio)), 0), most))


def _filling(weights: Array, largest: Array, headroom: float) -> Array:
    """Factors [outputs] that make the largest weights a power of two times `FULL`; 1 for outputs without weights."""
    used = weights > 0
    safe = np.where(used, weights, 1.0)
    scale = np.where(used, np.exp2(np.ceil(np.log2(safe / FULL))) * FULL / safe, 1.0)
    reach = float(largest.max(initial=0.0)) * headroom
    if reach <= 0.0:
        return scale
    # Below the power of two, so that no format of 8 bits or more has a fractional bit less for it.
    room = max(reach, 2.0 ** math.ceil(math.log2(reach)) * (1 - 2.0**-7))
    return np.asarray(np.where(used & (scale * largest * headroom > room), scale / 2, scale))


def has_values(classes: int) -> bool:
    """Whether a task with this many channels has values of 16 bits (depth, normals, edges), not classes."""
    return classes <= MOST_VALUES
