"""A small network with decoders, calibrated through them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.model import Model, load_model
from edgemoe_gen.numerics.formats import Formats, Observations, choose_formats, observe_ranges, prepare
from edgemoe_gen.numerics.lower import LoweredNetwork
from edgemoe_gen.numerics.widths import Widths
from tests.factory import make_state, options, save_state
from tests.overlay.decoder_networks import Tensors, random_decoder

TASKS = {"semseg": 7, "depth": 1}
SHARED_TASKS = {**TASKS, "normals": 3}


def decoder_tensors(dim: int, width: int, classes: int, seed: int) -> Tensors:
    """A random decoder whose LayerNorm has gains of many sizes and offsets as large as its results."""
    rng = np.random.default_rng([seed, 7])
    norm = {"norm.weight": np.exp2(rng.uniform(-5, 1, dim)), "norm.bias": rng.normal(0.0, 1.0, dim)}
    return random_decoder(dim, width, classes, seed) | {k: v.astype(np.float32) for k, v in norm.items()}


@dataclass(frozen=True)
class DecodedCase:
    """The network with everything that does not depend on a design."""

    model: Model
    images: tuple[NDArray[np.float32], ...]
    seen: Observations
    network: LoweredNetwork

    def formats(self, widths: Widths) -> Formats:
        """Binary points for these widths."""
        return choose_formats(self.network, self.seen, widths)


@cache
def decoded_case() -> DecodedCase:
    """Two tasks, one of classes and one of values, 24 wide, on pictures of 2 x 4 patches; each has gates of its own."""
    return _case("multi", TASKS)


@cache
def shared_case(router: str = "single") -> DecodedCase:
    """Likewise three tasks, whose gates do not depend on the task."""
    return _case(router, SHARED_TASKS)


def _case(router: str, tasks: Mapping[str, int]) -> DecodedCase:
    with TemporaryDirectory() as folder:
        state = make_state(tasks=tasks, image=(32, 64), patch=16, router=router)
        path = save_state(Path(folder) / "checkpoint.pth", state)
        model = load_model(path, None, options(image=(32, 64), tasks=tasks))
    decoders = {
        task: decoder_tensors(model.spec.dim, 24, classes, seed) for seed, (task, classes) in enumerate(tasks.items())
    }
    wide = tuple(replace(task, map_channels=24) for task in model.spec.tasks)
    model = replace(model, decoders=decoders, spec=replace(model.spec, tasks=wide))
    rng = np.random.default_rng(11)
    images = tuple(rng.random((3, 32, 64), dtype=np.float32) for _ in range(2))
    seen = observe_ranges(model, images, model.spec.task_names, decoders=True)
    return DecodedCase(model, images, seen, prepare(model, seen))
