"""Narrow weights rounded together and to nearest, in C simulation on pictures that calibration has not seen.

A network of your own (M3ViT-tiny): calibrated on one picture and crops of it; run on the picture mirrored, moved and
darkened. The example: calibrated on scenes of its training; mIoU and depth error on scenes that nobody has seen.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from setting import EXAMPLE, show

from edgemoe_gen.design import Design, make_design
from edgemoe_gen.fitting.defaults import default_knobs
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.model import Model, Reference, decode, load_model, read_spec_file
from edgemoe_gen.numerics.calibrate import Calibrated, calibrate
from edgemoe_gen.numerics.formats import Observations, observe_ranges
from edgemoe_gen.numerics.widths import NEAREST, TOGETHER
from edgemoe_gen.pictures.calibration import varied
from edgemoe_gen.pictures.found import open_picture, pixels
from edgemoe_gen.program.compile import compile_network
from edgemoe_gen.report.metrics import ConfusionMatrix, depth_error
from edgemoe_gen.sim.comparison import compare
from edgemoe_gen.sim.engine import Engine, run_frames

sys.path.insert(0, str(EXAMPLE.parents[1]))
from examples.scenes.evaluate import UNSEEN_SEED
from examples.scenes.render import CLASSES, Picture, draw_scene, render

Float32 = NDArray[np.float32]
TIER = "C simulation"
EDGE = 32  # pixels that a moved picture repeats of its border at most
TRAINING_SEED = 0
# RMS error with routes forced at most, and share of equal sets at least.
BARS = {"8 bits of all": (0.013, 0.989), "16 bits, 8 of experts": (0.008, 0.994)}
IOU_BAR, DEPTH_BAR = 0.001, 0.005
# Decoders stay on the host: what is measured are the tokens, and float decoders' maps of them.
ON_HOST = {"max_map_width": 0}
WIDTHS: Mapping[str, Mapping[str, int]] = {
    "8 bits of all": {"weight_bits": 8},
    "16 bits, 8 of attention, MLPs, experts": {
        "attention_weight_bits": 8, "mlp_weight_bits": 8, "expert_weight_bits": 8,
    },
    "16 bits, 8 of experts": {"expert_weight_bits": 8},
}  # fmt: skip


@dataclass
class Tally:
    """Sums over frames."""

    forced: float = 0.0
    free: float = 0.0
    power: float = 0.0
    equal: int = 0
    sets: int = 0
    matrix: ConfusionMatrix = field(default_factory=lambda: ConfusionMatrix(len(CLASSES)))
    depth: list[float] = field(default_factory=list)

    def rms(self, squares: float) -> float:
        """Relative error of the final tokens."""
        return float(np.sqrt(squares / self.power)) if self.power else 0.0


def unseen_views(picture: Float32, model: Model) -> dict[str, Float32]:
    """The picture mirrored, moved twice, darkened, mirrored and darkened, mirrored and moved."""
    image = pixels(picture, model.spec.image)
    mirrored = image[:, ::-1]

    def moved(values: NDArray[np.uint8], across: int, down: int) -> NDArray[np.uint8]:
        around = np.pad(values, ((EDGE, EDGE), (EDGE, EDGE), (0, 0)), mode="edge")
        height, width = values.shape[:2]
        return around[EDGE + down : EDGE + down + height, EDGE + across : EDGE + across + width]

    views = {
        "mirrored": mirrored,
        "moved": moved(image, 11, 5),
        "moved back": moved(image, -19, -7),
        "darkened": (image * 0.6).astype(np.uint8),
        "mirrored, darkened": (mirrored * 0.7).astype(np.uint8),
        "mirrored, moved": moved(mirrored, 23, 9),
    }
    return {name: as_input(values, model) for name, values in views.items()}


def as_input(image: NDArray[np.uint8], model: Model) -> Float32:
    """Pixels [height, width, 3] as the network takes them."""
    spec = model.spec.image
    mean, std = (np.array(part, np.float64)[:, None, None] for part in (spec.mean, spec.std))
    raw = image.astype(np.float64).transpose(2, 0, 1) * spec.scale
    return np.ascontiguousarray((raw - mean) / std, np.float32)


def designed(model: Model, knobs: Mapping[str, int]) -> Design:
    """The default design of these widths."""
    board = load_board("zcu104")
    return make_design(default_knobs(model.spec, board, {**ON_HOST, **knobs}), board)


def calibrated(
    model: Model, seen: Observations, pictures: Sequence[Float32], design: Design, rounding: str
) -> Calibrated:
    """The network for a design; says how long that took."""
    start = time.process_time()
    found = calibrate(
        model, seen, design.knobs.widths, None, pictures, model.spec.task_names, rounding == TOGETHER
    )  # fmt: skip
    if found.layers:
        ways = [layer.how for layer in found.layers.values()]
        counts = ", ".join(f"{ways.count(way)} by {way}" for way in dict.fromkeys(ways))
        print(f"{len(pictures)} pictures: {counts} in {time.process_time() - start:.0f} s of one core", flush=True)
    return found


def run_views(model: Model, design: Design, network: Calibrated, views: Mapping[str, Float32]) -> Tally:
    """Errors over all views and tasks."""
    engine, reference, tally = Engine.compile(design), Reference(model), Tally()
    tasks = model.spec.task_names
    program = compile_network(design, model, network.network, network.formats, tasks, taps=True)
    for name, picture in views.items():
        frames, _ = run_frames(engine, program, model.spec, [picture] * len(tasks))
        for frame in frames:
            errors = compare(model, reference, name, picture, frame).errors
            tally.forced, tally.free = tally.forced + errors.mse_forced, tally.free + errors.mse_free
            tally.power += errors.power[-1]
            tally.equal, tally.sets = tally.equal + errors.sets_equal, tally.sets + errors.sets
    return tally


def network_of(arguments: argparse.Namespace) -> None:
    """M3ViT-tiny: one picture, and crops of it."""
    model = load_model(arguments.checkpoint, None, read_spec_file(arguments.spec))
    picture = open_picture(arguments.image, model.spec.image).values
    crops = [varied(picture, model.spec.image, i, mirrored=False) for i in range(arguments.pictures - 1)]
    pictures, views = [picture, *crops], unseen_views(picture, model)
    seen = observe_ranges(model, pictures, model.spec.task_names)
    rows: list[tuple[object, ...]] = []
    failed = []
    for name, knobs in WIDTHS.items():
        if arguments.only not in name:
            continue
        design = designed(model, knobs)
        for rounding in (NEAREST, TOGETHER):
            network = calibrated(model, seen, pictures, design, rounding)
            on_frame = run_views(model, design, network, {"frame": picture})
            tally = run_views(model, design, network, views)
            forced, equal = tally.rms(tally.forced), tally.equal / tally.sets
            verdict = ""
            if rounding == TOGETHER and name in BARS:
                verdict = "met" if forced <= BARS[name][0] and equal >= BARS[name][1] else "missed"
                failed += [name] if verdict == "missed" else []
            rows.append(
                (f"{name}, {rounding}", f"{on_frame.rms(on_frame.forced):.2%}",
                 f"{on_frame.equal / on_frame.sets:.2%}", f"{forced:.2%}", f"{tally.rms(tally.free):.2%}",
                 f"{equal:.2%}", verdict, TIER)
            )  # fmt: skip
            print(rows[-1], flush=True)
    heads = ["weights", "frame, forced", "equal sets", "unseen, forced", "free", "equal sets", "bar", "tier"]
    show(f"RMS error of the final tokens, {arguments.pictures} pictures to calibrate, {len(views)} unseen", heads, rows)
    if failed:
        raise SystemExit("missed: " + "; ".join(failed))


def scenes(first: int, count: int) -> Iterator[Picture]:
    """Scenes of so many seeds."""
    return (render(draw_scene(seed)) for seed in range(first, first + count))


def run_scenes(
    model: Model, design: Design, networks: Mapping[str, Calibrated], count: int
) -> tuple[Tally, dict[str, Tally]]:
    """Float, and the accelerator by way of rounding, on unseen scenes; decoders in float."""
    engine, reference, tasks = Engine.compile(design), Reference(model), model.spec.task_names
    exact, tallies = Tally(), {way: Tally() for way in networks}
    programs = {
        way: compile_network(design, model, each.network, each.formats, tasks, taps=True)
        for way, each in networks.items()
    }
    for number, truth in enumerate(scenes(UNSEEN_SEED, count)):
        picture = as_input(truth.image, model)
        wanted = {task: reference.run(picture, task) for task in tasks}
        for task, free in wanted.items():
            add_map(exact, truth, task, free.output)
        for way, program in programs.items():
            tally = tallies[way]
            for frame in run_frames(engine, program, model.spec, [picture] * len(tasks))[0]:
                free = wanted[frame.task]
                add_map(tally, truth, frame.task, decode(model, frame.tokens.astype(np.float32), frame.task))
                assert free.routes is not None and frame.experts is not None
                same = (np.sort(frame.experts) == np.sort(free.routes.experts)).all(axis=-1)
                tally.equal, tally.sets = tally.equal + int(same.sum()), tally.sets + same.size
                tally.free += float(np.mean(np.square(frame.tokens - free.tokens)))
                tally.power += float(np.mean(np.square(free.tokens, dtype=np.float64)))
        if number % 50 == 49:
            print(f"{number + 1} scenes", flush=True)
    return exact, tallies


def add_map(tally: Tally, truth: Picture, task: str, values: Float32 | None) -> None:
    """A decoder's map [classes, height, width] of a scene."""
    assert values is not None
    if task == "semseg":
        tally.matrix.add(truth.labels, values.argmax(axis=0))
    else:
        tally.depth.append(depth_error(truth.depth, values[0]))


