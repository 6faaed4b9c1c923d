"""The networks that the engine is timed with, each with its picture, its float calibration and its target.

M3ViT-tiny at 129 tokens is the trained one with its Cityscapes frame where the shared data lies beside the project;
all others, and that one elsewhere, have random weights whose routers share the tokens among the experts.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.design import Design, Knobs, make_design
from edgemoe_gen.fitting.defaults import default_knobs
from edgemoe_gen.hardware.boards import Board, load_board
from edgemoe_gen.model import BlockSpec, ImageSpec, Model, ModelSpec, RouterSpec, SpecOptions, TaskSpec, load_model
from edgemoe_gen.model.random import random_picture
from edgemoe_gen.numerics.formats import Formats, Observations, choose_formats, observe_ranges, prepare
from edgemoe_gen.numerics.lower import LoweredNetwork
from edgemoe_gen.project.opening import TYPICAL
from edgemoe_gen.timing.networks import balanced_model, route_counts

Float32 = NDArray[np.float32]
SHARED = Path(__file__).parents[2] / ".." / "shared"
RANDOM = "random weights, balanced routers"

# The paper's small model: 512 x 512 pixels, top-4 of 16 experts of a quarter of the dense size. One of its tasks, which
# is what a frame runs.
SMALL = ModelSpec(
    image=ImageSpec.named(512, 512, "unit256"),
    patch=16,
    dim=384,
    heads=12,
    blocks=tuple(BlockSpec(i, 16 * (i % 2), 384 if i % 2 else 1536) for i in range(12)),
    router=RouterSpec("multi", top_k=4),
    tasks=(TaskSpec("semseg"),),
    tokens=1025,
    class_token=True,
)
# Two blocks, for trying the script out.
LITTLE = ModelSpec(
    image=ImageSpec.named(32, 64, "unit256"),
    patch=8,
    dim=32,
    heads=2,
    blocks=(BlockSpec(0, 0, 128), BlockSpec(1, 4, 64)),
    router=RouterSpec("multi", top_k=2),
    tasks=(TaskSpec("semseg"), TaskSpec("depth")),
    tokens=33,
    class_token=True,
)
LITTLE_UNIT = {"tokens_parallel": 2, "out_parallel": 8, "in_parallel": 8, "weight_ports": 2}


@dataclass(frozen=True)
class Targets:
    """What a frame may take at most; None where nothing is asked."""

    milliseconds: float | None = None
    bound_ratio: float | None = None
    ddr_ratio: float | None = 1.02


@dataclass(frozen=True)
class Case:
    """A network to time.

    Attributes:
        key: its name on the command line.
        title: its name in tables.
        weights: where its weights come from.
        model, picture: what is run.
        targets: of docs' table.
        turned: knobs that differ from the default.
        ablated_blocks: how many blocks the ablation runs; None is all of them.
    """

    key: str
    title: str
    weights: str
    model: Model
    picture: Float32
    targets: Targets = Targets()
    turned: Mapping[str, int] = field(default_factory=dict)
    ablated_blocks: int | None = None
    board: Board = field(default_factory=lambda: load_board("zcu104"))

    @property
    def spec(self) -> ModelSpec:
        """Sizes of the network."""
        return self.model.spec

    @cached_property
    def knobs(self) -> Knobs:
        """What the tool chooses for this network and board."""
        return default_knobs(self.spec, self.board, dict(self.turned))

    @cached_property
    def design(self) -> Design:
        """The default design."""
        return make_design(self.knobs, self.board)

    @cached_property
    def seen(self) -> Observations:
        """Ranges that the float reference reaches on the picture, with all tasks."""
        return observe_ranges(self.model, [self.picture], self.spec.task_names)

    @cached_property
    def network(self) -> LoweredNetwork:
        """The folded network."""
        return prepare(self.model, self.seen)

    def formats(self, design: Design) -> Formats:
        """Binary points for a design's widths."""
        return choose_formats(self.network, self.seen, design.knobs.widths)

    def routes(self, task: str) -> list[NDArray[np.int64]]:
        """Tokens of each expert, by block with experts."""
        return route_counts(self.model, self.picture, task)


def tiny() -> Case:
    """M3ViT-tiny on 128 x 256 pixels: trained where the data is there, else random."""
    targets = Targets(milliseconds=3.2, bound_ratio=1.25)
    title = "M3ViT-tiny 128x256"
    found = _trained()
    if found is None:
        return random_case("tiny", title, TYPICAL, targets)
    model, picture = found
    return Case("tiny", title, "trained, experts cut from trained MLPs; a Cityscapes frame", model, picture, targets)


def tiny_square() -> Case:
    """The same network on 224 x 224 pixels, as the published accelerators count it."""
    spec = replace(TYPICAL, image=ImageSpec.named(224, 224, "unit256"), tokens=197)
    return random_case("tiny224", "M3ViT-tiny 224x224", spec, Targets(milliseconds=4.6))


def small() -> Case:
    """M3ViT-small on 512 x 512 pixels. Its blocks repeat, so the ablation takes the first two."""
    case = random_case("small", "M3ViT-small 512x512", SMALL, Targets(milliseconds=85.0))
    return replace(case, ablated_blocks=2)


def little() -> Case:
    """Two blocks on a small unit, for trying the script out."""
    return replace(random_case("little", "two blocks, a trial", LITTLE, Targets(None, None, None)), turned=LITTLE_UNIT)


def random_case(key: str, title: str, spec: ModelSpec, targets: Targets) -> Case:
    """A network of random weights with balanced routers, on a picture of noise."""
    picture = random_picture(spec)
    return Case(key, title, RANDOM, balanced_model(spec, picture), picture, targets)


def with_experts(case: Case, experts: int) -> Case:
    """The same shape with so many experts a layer, of random weights."""
    blocks = tuple(replace(block, experts=experts if block.experts else 0) for block in case.spec.blocks)
    spec = replace(case.spec, blocks=blocks)
    return replace(random_case(case.key, f"{experts} experts", spec, case.targets), turned=case.turned)


def with_shared_router(case: Case) -> Case:
    """The same network, the last task's routers holding the first one's weights: both tasks route alike."""
    from edgemoe_gen.model.layout import gate_name

    backbone = dict(case.model.backbone)
    for block in case.spec.moe_blocks:
        last = len(case.spec.tasks) - 1
        backbone[gate_name(case.spec, block, last)] = backbone[gate_name(case.spec, block, 0)].copy()
    return replace(case, model=replace(case.model, backbone=backbone))


def _trained() -> tuple[Model, Float32] | None:
    """Trained weights and their picture, as the shared tool writes them; None where they or PyTorch are missing."""
    tool, data = SHARED / "tools" / "make_checkpoint.py", SHARED / "data" / "m3vit_tiny_cityscapes.npz"
    if not tool.is_file() or not data.is_file() or importlib.util.find_spec("torch") is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "checkpoint.pth.tar"
        subprocess.run([sys.executable, str(tool), str(checkpoint)], check=True)
        said = SpecOptions(heads=3, top_k=2, image_height=128, image_width=256, normalise="unit256")
        model = load_model(checkpoint, None, said)
    return model, np.load(data)["image"].astype(np.float32) * np.float32(model.spec.image.scale)
