"""Small builds with decoders, or with a plain ViT's head; and models that are nothing but decoders."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.model import Model, ModelSpec
from edgemoe_gen.model.spec import BlockSpec, ImageSpec, RouterSpec, TaskSpec
from edgemoe_gen.overlay.decoders import model_decoder
from edgemoe_gen.overlay.package import OverlayFacts, WrittenOverlay, write_overlay
from tests.factory import TASKS, make_state
from tests.overlay.small_builds import NAME, SmallBuild, small_build

Tensors = dict[str, NDArray[Any]]


def random_decoder(dim: int, width: int, classes: int, seed: int = 0) -> Tensors:
    """Tensors of one decoder, float32, by their names in a checkpoint below `decoders.<task>.`."""
    state = make_state(dim=dim, depth=1, decoder_width=width, tasks={"task": classes}, router="none", seed=seed)
    start = "decoders.task."
    return {name[len(start) :]: values for name, values in state.items() if name.startswith(start)}


def random_head(dim: int, classes: int, seed: int = 0) -> Tensors:
    """A plain ViT's norm and classifier."""
    state = make_state(dim=dim, depth=1, router="none", head_classes=classes, seed=seed)
    return {name: values for name, values in state.items() if name.split(".")[0] in ("norm", "head")}


def decoder_model(
    decoders: dict[str, Tensors],
    head: Tensors,
    *,
    dim: int,
    grid: tuple[int, int],
    patch: int,
    class_token: bool,
    align_corners: bool,
) -> Model:
    """A model of which only the decoders are there."""
    spec = ModelSpec(
        image=ImageSpec.named(grid[0] * patch, grid[1] * patch, "unit256"),
        patch=patch,
        dim=dim,
        heads=1,
        blocks=(BlockSpec(0, 0, dim),),
        router=RouterSpec("none"),
        tasks=tuple(TaskSpec(name) for name in decoders or ("classes",)),
        tokens=grid[0] * grid[1] + int(class_token),
        class_token=class_token,
        align_corners=align_corners,
    )
    return Model(spec, {}, decoders, head, Path("none"), ())


@dataclass(frozen=True)
class DecodedBuild:
    """A small build whose network has decoders or a head."""

    build: SmallBuild
    model: Model
    facts: OverlayFacts

    def outputs(self, frame: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """What every task's output must be, bit for bit: the host's decoder on the joint program's tokens."""
        outputs = {}
        for task, tokens in self.build.tokens(frame).items():
            decoder = model_decoder(self.model, task)
            assert decoder is not None
            outputs[task] = decoder(tokens.astype(np.float32))
        return outputs

    def package(self, folder: Path, name: str = NAME) -> WrittenOverlay:
        """Its overlay."""
        accelerator, bitstream = self.build.write(folder)
        return write_overlay(name, accelerator, bitstream, folder / "out", self.facts)


@cache
def decoded_build(kind: str = "up_head", **sizes: Any) -> DecodedBuild:
    """A small build with random decoders (`kind` "up_head") or a head of ten classes ("head")."""
    build = small_build(**sizes)
    dim = build.spec.dim
    decoders: dict[str, Tensors] = {}
    if kind == "up_head":
        decoders = {task: random_decoder(dim, 8, TASKS[task], seed) for seed, task in enumerate(build.spec.task_names)}
    head = random_head(dim, 10) if kind == "head" else {}
    model = replace(build.model, decoders=decoders, head=head)
    return DecodedBuild(build, model, replace(build.facts, decoders=decoders, head=head))
