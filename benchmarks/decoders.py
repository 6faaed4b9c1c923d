"""The example's decoders, in integers and on the engine, against float32 on scenes that nobody has seen.

Integers in NumPy take the tokens of the float reference, rounded as the residual memory holds them: a difference is the
decoders' own. C simulation runs the whole network, from the picture to what leaves the chip.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from setting import EXAMPLE, NOTHING, show

from edgemoe_gen.design import Knobs, make_design
from edgemoe_gen.fitting.defaults import default_knobs
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.model import Model, Reference, decode, load_model, read_spec_file
from edgemoe_gen.numerics.decoder import lower_decoder
from edgemoe_gen.numerics.formats import Observations, choose_formats, observe_ranges, prepare
from edgemoe_gen.numerics.lower import LoweredNetwork
from edgemoe_gen.numerics.placing import PATCH, engine_decoders, map_width
from edgemoe_gen.overlay.outputs import task_output
from edgemoe_gen.program.compile import Program, compile_network
from edgemoe_gen.report.metrics import ConfusionMatrix, depth_error
from edgemoe_gen.sim.decoded import DecodedMaps, IntegerDecoder
from edgemoe_gen.sim.engine import Engine, FrameResult, run_frames

sys.path.insert(0, str(EXAMPLE.parents[1]))
from examples.scenes.evaluate import SHOWN_SEED, UNSEEN_SEED
from examples.scenes.render import CLASSES, Picture, draw_scene, render

Floats = NDArray[np.floating]
INTEGERS, SIMULATED = "integers in NumPy", "C simulation"
CHECKED = 10  # of so many scenes, one is held against the integer reference
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
    tier: str = INTEGERS

    @property
    def bars(self) -> tuple[float, float | None, float] | None:
        """What is asked for."""
        return BARS.get(self.name.partition(",")[0]) if self.moved else None


WAYS = (
    Way("18 x 16"), Way("18 x 8", weight=8), Way("18 x 8, scales not moved", weight=8, moved=False),
    Way("12 x 16", activation=12), Way("10 x 16", activation=10), Way("10 x 8", activation=10, weight=8),
    Way("9 x 8", activation=9, weight=8),
    Way("18 x 16, whole network", tier=SIMULATED), Way("18 x 8, whole network", weight=8, tier=SIMULATED),
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
    margins: list[float] = field(default_factory=list)  # of scenes where a class is not float's: see `largest_margin`
    as_integers: list[float] = field(default_factory=list)  # share of what left the chip that is the reference's

    def add(self, truth: Picture, maps: Mapping[str, NDArray[Any]], exact: Mapping[str, Floats]) -> None:
        """One scene: maps [classes, height, width] of the picture's size by task, or class numbers [height, width]."""
        found = maps[CLASS_TASK]
        labels = found if found.ndim == 2 else found.argmax(axis=0)
        self.matrix.add(truth.labels, labels)
        self.depth.append(depth_error(truth.depth, maps[VALUE_TASK][0]))
        differs = labels != exact[CLASS_TASK].argmax(axis=0)
        self.as_float.append(float(1 - differs.mean()))
        if differs.any():
            self.margins.append(largest_margin(exact[CLASS_TASK], differs))
        if found.ndim == 3:
            self.errors += float(np.square(found - exact[CLASS_TASK]).sum())
            self.power += float(np.square(exact[CLASS_TASK]).sum())
        self.depth_errors.append(float(np.square(maps[VALUE_TASK] - exact[VALUE_TASK]).mean()))

    @property
    def depth_error(self) -> float:
        """In metres; all scenes have as many pixels."""
        return float(np.mean(self.depth))


def largest_margin(logits: Floats, where: NDArray[np.bool_]) -> float:
    """How far the two best logits [classes, height, width] lie apart at most at some pixels, in standard deviations."""
    ranked = np.sort(logits[:, where], axis=0)
    return float((ranked[-1] - ranked[-2]).max() / logits.std())


class Chip:
    """The default design with decoders on it, in C simulation; both tasks in one program."""

    def __init__(self, model: Model, network: LoweredNetwork, seen: Observations, way: Way) -> None:
        turned = {"max_map_width": map_width(model.spec), "decoder_weight_bits": way.weight}
        turned["decoder_activation_bits"] = way.activation
        board = load_board("zcu104")
        self._design = make_design(default_knobs(model.spec, board, turned), board)
        knobs, tasks = self._design.knobs, model.spec.task_names
        formats = choose_formats(network, seen, knobs.widths)
        on_engine = engine_decoders(model, tasks, knobs.max_map_width, knobs.max_map_channels)
        assert set(on_engine) == set(tasks)
        self._model = model
        self._program: Program = compile_network(
            self._design, model, network, formats, tasks, decoders=on_engine, taps=False
        )
        self._engine = Engine.compile(self._design)
        self._references = {task: IntegerDecoder.of(self._design, network, formats, task) for task in tasks}
        self._doubles = on_engine

    def run(self, image: NDArray[np.float32]) -> list[FrameResult]:
        """A frame a task."""
        return run_frames(self._engine, self._program, self._model.spec, [image] * len(self._program.frames))[0]

    def shown(self, frames: Sequence[FrameResult]) -> dict[str, NDArray[np.generic]]:
        """What the host makes of them: float maps of the picture's size, or class numbers."""
        found = {}
        for place, frame in enumerate(frames):
            shown = task_output(self._model, self._program, place, frame.tokens, frame.decoded).shown
            assert shown is not None
            found[frame.task] = shown
        return found

    def equal(self, frame: FrameResult) -> float:
        """Share of a frame's decoded values that are those of the integer reference on the very tokens."""
        reference = self._references[frame.task]
        maps = reference(reference.tokens(frame.tokens))
        # Logits leave in the residual memory's finer steps.
        wanted = maps.result if self._doubles[frame.task] else maps.logits << self._design.knobs.residual_tail_bits
        assert frame.decoded is not None and frame.decoded.shape == wanted.shape
        return float((frame.decoded == wanted).mean())


