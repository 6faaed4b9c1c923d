"""A network of random weights and a picture of noise, for use without checkpoint or picture.

In: a spec. Out: a picture, and a model with weights of the usual spread, so that activations keep their size.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.model.layout import DECODER_CONVOLUTIONS, backbone_shapes, up_head_shapes
from edgemoe_gen.model.model import Model
from edgemoe_gen.model.safe import Array
from edgemoe_gen.model.spec import ModelSpec


def random_model(spec: ModelSpec, seed: int = 0) -> Model:
    """A model of this spec, with the decoders that it has, whose weights are random; the spread keeps activations at
    their size.
    """
    random = np.random.default_rng(seed)
    backbone = {}
    for name, shape in backbone_shapes(spec).items():
        values = random.standard_normal(shape) / np.sqrt(max(shape[-1], 1))
        if name.endswith(("norm1.weight", "norm2.weight")):
            values = 1 + 0.1 * random.standard_normal(shape)
        backbone[name] = values.astype(np.float32)
    decoders = {
        task.name: random_decoder(spec.dim, task.map_channels, task.classes or 1, DECODER_CONVOLUTIONS, seed + i)
        for i, task in enumerate(spec.tasks)
        if task.map_channels
    }
    return Model(spec, backbone, decoders, {}, Path("random weights"), ())


def random_decoder(dim: int, width: int, outputs: int, convolutions: int, seed: int = 0) -> dict[str, Array]:
    """Random tensors of a decoder with this number of convolutions, including the 1x1 convolution."""
    random = np.random.default_rng(seed)
    decoder = {}
    for name, shape in up_head_shapes(dim, width, outputs, convolutions).items():
        if name.endswith("running_var"):
            values = 1 + random.random(shape)
        elif len(shape) == 1 and name.endswith("weight"):  # of norms
            values = 1 + 0.1 * random.standard_normal(shape)
        else:
            # A ReLU leaves half of the power.
            values = random.standard_normal(shape) * math.sqrt(2 / max(math.prod(shape[1:]), 8))
        decoder[name] = values.astype(np.float32)
    return decoder


def random_picture(spec: ModelSpec, seed: int = 0) -> NDArray[np.float32]:
    """A picture [3, height, width] of noise, as the network takes it."""
    noise: NDArray[np.float32] = (
        np.random.default_rng(seed).standard_normal((3, spec.image.height, spec.image.width)).astype(np.float32)
    )
    return noise
