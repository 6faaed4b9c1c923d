"""The network as the engine computes it: gains, scales and per-task constants folded into plain linear layers.

- LayerNorm's gain and offset go into the layers that read it: W (g * n + b) + c = (W g) n + (W b + c).
- Attention scores and router logits are base-2 logarithms, so that exp becomes a shift and a small table: log2(e) goes
  into query weights (with 1 / sqrt(head size)) and router weights.
- A patch of the picture is one token's input. The projection's bias goes into the position embedding, so tokens
  before the patches (class token, registers), whose patches are zero, are no special case.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.model import Model, ModelSpec, router_tensors

Array = NDArray[np.float64]
LOG2_E = 1.0 / math.log(2.0)
MAX_SHIFT = 7


@dataclass(frozen=True)
class Linear:
    """y = W x + b: `weight` [outputs, inputs], `bias` [outputs] or None."""

    weight: Array
    bias: Array | None


@dataclass(frozen=True)
class LoweredBlock:
    """One block. `mlp` holds (fc1, fc2) of the dense MLP, or of every expert; `routers` a gate for each task.

    `shifts1`, `shifts2` [dim]: bits by which the norms shift each feature down; the reading layers compensate them.
    """

    index: int
    query: Linear
    key: Linear
    value: Linear
    projection: Linear
    mlp: tuple[tuple[Linear, Linear], ...]
    routers: tuple[Linear, ...]
    shifts1: NDArray[np.int64]
    shifts2: NDArray[np.int64]


@dataclass(frozen=True)
class LoweredDecoder:
    """A decoder as products (`numerics.decoder` makes it): 3x3 ones with ReLU, then 1x1; between them doubling.

    A tap of the first layer reads a token after its norm and one more feature. This feature is `ones` in every pixel of
    the grid and, as all features, 0 around it. It carries the norm's offset, so no tap beyond the border adds any.

    Attributes:
        layers: weights [outputs, taps * inputs], taps row by row, and biases.
        taps: taps of each layer, 9 or 1.
        shifts: [dim] bits by which the norm shifts each feature down.
        ones: value of the last feature of the first layer, a power of two.
        scales: for each 3x3 layer, [outputs] factors of its results, which the next layer compensates.
    """

    layers: tuple[Linear, ...]
    taps: tuple[int, ...]
    shifts: NDArray[np.int64]
    ones: float
    scales: tuple[Array, ...]

    def inputs(self, layer: int) -> int:
        """Features that a tap of a layer reads."""
        return int(self.layers[layer].weight.shape[1]) // self.taps[layer]

    @property
    def classes(self) -> int:
        """Channels of the result."""
        return int(self.layers[-1].weight.shape[0])


@dataclass(frozen=True)
class LoweredNetwork:
    """A whole network.

    Attributes:
        spec: spec of the model.
        patch: projection of the patches.
        position: [tokens, dim], sum of position embedding, tokens before the patches, and patch bias.
        blocks: in order.
        decoders: decoders for the engine, by task.
    """

    spec: ModelSpec
    patch: Linear
    position: Array
    blocks: tuple[LoweredBlock, ...]
    decoders: Mapping[str, LoweredDecoder] = field(default_factory=dict)


def lower(model: Model) -> LoweredNetwork:
    """Folds a model; exact up to float64 rounding."""
    spec = model.spec
    tensors = {name: values.astype(np.float64) for name, values in model.backbone.items()}
    patch = tensors["patch_embed.proj.weight"].reshape(spec.dim, -1)
    position = tensors["pos_embed"][0].copy()
    position[spec.prefix_tokens :] += tensors["patch_embed.proj.bias"]
    if spec.class_token:
        position[0] += tensors["cls_token"][0, 0]
    if spec.extra_tokens:
        position[int(spec.class_token) : spec.prefix_tokens] += tensors["extra_tokens"][0]
    blocks = tuple(_block(model, tensors, index) for index in range(spec.depth))
    return LoweredNetwork(spec, Linear(patch, None), position, blocks)


def _after_norm(weight: Array, bias: Array, gain: Array, offset: Array, scale: float = 1.0) -> Linear:
    return Linear(weight * gain * scale, (weight @ offset + bias) * scale)


def _block(model: Model, tensors: dict[str, Array], index: int) -> LoweredBlock:
    spec = model.spec

    def tensor(name: str) -> Array:
        return tensors[f"blocks.{index}.{name}"]

    norm1 = tensor("norm1.weight"), tensor("norm1.bias")
    norm2 = tensor("norm2.weight"), tensor("norm2.bias")
    weights = np.split(tensor("attn.qkv.weight"), 3)
    biases = np.split(tensor("attn.qkv.bias"), 3)
    to_scores = LOG2_E / math.sqrt(spec.head_dim)
    query, key, value = (
        _after_norm(weight, bias, *norm1, scale=scale)
        for weight, bias, scale in zip(weights, biases, (to_scores, 1.0, 1.0), strict=True)
    )
    routers: list[Linear] = []
    if spec.blocks[index].experts:
        up, up_bias = tensor("mlp.experts.htoh4.weight"), tensor("mlp.experts.htoh4.bias")
        down, down_bias = tensor("mlp.experts.h4toh.weight"), tensor("mlp.experts.h4toh.bias")
        mlp = tuple(
            (_after_norm(up[e], up_bias[e], *norm2), Linear(down[e], down_bias[e]))
            for e in range(spec.blocks[index].experts)
        )
        for task in spec.task_names:
            gate, bias = (values.astype(np.float64) for values in router_tensors(model, index, task))
            if spec.router.input_ahead:
                routers.append(Linear(gate.T * LOG2_E, bias * LOG2_E))
            else:
                routers.append(_after_norm(gate.T, bias, *norm2, scale=LOG2_E))
    else:
        mlp = (
            (
                _after_norm(tensor("mlp.fc1.weight"), tensor("mlp.fc1.bias"), *norm2),
                Linear(tensor("mlp.fc2.weight"), tensor("mlp.fc2.bias")),
            ),
        )
    projection = Linear(tensor("attn.proj.weight"), tensor("attn.proj.bias"))
    none = np.zeros(spec.dim, np.int64)
    return LoweredBlock(index, query, key, value, projection, mlp, tuple(routers), none, none)


def equalise(network: LoweredNetwork, largest: Mapping[str, Array]) -> LoweredNetwork:
    """Shifts features with outliers down in LayerNorm, and the weights that read them up: the same function.

    In trained networks, a few features are often tens of times larger than the others after the norm, and have small
    gains. Folding makes their weights tiny beside their tensor's largest, and therefore coarse. A feature is shifted
    until it is no larger than a typical one, as far as no weight exceeds its tensor's largest.

    Args:
        network: folded network.
        largest: by `blocks.i.norm1` and `blocks.i.norm2`, the largest absolute value of each feature [dim].
    """
    return replace(network, blocks=tuple(_equalise(network.spec, block, largest) for block in network.blocks))


def _equalise(spec: ModelSpec, block: LoweredBlock, largest: Mapping[str, Array]) -> LoweredBlock:
    gated = () if spec.router.input_ahead else block.routers
    shifts1 = feature_shifts(largest[f"blocks.{block.index}.norm1"], [block.query, block.key, block.value])
    shifts2 = feature_shifts(largest[f"blocks.{block.index}.norm2"], [*(up for up, _ in block.mlp), *gated])
    return replace(
        block,
        query=_raised(block.query, shifts1),
        key=_raised(block.key, shifts1),
        value=_raised(block.value, shifts1),
        mlp=tuple((_raised(up, shifts2), down) for up, down in block.mlp),
        routers=tuple(_raised(router, shifts2) for router in gated) or block.routers,
        shifts1=shifts1,
        shifts2=shifts2,
    )


def feature_shifts(largest: Array, readers: list[Linear]) -> NDArray[np.int64]:
    """Bits [features] by which a norm shifts features with outliers down, as far as its readers' weights allow.

    Args:
        largest: [features] largest absolute value of each.
        readers: layers whose weights [outputs, features] compensate the shifts.
    """
    typical = float(np.median(largest))
    wanted = np.log2(np.maximum(largest, 1e-30) / max(typical, 1e-30))
    for reader in readers:
        columns = np.abs(reader.weight).max(axis=0)
        room = np.log2(max(float(columns.max()), 1e-30) / np.maximum(columns, 1e-30))
        wanted = np.minimum(wanted, np.floor(room))
    return np.clip(np.round(wanted), 0, MAX_SHIFT).astype(np.int64)


def _raised(linear: Linear, shifts: NDArray[np.int64]) -> Linear:
    return Linear(linear.weight * 2.0**shifts, linear.bias)
