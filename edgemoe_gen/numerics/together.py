"""Narrow weights of a whole network rounded together, layer by layer on calibration pictures, biases corrected.

In: the folded network, its formats, pictures and tasks. Out: layers whose weights lie on the grids of a program, so
that compiling rounds nothing more. Each layer is rounded for the inputs that it will have, after layers that are
rounded already. Its bias then takes the remaining difference between the means of its results and of float's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgemoe_gen.numerics.formats import Formats
from edgemoe_gen.numerics.forward import Float32, Forward, plain
from edgemoe_gen.numerics.forward_decoder import decode, rows_of
from edgemoe_gen.numerics.gptq import Metric, Moments, nearest, round_together
from edgemoe_gen.numerics.layers import layers_of, weight_name
from edgemoe_gen.numerics.lower import Array, Linear, LoweredNetwork
from edgemoe_gen.numerics.widths import NARROW, NEAREST, TOGETHER

if TYPE_CHECKING:
    import torch

# A layer that fewer tokens reach has its weights rounded to nearest; with fewer still its bias stays too.
LEAST_TOKENS, LEAST_FOR_BIAS = 50, 16
BIAS = "bias"  # corrected, weights rounded to nearest
# The mean is not taken out of the moments entirely: what the bias makes up for is that of the calibration pictures.
_MEAN_LEFT = 0.001
# Of a decoder: frames that its maps are made of, and pixels whose moments are taken; more would tell little more.
DECODED_FRAMES, PIXELS = 8, 8192


@dataclass(frozen=True)
class RoundedLayer:
    """A layer with weights on their grid.

    Attributes:
        linear: weights and corrected bias.
        tokens: tokens that reached the layer.
        how: "gptq"; "bias": to nearest with the bias corrected; "nearest".
    """

    linear: Linear
    tokens: int
    how: str


def is_narrow(formats: Formats, layer: str) -> bool:
    """Whether a layer's weights are narrow."""
    return formats[weight_name(layer)].bits < NARROW


class _Exact:
    """Float's side: the mean of each layer's inputs."""

    def __init__(self) -> None:
        self.means: dict[str, Array] = {}

    def product(self, name: str, linear: Linear, inputs: torch.Tensor) -> torch.Tensor:
        self.means[name] = inputs.numpy().mean(axis=0, dtype=np.float64)
        return plain(name, linear, inputs)

    def choose(self, name: str, linear: Linear, taps: int, maps: torch.Tensor) -> Linear:
        self.means[name] = rows_of(maps, taps, PIXELS).numpy().mean(axis=0, dtype=np.float64)
        return linear


class _Rounding:
    """The accelerator's side: rounds each narrow layer before its product."""

    def __init__(self, formats: Formats, exact: _Exact) -> None:
        self.formats = formats
        self.exact = exact
        self.layers: dict[str, RoundedLayer] = {}
        self._inputs: torch.Tensor | None = None
        self._moments: Moments | None = None
        self._metric: Metric | None = None

    def product(self, name: str, linear: Linear, inputs: torch.Tensor) -> torch.Tensor:
        if not is_narrow(self.formats, name):
            return plain(name, linear, inputs)
        if inputs is not self._inputs:  # query, key and value read the same
            self._inputs, self._moments, self._metric = inputs, Moments.of(inputs.numpy()), None
        assert self._moments is not None
        return plain(name, self._round(name, linear, self._moments), inputs)

    def choose(self, name: str, linear: Linear, taps: int, maps: torch.Tensor) -> Linear:
        if not is_narrow(self.formats, name):
            return linear
        self._inputs = self._metric = None
        return self._round(name, linear, Moments.of(rows_of(maps, taps, PIXELS).numpy()))

    def _round(self, name: str, linear: Linear, moments: Moments) -> Linear:
        form = self.formats[weight_name(name)]
        how = TOGETHER if moments.count >= LEAST_TOKENS else BIAS if moments.count >= LEAST_FOR_BIAS else NEAREST
        if how == TOGETHER:
            if self._metric is None:
                self._metric = Metric(moments.centred + _MEAN_LEFT * np.outer(moments.mean, moments.mean))
            weight = round_together(linear.weight, form, self._metric)
        else:
            weight = nearest(linear.weight, form)
        bias = linear.bias
        if how != NEAREST:
            lacking = linear.weight @ self.exact.means[name] - weight @ moments.mean
            bias = lacking if bias is None else bias + lacking
        self.layers[name] = RoundedLayer(Linear(weight, bias), moments.count, how)
        return self.layers[name].linear


def rounded_layers(
    network: LoweredNetwork,
    formats: Formats,
    pictures: Sequence[Float32],
    tasks: Sequence[str],
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, RoundedLayer]:
    """Every narrow layer, by name; experts that no token reaches are rounded to nearest.

    Args:
        network: the folded network in float.
        formats: formats of the network.
        pictures: network inputs [3, height, width], each for every task.
        tasks: tasks of the tokens.
        progress: called with blocks and decoders done and all.
    """
    frames, of_frames = [p for p in pictures for _ in tasks], [task for _ in pictures for task in tasks]
    exact, narrow = Forward(network, of_frames), Forward(network, of_frames, formats)
    means = _Exact()
    rounding = _Rounding(formats, means)
    decoded = [task for task in tasks if task in network.decoders]
    steps = len(network.blocks) + len(decoded)
    x, y = exact.embed(frames, means.product), narrow.embed(frames, rounding.product)
    for place in range(len(network.blocks)):
        x, routes = exact.block(place, x, product=means.product)
        y, _ = narrow.block(place, y, routes, rounding.product)
        if progress is not None:
            progress(place + 1, steps)
    for number, task in enumerate(decoded):
        chosen = spread([i for i, name in enumerate(of_frames) if name == task], DECODED_FRAMES)
        decode(exact, task, exact.frames_of(x, chosen), means.choose)
        decode(narrow, task, narrow.frames_of(y, chosen), rounding.choose)
        if progress is not None:
            progress(len(network.blocks) + number + 1, steps)
    if network.spec.router.kind == "single":  # tasks that have one gate keep one
        first, *others = network.spec.task_names
        gates = {name: layer for name, layer in rounding.layers.items() if name.endswith(f".router.{first}")}
        for name, layer in gates.items():
            rounding.layers |= {f"{name.removesuffix(first)}{task}": layer for task in others}
    return rounding.layers | {
        name: RoundedLayer(Linear(nearest(linear.weight, formats[weight_name(name)]), linear.bias), 0, NEAREST)
        for name, linear in layers_of(network).items()
        if name not in rounding.layers and is_narrow(formats, name)
    }


def spread(items: Sequence[int], most: int) -> list[int]:
    """A number of items at most, evenly spread."""
    return list(items[:: max(1, -(-len(items) // most))])
