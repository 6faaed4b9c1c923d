"""Small builds whose decoders run on the engine: their overlays, and what each result must be."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from edgemoe_gen.model import Model
from edgemoe_gen.numerics.formats import Formats
from edgemoe_gen.numerics.placing import decoder_places, engine_decoders
from edgemoe_gen.overlay.facts import OverlayFacts
from edgemoe_gen.overlay.package import write_overlay
from edgemoe_gen.overlay.programs import compile_variants, pass_groups
from edgemoe_gen.pipeline.running import run_csim
from edgemoe_gen.program.compile import compile_groups, compile_network
from edgemoe_gen.sim.decoded import DecodedMaps, IntegerDecoder
from tests.numerics.decoded import DecodedCase, decoded_case, shared_case
from tests.overlay.small_builds import NAME, SmallBuild, network_input, random_frame
from tests.sim.engines import compiled, small_design

MAPS = {"max_map_width": 32, "max_map_channels": 24, "source_words": 1500, "result_words": 1200}


@dataclass(frozen=True)
class MapBuild:
    """A build whose decoders run on the engine."""

    build: SmallBuild
    facts: OverlayFacts
    formats: Formats
    case: DecodedCase

    def package(self, folder: Path) -> Path:
        accelerator, bitstream = self.build.write(folder)
        return write_overlay(NAME, accelerator, bitstream, folder / "out", self.facts).folder

    def csim(self, frame: Any, task: str) -> Any:
        """The backend csim of `run`."""
        model = self.build.model
        image = network_input(frame, model.spec)
        decoders = engine_decoders(model, model.spec.task_names, 32, 24)
        return run_csim(self.build.engine, model, self.case.network, self.formats, image, [task], decoders)

    def reference(self, tokens: Any, task: str) -> DecodedMaps:
        """The integer reference on the engine's tokens."""
        decoder = IntegerDecoder.of(self.build.design, self.case.network, self.formats, task)
        return decoder(decoder.tokens(tokens.astype(np.float64)))


@cache
def map_build(frames: int = 1, doubles: bool = True, router: str = "multi") -> MapBuild:
    """Two tasks, one of classes and one of values; three whose gates do not depend on the task with another router.

    With `doubles` unset the maps end before the last doubling.
    """
    case = decoded_case() if router == "multi" else shared_case(router)
    design = small_design(tokens_parallel=2, frames_per_pass=frames, **MAPS)
    model: Model = case.model
    formats = case.formats(design.knobs.widths)
    tasks = model.spec.task_names
    decoders = engine_decoders(model, tasks, MAPS["max_map_width"], MAPS["max_map_channels"])
    if not doubles:
        decoders = dict.fromkeys(decoders, False)
    program = compile_network(design, model, case.network, formats, tasks, decoders=decoders)
    passes = None
    if frames > 1:
        passes = compile_groups(design, model, case.network, formats, pass_groups(tasks, frames, decoders))
    build = SmallBuild(compiled(design), model, program, random_frame(model.spec, 0), passes)
    facts = replace(
        build.facts,
        decoders=model.decoders,
        variants=compile_variants(model, case.network, formats, program),
        places=decoder_places(model, tasks, MAPS["max_map_width"], MAPS["max_map_channels"]),
    )
    return MapBuild(build, facts, formats, case)