def load_example(folder: Path = EXAMPLE) -> Model:
    """The example's network, or another that its script trained."""
    return load_model(folder / "checkpoint.pth.tar", None, read_spec_file(folder / "spec.toml"))


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
    decoders = {way.name: decoders_of(model, network, seen, way) for way in ways if way.tier == INTEGERS}
    chips = {way.name: Chip(model, network, seen, way) for way in ways if way.tier == SIMULATED}
    reference, patches16 = Reference(model), whole(model)
    tallies = {name: Tally() for name in ("float", *decoders, *chips)}
    for number, truth in enumerate(scenes(UNSEEN_SEED, count)):
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
        for name, chip in chips.items():
            frames = chip.run(as_input(truth))
            shown = chip.shown(frames)
            tallies[name].add(truth, shown, exact)
            if shown[CLASS_TASK].ndim == 2:
                tallies[name].ids_as_float.append(float((shown[CLASS_TASK] == ids).mean()))
            if number % CHECKED == 0:
                tallies[name].as_integers += [chip.equal(frame) for frame in frames]
    return tallies


def missed(bars: tuple[float, float | None, float], tally: Tally, exact: Tally) -> list[str]:
    """Bars that a row does not reach, in words."""
    iou, depth, pixels = bars
    found = [] if all(share == 1 for share in tally.as_integers) else ["what leaves the chip as the integer reference"]
    if abs(tally.matrix.mean_iou() - exact.matrix.mean_iou()) > iou:
        found.append(f"mIoU within {iou}")
    if depth is not None and abs(tally.depth_error / exact.depth_error - 1) > depth:
        found.append(f"depth error within {depth:.0%}")
    found += [
        f"{what} as float on {pixels:.1%}"
        for what, shares in (("classes", tally.as_float), ("ids", tally.ids_as_float))
        if shares and np.mean(shares) < pixels
    ]
    return found


def share(values: Sequence[float]) -> str:
    """Mean of shares, or that there are none."""
    return f"{np.mean(values):.3%}" if values else NOTHING


def row_of(name: str, tally: Tally, verdict: str, tier: str) -> tuple[object, ...]:
    """A row of the table."""
    logits = f"{(tally.errors / tally.power) ** 0.5:.3%}" if tally.power else NOTHING
    margin = f"{max(tally.margins):.5f}" if tally.margins else NOTHING
    return (
        name, f"{tally.matrix.mean_iou():.5f}", f"{tally.matrix.accuracy():.5f}", f"{tally.depth_error:.5f}",
        share(tally.as_float), margin, share(tally.ids_as_float), share(tally.as_integers), logits,
        f"{np.mean(tally.depth_errors) ** 0.5:.5f}", verdict, tier,
    )  # fmt: skip


def main() -> None:
    """Measures and prints; ends with an error if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--network", type=Path, default=EXAMPLE, help="folder that examples.scenes.train wrote")
    parser.add_argument("--scenes", type=int, default=400)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--tier", choices=("integers", "csim"), help="only the rows of one tier")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    tier = {"integers": INTEGERS, "csim": SIMULATED}.get(arguments.tier)
    ways = {way.name: way for way in WAYS if tier in (None, way.tier)}
    tallies = measure(load_example(arguments.network), list(ways.values()), arguments.scenes)
    exact = tallies.pop("float")
    rows = [row_of("float", exact, "", "float32")]
    failed: list[str] = []
    for name, tally in tallies.items():
        verdict, bars = "", ways[name].bars
        if bars is not None:
            lacks = missed(bars, tally, exact)
            failed += [f"{name}: {what}" for what in lacks]
            verdict = "missed" if lacks else "met"
        rows.append(row_of(name, tally, verdict, ways[name].tier))
    heads = [
        "activations x weights", "mIoU", "pixels right", "depth error, m", "pixels as float", "margin of others",
        "ids as float", "as integers", "logits, RMS", "depth off float, RMS m", "bars", "tier",
    ]  # fmt: skip
    show(f"The example's decoders on {arguments.scenes} unseen scenes", heads, rows)
    for row, bar in BARS.items():
        depth = "" if bar[1] is None else f", depth error within {bar[1]:.0%}"
        print(f"bars of {row}: mIoU within {bar[0]} of float{depth}, pixels and ids as float {bar[2]:.1%} or more")
    print("margin of others: of pixels whose class is not float's, how far float's two best logits lie apart at most,")
    print("in standard deviations of the logits")
    print(f"as integers: share of what leaves the chip that is the integer reference's, of each {CHECKED}th scene")
    if failed:
        raise SystemExit("missed: " + "; ".join(failed))


if __name__ == "__main__":
    main()
