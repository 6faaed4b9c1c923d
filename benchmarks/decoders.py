"""The example's decoders in integers, as an engine gives them, against float32 on scenes that nobody has seen.

Tokens are those of the float reference, rounded as the residual memory holds them: a difference is the decoders' own.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from setting import EXAMPLE, show

from edgemoe_gen.design import Knobs, make_design
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.model import Model, Reference, decode, load_model, read_spec_file
from edgemoe_gen.numerics.decoder import lower_decoder
from edgemoe_gen.numerics.formats import Observations, choose_formats, observe_ranges, prepare
from edgemoe_gen.numerics.lower import LoweredNetwork
from edgemoe_gen.numerics.placing import PATCH
from edgemoe_gen.report.metrics import ConfusionMatrix, depth_error
from edgemoe_gen.sim.decoded import DecodedMaps, IntegerDecoder

sys.path.insert(0, str(EXAMPLE.parents[1]))
from examples.scenes.evaluate import SHOWN_SEED, UNSEEN_SEED
from examples.scenes.render import CLASSES, Picture, draw_scene, render

Floats = NDArray[np.floating]
TIER = "integers in NumPy"
CALIBRATION = 8  # scenes, those that the example ships
CLASS_TASK, VALUE_TASK = "semseg", "depth"
# What is asked for, by row: difference of mIoU, of the depth error in parts of it, and pixels as float at least.
BARS = {"18 x 16": (0.001, 0.01, 0.999), "18 x 8": (0.003, None, 0.997)}


@dataclass(frozen=True)
class Way:
    """Widths of a row of the table; `moved` False leaves out that scales move through ReLU."""

    name: str
    activation: int = 0
    weight: int = 0
    moved: bool = True


WAYS = (
    Way("18 x 16"), Way("18 x 8", weight=8), Way("18 x 8, scales not moved", weight=8, moved=False),
    Way("12 x 16", activation=12), Way("10 x 16", activation=10), Way("10 x 8", activation=10, weight=8),
    Way("9 x 8", activation=9, weight=8),
)  # fmt: skip


@dataclass
class Tally:
    """What adds up over scenes."""

    matrix: ConfusionMatrix = field(default_factory=lambda: ConfusionMatrix(len(CLASSES)))
    depth: list[float] = field(default_factory=list)  # mean absolute error of each scene, in metres
    as_float: list[float] = field(default_factory=list)  # share of pixels whose class is float's
    ids_as_float: list[float] = field(default_factory=list)  # the same of ids before the picture's own resize
    power: float = 0.0
    errors: float = 0.0
    depth_errors: list[float] = field(default_factory=list)  # mean square of the difference from float's depth

    def add(self, truth: Picture, maps: Mapping[str, Floats], exact: Mapping[str, Floats]) -> None:
        """One scene: maps [classes, height, width] of both tasks, of the picture's size."""
        labels = maps[CLASS_TASK].argmax(axis=0)
        self.matrix.add(truth.labels, labels)
        self.depth.append(depth_error(truth.depth, maps[VALUE_TASK][0]))
        self.as_float.append(float((labels == exact[CLASS_TASK].argmax(axis=0)).mean()))
        self.errors += float(np.square(maps[CLASS_TASK] - exact[CLASS_TASK]).sum())
        self.power += float(np.square(exact[CLASS_TASK]).sum())
        self.depth_errors.append(float(np.square(maps[VALUE_TASK] - exact[VALUE_TASK]).mean()))

    @property
    def depth_error(self) -> float:
        """In metres; all scenes have as many pixels."""
        return float(np.mean(self.depth))


def load_example() -> Model:
    """The example's network."""
    return load_model(EXAMPLE / "checkpoint.pth.tar", None, read_spec_file(EXAMPLE / "spec.toml"))


def as_input(scene: Picture) -> NDArray[np.float32]:
    """A picture as the network takes it."""
    return np.ascontiguousarray((scene.image.astype(np.float32) / 256).transpose(2, 0, 1))


def scenes(first: int, count: int) -> Iterator[Picture]:
    """Scenes of so many seeds."""
    return (render(draw_scene(seed)) for seed in range(first, first + count))


def resized(maps: Floats, size: tuple[int, int]) -> Floats:
    """A map [classes, height, width] in another size, bilinear without aligned corners, as the host does it."""
    values = torch.from_numpy(np.ascontiguousarray(maps))[None]
    found: Floats = torch.nn.functional.interpolate(values, size, mode="bilinear", align_corners=False)[0].numpy()
    return found


def whole(model: Model) -> Model:
    """The same decoders on a picture that four doublings give back: patches of 16 pixels."""
    rows, columns = model.spec.grid
    image = replace(model.spec.image, height=PATCH * rows, width=PATCH * columns)
    return replace(model, spec=replace(model.spec, image=image, patch=PATCH))


