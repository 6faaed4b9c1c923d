"""A network of random weights and a picture of noise, where there is no checkpoint or no picture.

In: a spec. Out: a model with weights of the usual spread, which flow through every layer at their size; a picture.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.model.layout import backbone_shapes
from edgemoe_gen.model.model import Model
from edgemoe_gen.model.safe import Array
from edgemoe_gen.model.spec import ModelSpec


def random_model(spec: ModelSpec, seed: int = 0) -> Model:
    """A model of this spec whose weights are random; the spread keeps activations at their size."""
    random = np.random.default_rng(seed)
    backbone = {}
    for name, shape in backbone_shapes(spec).items():
        values = random.standard_normal(shape) / np.sqrt(max(shape[-1], 1))
        if name.endswith(("norm1.weight", "norm2.weight")):
            values = 1 + 0.1 * random.standard_normal(shape)
        backbone[name] = values.astype(np.float32)
    return Model(spec, backbone, {}, {}, Path("random weights"), ())


def random_decoder(dim: int, channels: int, outputs: int, convolutions: int, seed: int = 0) -> dict[str, Array]:
    """Tensors of a decoder of some 3x3 convolutions and the 1x1 one behind them."""
    random = np.random.default_rng(seed)

    def values(*shape: int, mean: float = 0.0, spread: float = 0.2) -> Array:
        return (mean + spread * random.standard_normal(shape)).astype(np.float32)

    tensors = {"norm.weight": values(dim, mean=1.0), "norm.bias": values(dim, spread=0.5)}
    for i in range(convolutions):
        inputs = channels if i else dim
        tensors[f"conv_{i}.weight"] = values(channels, inputs, 3, 3, spread=(2 / 9 / inputs) ** 0.5)
        tensors[f"conv_{i}.bias"] = values(channels)
        tensors |= {f"syncbn_fc_{i}.{part}": values(channels) for part in ("bias", "running_mean")}
        tensors |= {f"syncbn_fc_{i}.{part}": values(channels, mean=1.0) ** 2 for part in ("weight", "running_var")}
    tensors[f"conv_{convolutions}.weight"] = values(outputs, channels, 1, 1, spread=channels**-0.5)
    return tensors | {f"conv_{convolutions}.bias": values(outputs)}


def random_picture(spec: ModelSpec, seed: int = 0) -> NDArray[np.float32]:
    """A picture [3, height, width] of noise, as the network takes it."""
    noise: NDArray[np.float32] = (
        np.random.default_rng(seed).standard_normal((3, spec.image.height, spec.image.width)).astype(np.float32)
    )
    return noise
