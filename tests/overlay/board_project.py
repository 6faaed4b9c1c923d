"""A small project of the command line with its overlay, before synthesis: what `run` takes by every backend."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgemoe_gen.design.knobs import parse_knob
from edgemoe_gen.overlay.facts import OverlayFacts
from edgemoe_gen.overlay.preview import write_preview
from edgemoe_gen.pictures.found import open_picture, pixels
from edgemoe_gen.program.compile import compile_network, pack_image
from edgemoe_gen.program.file import program_bytes, weight_bytes
from edgemoe_gen.project.arguments import project_arguments
from edgemoe_gen.project.early import open_checked
from edgemoe_gen.project.opening import open_calibration, open_design, open_model, open_numerics, open_tasks
from edgemoe_gen.sim.engine import Engine
from tests.cli.conftest import KNOBS, LARGEST
from tests.factory import write_checkpoint, write_spec

NAME = "m3vit_small"
TASKS = ("semseg", "depth")
FORETOLD = {"semseg": 3.0, "depth": 4.0}  # milliseconds; no more than a number to show


@dataclass(frozen=True)
class BoardProject:
    """Files: checkpoint, spec, two pictures of which the first is the overlay's own, and the overlay."""

    checkpoint: Path
    spec: Path
    pictures: tuple[Path, Path]
    overlay: Path
    frame: NDArray[np.uint8]
    knobs: tuple[str, ...]

    @property
    def network(self) -> list[str]:
        """Arguments of `run` that give csim the numbers that the overlay holds."""
        knobs = [part for knob in self.knobs for part in ("--knob", knob)]
        return [str(self.checkpoint), "--spec", str(self.spec), "--calibrate", str(self.pictures[0]), *knobs]


def make_project(
    folder: Path,
    checkpoint: Path | None = None,
    frames: tuple[NDArray[np.uint8], NDArray[np.uint8]] | None = None,
    knobs: tuple[str, ...] = (*KNOBS, *LARGEST),
    heads: int = 2,
) -> BoardProject:
    """Two tasks with decoders; the overlay is that of a build that has no bitstream yet.

    Args:
        folder: where to.
        checkpoint: None = random weights.
        frames: the pictures; None = noise.
        knobs: as on the command line.
        heads: of the network.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if frames is None:
        noise = np.random.default_rng(0).integers(0, 256, (2, 32, 64, 3), dtype=np.uint8)
        frames = (noise[0], noise[1])
    checkpoint = checkpoint or write_checkpoint(folder / "checkpoint.pth.tar")
    height, width, _ = frames[0].shape
    spec = write_spec(folder / "spec.toml", heads=heads, image=(height, width))
    pictures = (folder / "scene_0.png", folder / "scene_1.png")
    for path, values in zip(pictures, frames, strict=True):
        Image.fromarray(values).save(path)
    turned = dict(parse_knob(knob) for knob in knobs)
    keywords = {"spec": spec, "knobs": turned, "calibrate": pictures[:1]}
    words = open_checked(project_arguments(keywords, checkpoint)).config
    model = open_model(words)
    assert model.spec.task_names == TASKS
    design = open_design(words, model.spec)
    tasks = open_tasks(words, model.spec)
    numerics = open_numerics(words, model, design.knobs, open_calibration(words, model.spec, ()), tasks)
    program = compile_network(design, model, numerics.network, numerics.formats, tasks)
    picture = open_picture(pictures[0], model.spec.image).values
    image = pack_image(program, model.spec, [picture] * len(program.frames))
    data = folder / "accelerator" / "data"
    data.mkdir(parents=True)
    (data / "program.bin").write_bytes(program_bytes(program))
    (data / "weights.bin").write_bytes(weight_bytes(program))
    (data / "image.bin").write_bytes(image.tobytes())
    (data / "expected.bin").write_bytes(Engine.compile(design).run_program(program, image).result.tobytes())
    frame = pixels(picture, model.spec.image)
    facts = OverlayFacts(
        design, model.spec, program, design.knobs.clock_mhz, frame, decoders=model.decoders, head=model.head,
        estimate={"milliseconds_per_frame": FORETOLD, "tier": "estimate"},
    )  # fmt: skip
    overlay = write_preview(NAME, data.parent, folder / "overlay", facts)
    return BoardProject(checkpoint, spec, pictures, overlay, frame, knobs)
