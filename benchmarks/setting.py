"""What the benchmarks share: the network to run, its design and program, and tables with ratios and tiers."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.base.errors import EdgeMoEError, ImageError
from edgemoe_gen.design import Design, make_design
from edgemoe_gen.design.knobs import parse_knob
from edgemoe_gen.fitting.defaults import default_knobs
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.model import Model, ModelSpec, SpecOptions, load_model, read_spec_file
from edgemoe_gen.model.normalisation import NAMES
from edgemoe_gen.numerics.formats import Formats, Observations, choose_formats, observe_ranges, prepare
from edgemoe_gen.numerics.lower import LoweredNetwork
from edgemoe_gen.numerics.placing import engine_decoders
from edgemoe_gen.numerics.widths import ATTENTION, EXPERTS, MLP
from edgemoe_gen.pictures.found import find_pictures, open_picture
from edgemoe_gen.program.compile import Program, compile_network

EXAMPLE = Path(__file__).parents[1] / "examples" / "scenes"
NOTHING = "–"


@dataclass(frozen=True)
class Setting:
    """One network on one design, calibrated on the pictures that it runs."""

    model: Model
    design: Design
    network: LoweredNetwork
    formats: Formats
    names: tuple[str, ...]
    images: tuple[NDArray[np.float32], ...]
    arguments: argparse.Namespace
    seen: Observations

    @property
    def spec(self) -> ModelSpec:
        """Sizes of the network."""
        return self.model.spec

    @property
    def is_tiny(self) -> bool:
        """Whether this is M3ViT-tiny at 129 tokens, which the published figures are for."""
        experts = {block.experts for block in self.spec.blocks if block.experts}
        return (self.spec.dim, self.spec.depth, self.spec.tokens, experts) == (192, 12, 129, {16})

    def turned(self, **knobs: int) -> Setting:
        """The same with knobs of the design turned, and formats for its widths."""
        design = make_design(self.design.knobs.turned(knobs), self.design.board)
        return replace(self, design=design, formats=_formats(self.network, self.seen, design))

    @property
    def decoders(self) -> dict[str, bool]:
        """Tasks whose decoders run on the engine, and whether it doubles their last map too."""
        return _decoders(self.model, self.design)

    def compile(self, tasks: Sequence[str], taps: bool, decoders: bool = True) -> Program:
        """A program of one frame a task, unless told otherwise with the decoders that the design runs."""
        chosen = {task: doubles for task, doubles in self.decoders.items() if task in tasks} if decoders else None
        return compile_network(self.design, self.model, self.network, self.formats, tasks, taps=taps, decoders=chosen)


def parser(description: str) -> argparse.ArgumentParser:
    """Options that say which network, pictures and design to run; by default the example that ships."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    made.add_argument("checkpoint", nargs="?", type=Path, help="checkpoint; the example examples/scenes if left out")
    made.add_argument("--spec", type=Path, help="spec file, .toml or .yml")
    made.add_argument("--heads", type=int, help="attention heads")
    made.add_argument("--top-k", type=int, help="experts a token")
    made.add_argument("--height", type=int, help="of the picture, in pixels")
    made.add_argument("--width", type=int, help="of the picture, in pixels")
    made.add_argument("--normalise", help=f"how pixels become the network's input: {NAMES}")
    made.add_argument(
        "--image", type=Path, action="append",
        help="picture or folder of pictures, or an .npz whose array 'image' [3, height, width] holds pixels of 0..255",
    )  # fmt: skip
    made.add_argument("--frames", type=int, default=4, help="use at most so many pictures")
    made.add_argument("--board", default="zcu104", help="board by name or file")
    made.add_argument("--knob", action="append", default=[], metavar="NAME=VALUE", help="turn a knob; repeatable")
    return made


def said_options(arguments: argparse.Namespace) -> SpecOptions:
    """What the options say of the network."""
    return SpecOptions(
        heads=arguments.heads, top_k=arguments.top_k, image_height=arguments.height, image_width=arguments.width,
        normalise=arguments.normalise,
    )  # fmt: skip


