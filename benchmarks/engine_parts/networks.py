"""Networks of random weights whose routes are balanced, for timing: cycles depend on shapes, and on routes a little.

In: a spec and a picture. Out: a model whose experts share the tokens, and how many each of them gets.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.model import Model, ModelSpec, Reference
from edgemoe_gen.model.layout import gate_name
from edgemoe_gen.model.random import random_model, random_picture


def balanced_model(spec: ModelSpec, picture: NDArray[np.float32] | None = None) -> Model:
    """A random model whose experts share the tokens, as training with a load-balancing loss leaves them.

    A random router prefers some experts on all tokens alike, since tokens have a mean. So every router gives up what it
    makes of the mean token: its weights less their projection on that token. Takes a run of the float reference a task.

    Args:
        spec: the network.
        picture: [3, height, width], on which it is balanced; `random_picture(spec)` by default.
    """
    model = random_model(spec)
    picture = random_picture(spec) if picture is None else picture
    for task in spec.task_names:
        _balance(model, picture, task)
    return model


def route_counts(model: Model, picture: NDArray[np.float32], task: str) -> list[NDArray[np.int64]]:
    """Tokens of each expert in the float reference, one array [experts] a block with experts."""
    routes = Reference(model).run(picture, task, with_output=False).routes
    if routes is None:
        return []
    sizes = [model.spec.blocks[index].experts for index in model.spec.moe_blocks]
    return [np.bincount(ids.ravel(), minlength=size) for ids, size in zip(routes.experts, sizes, strict=True)]


def _balance(model: Model, picture: NDArray[np.float32], task: str) -> None:
    """Balances a task's routers in place, block after block within one run, since each changes what follows it."""
    spec = model.spec
    mean = np.zeros(spec.dim, np.float32)

    def observe(name: str, values: NDArray[np.float32]) -> None:
        # The reference shares its weights with the model and shows logits before it routes by them, so that what is
        # written here holds from this block on.
        nonlocal mean
        if name == "embed" or name.endswith(".output"):
            ahead = values
        elif name.endswith(".norm2"):
            ahead = values * model.backbone[f"{name}.weight"] + model.backbone[f"{name}.bias"]
        elif name.endswith(".logits"):
            weights = model.backbone[gate_name(spec, int(name.split(".")[1]), spec.task_index(task))]
            weights[: spec.dim] -= np.outer(mean, values.mean(axis=0)) / max(float(mean @ mean), 1e-12)
            return
        else:
            return
        if name.endswith(".norm2") != spec.router.input_ahead:
            mean = ahead.mean(axis=0)

    Reference(model).run(picture, task, observe=observe, with_output=False)
