"""Turns observations into a program's numbers: evens out norms, chooses binary points, rounds narrow weights.

`calibrate` does it; `as_arrays` and `restored` keep the results of calibration, so that it runs only once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.model import Model
from edgemoe_gen.numerics.formats import HEADROOM, Formats, Observations, choose_formats, prepare
from edgemoe_gen.numerics.forward import Float32, Forward, plain
from edgemoe_gen.numerics.gptq import Grid, Metric, Moments
from edgemoe_gen.numerics.layers import layers_of, weight_name, with_layers
from edgemoe_gen.numerics.lower import Array, Linear, LoweredBlock, LoweredNetwork
from edgemoe_gen.numerics.narrow_norms import Readers, best_shifts, even_for_narrow
from edgemoe_gen.numerics.together import RoundedLayer, rounded_layers, spread
from edgemoe_gen.numerics.widths import ATTENTION, EXPERTS, MLP, NARROW, ROUTER, Widths

if TYPE_CHECKING:
    import torch

# Frames whose features say how LayerNorm's results are shifted.
SHIFT_FRAMES = 8
_WEIGHT, _STEPS, _BIAS, _SHIFTS = "rounded.weight:", "rounded.steps:", "rounded.bias:", "rounded.shifts:"


@dataclass(frozen=True)
class Calibrated:
    """A network with the numbers of a program.

    Attributes:
        exact: the network before its narrow weights were rounded, with the same formats.
        formats: binary points.
        layers: narrow layers that were rounded together, by name; empty where rounding is to nearest.
        network: the network with these layers.
    """

    exact: LoweredNetwork
    formats: Formats
    layers: Mapping[str, RoundedLayer] = field(default_factory=dict)
    network: LoweredNetwork = field(init=False)

    def __post_init__(self) -> None:
        layers = {name: layer.linear for name, layer in self.layers.items()}
        object.__setattr__(self, "network", with_layers(self.exact, layers) if layers else self.exact)


def calibrate(
    model: Model,
    seen: Observations,
    widths: Widths,
    pinned: Mapping[str, int] | None,
    pictures: Sequence[Float32],
    tasks: Sequence[str],
    together: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Calibrated:
    """Binary points of a network, and its narrow weights rounded together.

    Args:
        model: the network.
        seen: observations of these pictures and tasks.
        widths: bits of every kind of tensor.
        pinned: fractional bits by tensor name, as far as the user fixes them.
        pictures: network inputs [3, height, width].
        tasks: tasks that run.
        together: False rounds narrow weights to nearest, one by one, when the program is compiled.
        progress: called with steps done and all.
    """
    network = prepare(model, seen)
    if not (together and widths.narrow_weights and pictures):
        return Calibrated(network, choose_formats(network, seen, widths, pinned))
    network = _for_narrow(network, seen, widths, pictures, tasks)
    formats = choose_formats(network, seen, widths, pinned)
    return Calibrated(network, formats, rounded_layers(network, formats, pictures, tasks, progress))


def _for_narrow(
    network: LoweredNetwork, seen: Observations, widths: Widths, pictures: Sequence[Float32], tasks: Sequence[str]
) -> LoweredNetwork:
    """The same function in a form whose narrow weights round better."""
    runs = [(picture, task) for picture in pictures for task in tasks]
    runs = [runs[i] for i in spread(range(len(runs)), SHIFT_FRAMES)]
    forward = Forward(network, [task for _, task in runs])
    inputs: dict[str, list[NDArray[np.float32]]] = {}

    def record(name: str, linear: Linear, x: torch.Tensor) -> torch.Tensor:
        path = name.split(".")
        norm = {"query": "norm1", "fc1": "norm2"}.get(path[-1])
        if norm:
            inputs.setdefault(f"{path[0]}.{path[1]}.{norm}", []).append(x.numpy())
        return plain(name, linear, x)

    x = forward.embed([picture for picture, _ in runs])
    shifts: dict[str, NDArray[np.int64]] = {}
    for place, block in enumerate(network.blocks):
        inputs.clear()
        x, _ = forward.block(place, x, product=record)
        name = f"blocks.{block.index}"
        for norm, now, readers in (
            (f"{name}.norm1", block.shifts1, _attention(block, widths)),
            (f"{name}.norm2", block.shifts2, _behind(network, block, widths)),
        ):
            if min(each.bits for each in readers) < NARROW:
                left = Metric(Moments.of(np.concatenate(inputs[norm])).centred).left
                largest = seen[norm].columns * np.exp2(-now.astype(np.float64)) * HEADROOM
                shifts[norm] = best_shifts(now, readers, left, largest, widths.activation)
    return even_for_narrow(network, shifts)


def _attention(block: LoweredBlock, widths: Widths) -> list[Readers]:
    return [Readers(each.weight, widths.of_kind(ATTENTION)) for each in (block.query, block.key, block.value)]


def _behind(network: LoweredNetwork, block: LoweredBlock, widths: Widths) -> list[Readers]:
    """The readers of a block's second norm; a router's few outputs count as much as all experts' many."""
    kind = EXPERTS if block.routers else MLP
    found = [Readers(np.concatenate([up.weight for up, _ in block.mlp]), widths.of_kind(kind))]
    if block.routers and not network.spec.router.input_ahead:
        found.append(Readers(np.concatenate([each.weight for each in block.routers]), widths.of_kind(ROUTER)))
    return found


def as_arrays(calibrated: Calibrated) -> dict[str, NDArray[Any]]:
    """Results of calibration for narrow layers, by name: multiples of each output's step, biases, norms' shifts."""
    found: dict[str, NDArray[Any]] = {}
    if not calibrated.layers:
        return found
    for name, layer in calibrated.layers.items():
        form = calibrated.formats[weight_name(name)]
        grid = Grid.of(layer.linear.weight, form)
        kind = np.int8 if form.bits <= 8 else np.int16
        found[_WEIGHT + name] = grid.nearest(layer.linear.weight).astype(kind)
        found[_STEPS + name] = grid.steps
        if layer.linear.bias is not None:
            found[_BIAS + name] = layer.linear.bias
    for block in calibrated.exact.blocks:
        found[f"{_SHIFTS}blocks.{block.index}.norm1"] = block.shifts1
        found[f"{_SHIFTS}blocks.{block.index}.norm2"] = block.shifts2
    return found


def rounded_of(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The arrays among these that `as_arrays` made."""
    return {name: values for name, values in arrays.items() if name.startswith((_WEIGHT, _STEPS, _BIAS, _SHIFTS))}


def restored(network: LoweredNetwork, arrays: Mapping[str, NDArray[Any]]) -> LoweredNetwork:
    """The network of `as_arrays`, from the result of `formats.evened` for the same model.

    Raises:
        KeyError: the arrays are of another network.
    """
    prefix = len(_SHIFTS)
    shifts = {
        name[prefix:]: np.asarray(values, np.int64) for name, values in arrays.items() if name.startswith(_SHIFTS)
    }
    layers = {}
    for name in layers_of(network):
        if _WEIGHT + name in arrays:
            steps: Array = np.asarray(arrays[_STEPS + name], np.float64)
            weight = np.asarray(arrays[_WEIGHT + name], np.float64) * steps[:, None]
            bias = arrays.get(_BIAS + name)
            layers[name] = Linear(weight, None if bias is None else np.asarray(bias, np.float64))
    return with_layers(even_for_narrow(network, shifts), layers) if layers else network