def open_setting(arguments: argparse.Namespace) -> Setting:
    """Loads and calibrates what the options say; ends the script with a sentence where they are wrong."""
    try:
        return _open(arguments)
    except EdgeMoEError as error:
        raise SystemExit(f"error: {error.message}\n{error.hint}".rstrip()) from error


def _open(arguments: argparse.Namespace) -> Setting:
    checkpoint, spec_file, pictures = arguments.checkpoint, arguments.spec, arguments.image
    if checkpoint is None:
        checkpoint, spec_file = EXAMPLE / "checkpoint.pth.tar", spec_file or EXAMPLE / "spec.toml"
        pictures = pictures or [EXAMPLE / "images"]
    said = said_options(arguments)
    if not pictures:
        raise ImageError("no picture is named", "give --image FILE_OR_FOLDER")
    model = load_model(checkpoint, None, said.over(read_spec_file(spec_file)) if spec_file else said)
    names, images = _open_images(pictures, model.spec, arguments.frames)
    board = load_board(arguments.board)
    turned = {"max_map_width": 0} | dict(parse_knob(text) for text in arguments.knob)  # the backbone alone
    design = make_design(default_knobs(model.spec, board, turned), board)
    seen = observe_ranges(model, images, model.spec.task_names, decoders=bool(_decoders(model, design)))
    network = prepare(model, seen)
    return Setting(model, design, network, _formats(network, seen, design), names, images, arguments, seen)


def _decoders(model: Model, design: Design) -> dict[str, bool]:
    knobs = design.knobs
    return engine_decoders(model, model.spec.task_names, knobs.max_map_width, knobs.max_map_channels)


def _formats(network: LoweredNetwork, seen: Observations, design: Design) -> Formats:
    return choose_formats(network, seen, design.knobs.widths)


def _open_images(
    paths: Sequence[Path], spec: ModelSpec, most: int
) -> tuple[tuple[str, ...], tuple[NDArray[np.float32], ...]]:
    arrays = [path for path in paths if path.suffix == ".npz"]
    pictures = [path for path in paths if path.suffix != ".npz"]
    found: list[tuple[str, NDArray[np.float32]]] = []
    for path in arrays:
        pixels = np.load(path)["image"].astype(np.float32)
        mean, std = (np.array(values, np.float32)[:, None, None] for values in (spec.image.mean, spec.image.std))
        found.append((path.stem, (pixels * np.float32(spec.image.scale) - mean) / std))
    for path in find_pictures(pictures) if pictures else ():
        found.append((path.stem, open_picture(path, spec.image).values))
    names, images = zip(*found[:most], strict=True)
    return names, images


def describe(setting: Setting) -> str:
    """The network and design in one line."""
    spec, k = setting.spec, setting.design.knobs
    weights = f"{k.weight_bits} bits"
    narrow = [kind for kind in (ATTENTION, MLP, EXPERTS) if setting.design.is_narrow(kind)]
    if narrow:
        weights += f" ({setting.design.narrow_weight_bits} of {', '.join(narrow)})"
    blocks = f"{spec.depth} blocks" + (f", {len(spec.moe_blocks)} with experts" if spec.moe_blocks else "")
    return (
        f"{spec.tokens} tokens of {spec.dim}, {blocks}, {len(setting.images)} pictures; {setting.design.board.title}, "
        f"{k.tokens_parallel} x {k.out_parallel} x {k.in_parallel} MACs, {k.activation_bits} x {weights}"
    )


def ratio(theirs: float, ours: float, comparable: bool) -> str:
    """How many times smaller ours is than theirs; only where both are of the same network."""
    return f"{theirs / ours:,.1f} x" if comparable and ours else NOTHING


def show(title: str, heads: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Prints a table: first column to the left, others to the right but for the last, which says the tier."""
    texts = [tuple(str(cell) for cell in row) for row in rows]
    widths = [max(len(row[i]) for row in [tuple(heads), *texts]) for i in range(len(heads))]
    print(f"\n{title}")
    for row in [tuple(heads), tuple("-" * width for width in widths), *texts]:
        cells = [
            cell.ljust(width) if i in (0, len(heads) - 1) else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())
