"""A program without its weights: the operations of a network in milliseconds, for estimates of many designs.

In: a design and a spec. Out: a `Program` whose operations have the order, sizes and addresses of the real one, made by
the same compiler; its weights and constants are zeros that take no memory, its binary points are all 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.design import Design
from edgemoe_gen.design.sizes import TAPS
from edgemoe_gen.model import Model, ModelSpec, TaskSpec
from edgemoe_gen.model.layout import DECODER_CONVOLUTIONS
from edgemoe_gen.numerics.fixed import Format
from edgemoe_gen.numerics.formats import Formats, TensorFormat
from edgemoe_gen.numerics.lower import Linear, LoweredBlock, LoweredDecoder, LoweredNetwork
from edgemoe_gen.numerics.placing import engine_decoders
from edgemoe_gen.numerics.widths import WEIGHT_KINDS, kind_of
from edgemoe_gen.program.compile import Program, compile_network


class _AnyFormat(dict[str, TensorFormat]):
    """A format for any name, as wide as that of `choose_formats`, since narrow weights take fewer beats."""

    def __init__(self, design: Design) -> None:
        super().__init__()
        self.widths = design.knobs.widths

    def __missing__(self, name: str) -> TensorFormat:
        kind = "weight" if kind_of(name) in WEIGHT_KINDS else "activation"
        return TensorFormat(name, kind, Format(self.widths.of(name), 0), 0.0, 0.0)


def outline_network(design: Design, spec: ModelSpec, tasks: Sequence[str], one_picture: bool = False) -> Program:
    """The operations of a network on a design, one frame for each task; `one_picture` as in `compile_network`.

    Raises:
        CapacityError: the network exceeds the design; names sizes and knobs.
    """
    model, network = _empty(spec if design.has_decoders else _without_decoders(spec))
    k = design.knobs
    decoders = engine_decoders(model, network.decoders, k.max_map_width, k.max_map_channels)
    formats = Formats(_AnyFormat(design))
    return compile_network(
        design, model, network, formats, tasks, packing=False, decoders=decoders, one_picture=one_picture
    )


@lru_cache(maxsize=4)
def _empty(spec: ModelSpec) -> tuple[Model, LoweredNetwork]:
    """A model without tensors, and its folded network of zeros."""
    dim = spec.dim
    square = _linear(dim, dim)
    shifts = np.zeros(dim, np.int64)
    blocks = tuple(
        LoweredBlock(
            block.index, square, square, square, square,
            ((_linear(block.hidden, dim), _linear(dim, block.hidden)),) * max(block.experts, 1),
            (_linear(block.experts, dim),) * len(spec.tasks) if block.experts else (), shifts, shifts,
        )
        for block in spec.blocks
    )  # fmt: skip
    patch = Linear(_zeros(dim, spec.patch_inputs), None)
    decoders = {task.name: _decoder(dim, task) for task in spec.tasks if task.map_channels}
    network = LoweredNetwork(spec, patch, _zeros(spec.tokens, dim), blocks, decoders)
    tensors = {
        name: {
            f"conv_{i}.weight": np.broadcast_to(np.float32(0), (layer.weight.shape[0], 1, 1, 1))
            for i, layer in enumerate(decoder.layers)
        }
        for name, decoder in decoders.items()
    }
    return Model(spec, {}, tensors, {}, Path("outline"), ()), network


def _without_decoders(spec: ModelSpec) -> ModelSpec:
    return replace(spec, tasks=tuple(replace(task, map_channels=None) for task in spec.tasks))


def _decoder(dim: int, task: TaskSpec) -> LoweredDecoder:
    """A decoder of zeros."""
    channels, convolutions = task.map_channels or 0, DECODER_CONVOLUTIONS - 1
    inputs = (dim + 1, *[channels] * (convolutions - 1))
    layers = (*(_linear(channels, TAPS * count) for count in inputs), _linear(task.classes or 1, channels))
    scales = (np.ones(channels),) * convolutions
    return LoweredDecoder(layers, (TAPS,) * convolutions + (1,), np.zeros(dim, np.int64), 1.0, scales)


def _linear(outputs: int, inputs: int) -> Linear:
    return Linear(_zeros(outputs, inputs), _zeros(outputs))


def _zeros(*shape: int) -> NDArray[np.float64]:
    return np.broadcast_to(np.float64(0), shape)