def example_of(arguments: argparse.Namespace) -> None:
    """The example, all kinds at 8 bits."""
    model = load_model(EXAMPLE / "checkpoint.pth.tar", None, read_spec_file(EXAMPLE / "spec.toml"))
    pictures = [as_input(scene.image, model) for scene in scenes(TRAINING_SEED, arguments.pictures)]
    seen = observe_ranges(model, pictures, model.spec.task_names)
    name = "8 bits of all"
    design = designed(model, WIDTHS[name])
    networks = {way: calibrated(model, seen, pictures, design, way) for way in (NEAREST, TOGETHER)}
    exact, tallies = run_scenes(model, design, networks, arguments.scenes)
    rows: list[tuple[object, ...]] = [
        ("float", f"{exact.matrix.mean_iou():.5f}", "", f"{np.mean(exact.depth):.5f}", "", "", "", "", "float32")
    ]
    failed = []
    for way, found in tallies.items():
        iou = found.matrix.mean_iou() - exact.matrix.mean_iou()
        depth = float(np.mean(found.depth) / np.mean(exact.depth)) - 1
        verdict = "met" if abs(iou) <= IOU_BAR and abs(depth) <= DEPTH_BAR else "missed"
        if way == TOGETHER and verdict == "missed":
            failed.append(name)
        rows.append(
            (f"{name}, {way}", f"{found.matrix.mean_iou():.5f}", f"{iou:+.5f}", f"{np.mean(found.depth):.5f}",
             f"{depth:+.3%}", f"{found.rms(found.free):.2%}", f"{found.equal / found.sets:.2%}", verdict, TIER)
        )  # fmt: skip
    heads = ["weights", "mIoU", "off float", "depth error, m", "off float", "RMS, free", "equal sets", "bar", "tier"]
    show(f"The example on {arguments.scenes} unseen scenes, {arguments.pictures} to calibrate", heads, rows)
    if failed:
        raise SystemExit("missed: " + "; ".join(failed))


def main() -> None:
    """Measures and prints; ends with an error if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkpoint", nargs="?", type=Path, help="of M3ViT-tiny; the example if left out")
    parser.add_argument("--spec", type=Path, help="spec file of the checkpoint")
    parser.add_argument("--image", type=Path, help="the picture")
    parser.add_argument("--pictures", type=int, help="to calibrate on; default: 48 views of one picture, or 24 scenes")
    parser.add_argument("--scenes", type=int, default=400, help="of the example that are run")
    parser.add_argument("--only", default="", help="of M3ViT-tiny: widths whose name has this in it")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    arguments.pictures = arguments.pictures or (48 if arguments.checkpoint else 24)
    network_of(arguments) if arguments.checkpoint else example_of(arguments)


if __name__ == "__main__":
    main()