def decoders_of(model: Model, network: LoweredNetwork, seen: Observations, way: Way) -> dict[str, IntegerDecoder]:
    """Each task's decoder at these widths."""
    knobs = Knobs(decoder_activation_bits=way.activation, decoder_weight_bits=way.weight)
    if not way.moved:
        network = replace(network, decoders={task: lower_decoder(model, task) for task in network.decoders})
    formats = choose_formats(network, seen, knobs.widths)
    design = make_design(knobs, load_board("zcu104"))
    return {task: IntegerDecoder.of(design, network, formats, task) for task in network.decoders}


def measure(model: Model, ways: Sequence[Way], count: int) -> dict[str, Tally]:
    """Tallies of float and of every way over so many unseen scenes."""
    tasks, size = model.spec.task_names, (model.spec.image.height, model.spec.image.width)
    calibration = [as_input(scene) for scene in scenes(SHOWN_SEED, CALIBRATION)]
    seen = observe_ranges(model, calibration, tasks, decoders=True)
    network = prepare(model, seen)
    decoders = {way.name: decoders_of(model, network, seen, way) for way in ways}
    reference, patches16 = Reference(model), whole(model)
    tallies = {name: Tally() for name in ("float", *decoders)}
    for truth in scenes(UNSEEN_SEED, count):
        tokens = {task: reference.run(as_input(truth), task, with_output=False).tokens for task in tasks}
        large = {task: decode(patches16, tokens[task], task) for task in tasks}
        exact = {task: resized(values, size) for task, values in large.items() if values is not None}
        tallies["float"].add(truth, exact, exact)
        ids = large[CLASS_TASK].argmax(axis=0)  # type: ignore[union-attr]
        for name, each in decoders.items():
            maps: dict[str, DecodedMaps] = {task: each[task](each[task].tokens(tokens[task])) for task in tasks}
            doubled = {task: resized(m.map, (2 * m.logits.shape[0], 2 * m.logits.shape[1])) for task, m in maps.items()}
            tallies[name].add(truth, {task: resized(values, size) for task, values in doubled.items()}, exact)
            tallies[name].ids_as_float.append(float((maps[CLASS_TASK].classes == ids).mean()))
    return tallies


def missed(name: str, tally: Tally, exact: Tally) -> list[str]:
    """Bars of a row that it does not reach, in words."""
    iou, depth, pixels = BARS[name]
    found = []
    if abs(tally.matrix.mean_iou() - exact.matrix.mean_iou()) > iou:
        found.append(f"mIoU within {iou}")
    if depth is not None and abs(tally.depth_error / exact.depth_error - 1) > depth:
        found.append(f"depth error within {depth:.0%}")
    found += [
        f"{what} as float on {pixels:.1%}"
        for what, shares in (("classes", tally.as_float), ("ids", tally.ids_as_float))
        if np.mean(shares) < pixels
    ]
    return found


def main() -> None:
    """Measures and prints; ends with an error if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--scenes", type=int, default=400)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    tallies = measure(load_example(), WAYS, arguments.scenes)
    exact = tallies["float"]
    rows: list[tuple[object, ...]] = []
    failed: list[str] = []
    for name, tally in tallies.items():
        if name in BARS:
            lacks = missed(name, tally, exact)
            failed += [f"{name}: {what}" for what in lacks]
            verdict = "missed" if lacks else "met"
        else:
            verdict = ""
        ids = f"{np.mean(tally.ids_as_float):.3%}" if tally.ids_as_float else ""
        rows.append(
            (name, f"{tally.matrix.mean_iou():.5f}", f"{tally.matrix.accuracy():.5f}", f"{tally.depth_error:.5f}",
             f"{np.mean(tally.as_float):.3%}", ids, f"{(tally.errors / tally.power) ** 0.5:.3%}",
             f"{np.mean(tally.depth_errors) ** 0.5:.5f}", verdict, TIER if name != "float" else "float32")
        )  # fmt: skip
    heads = [
        "activations x weights", "mIoU", "pixels right", "depth error, m", "pixels as float", "ids as float",
        "logits, RMS", "depth off float, RMS m", "bars", "tier",
    ]  # fmt: skip
    show(f"The example's decoders on {arguments.scenes} unseen scenes", heads, rows)
    for row, bar in BARS.items():
        depth = "" if bar[1] is None else f", depth error within {bar[1]:.0%}"
        print(f"bars of {row}: mIoU within {bar[0]} of float{depth}, pixels and ids as float {bar[2]:.1%} or more")
    if failed:
        raise SystemExit("missed: " + "; ".join(failed))


if __name__ == "__main__":
    main()
