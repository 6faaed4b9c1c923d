"""Small real builds for tests of overlays: a network, its design and programs, and the results of its C simulation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.design import Design
from edgemoe_gen.model import Model, ModelSpec
from edgemoe_gen.overlay.package import OverlayFacts, WrittenOverlay, write_overlay
from edgemoe_gen.overlay.programs import pass_groups
from edgemoe_gen.program.compile import Program, compile_groups, compile_network, pack_image
from edgemoe_gen.program.file import program_bytes, weight_bytes
from edgemoe_gen.sim.engine import Engine, stored_matrix
from tests.overlay.handoff_files import write_bitstream
from tests.sim.engines import compiled, random_case, small_design

NAME = "m3vit_test"
SAID = (("scale", 1 / 255), ("mean", (0.485, 0.456, 0.406)), ("std", (0.229, 0.224, 0.225)))


@dataclass(frozen=True)
class SmallBuild:
    """A compiled network on a compiled design, and a frame; `passes` where frames share a pass of the weights."""

    engine: Engine
    model: Model
    program: Program
    frame: NDArray[np.uint8]
    passes: Program | None = None

    @property
    def design(self) -> Design:
        return self.engine.design

    @property
    def spec(self) -> ModelSpec:
        return self.model.spec

    @property
    def facts(self) -> OverlayFacts:
        clock = self.design.knobs.clock_mhz
        return OverlayFacts(self.design, self.spec, self.program, clock, self.frame, passes=self.passes)

    def tokens(self, frame: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]]:
        """What the engine makes of a frame by task: all tasks in one program, packed by the host."""
        images = [network_input(frame, self.spec)] * len(self.program.frames)
        run = self.engine.run_program(self.program, pack_image(self.program, self.spec, images))
        return {f.task: stored_matrix(run, f.regions["tokens"]) for f in self.program.frames}

    def check(self, accelerator: Any, count: int = 1) -> None:
        """Runs so many frames for every task, whose tokens must be the engine's."""
        for seed in range(count):
            frame = random_frame(self.spec, seed)
            wanted = self.tokens(frame)
            for task in accelerator.tasks:
                assert np.array_equal(accelerator.run(frame, task).tokens, wanted[task])

    def write(self, folder: Path) -> tuple[Path, Path]:
        """The folders of accelerator and bitstream, as a build leaves them."""
        data = folder / "accelerator" / "data"
        data.mkdir(parents=True)
        image = pack_image(self.program, self.spec, [network_input(self.frame, self.spec)] * len(self.program.frames))
        (data / "program.bin").write_bytes(program_bytes(self.program))
        (data / "weights.bin").write_bytes(weight_bytes(self.program))
        (data / "image.bin").write_bytes(image.tobytes())
        (data / "expected.bin").write_bytes(self.engine.run_program(self.program, image).result.tobytes())
        return data.parent, write_bitstream(folder / "bitstream", self.design)

    def package(self, folder: Path, name: str = NAME) -> WrittenOverlay:
        """The overlay of this build."""
        accelerator, bitstream = self.write(folder)
        return write_overlay(name, accelerator, bitstream, folder / "out", self.facts)


@cache
def small_build(
    said: tuple[tuple[str, Any], ...] = SAID, knobs: tuple[tuple[str, Any], ...] = (), **sizes: Any
) -> SmallBuild:
    """A random network (see `tests.factory`) of two blocks on the design of most tests."""
    design = small_design(**dict(knobs))
    case = random_case(frames=1, said=said, **({"depth": 2} | sizes))
    program = compile_network(design, case.model, case.network, case.formats(design), case.model.spec.task_names)
    passes, full = None, design.knobs.frames_per_pass
    if full > 1:
        groups = pass_groups(case.model.spec.task_names, full)
        passes = compile_groups(design, case.model, case.network, case.formats(design), groups)
    return SmallBuild(compiled(design), case.model, program, random_frame(case.model.spec, 0), passes)


def random_frame(spec: ModelSpec, seed: int) -> NDArray[np.uint8]:
    """A frame of noise with some black and white."""
    random = np.random.default_rng(seed)
    frame = random.integers(0, 256, (spec.image.height, spec.image.width, 3), np.uint8)
    frame[:2], frame[-2:] = 0, 255
    return frame


def network_input(frame: NDArray[np.uint8], spec: ModelSpec) -> NDArray[np.float32]:
    """A frame as network input, by the host's own reader of pictures."""
    import tempfile

    from edgemoe_gen.model import load_image

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frame.npy"
        np.save(path, frame)
        return load_image(path, spec.image)
