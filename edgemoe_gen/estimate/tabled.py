"""The timing table's figures of a design, without rendering its sources: that would take longer than an estimate.

Loops and their intervals stand in the headers and templates as they are before rendering; sizes come from the design.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from edgemoe_gen.base.installed import resource_folder
from edgemoe_gen.codegen.context import source_sizes
from edgemoe_gen.design import Design
from edgemoe_gen.timing.loops import SourceLoop, source_constants, source_loops
from edgemoe_gen.timing.table import Timing, timing_of


def engine_timing(design: Design) -> Timing:
    """What `load_timing` says of a design on its board at its clock.

    Raises:
        SimulationError: no table has this device or clock, or a loop is not in it.
    """
    loops, constants = _unrendered()
    return timing_of(design, loops, {**constants, **source_sizes(design)})


def engine_constant(name: str) -> int:
    """A constant that the kernels' headers state themselves, such as `open_tiles`."""
    return _unrendered()[1][name]


@lru_cache(maxsize=1)
def _unrendered() -> tuple[tuple[SourceLoop, ...], Mapping[str, int]]:
    """Loops and constants of the headers and of the engine's template, which are the same for all designs."""
    files = [*sorted(resource_folder("hls").glob("*.h")), resource_folder("templates") / "engine.cpp.j2"]
    texts = {f"src/{file.name}": file.read_text(encoding="utf-8") for file in files}
    return source_loops(texts), source_constants(texts)
