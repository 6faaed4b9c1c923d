"""The timing table's figures of a design, without rendering its sources, which would take longer than an estimate.

Loops and their intervals are read from the headers and templates before rendering; sizes come from the design.
"""

from __future__ import annotations

from functools import lru_cache

from edgemoe_gen.base.installed import resource_folder
from edgemoe_gen.codegen.context import source_sizes
from edgemoe_gen.codegen.headers import headers
from edgemoe_gen.design import Design
from edgemoe_gen.kernels import Kernels, of_template, read_kernels
from edgemoe_gen.timing.table import Timing, timing_of


def engine_timing(design: Design) -> Timing:
    """The result of `load_timing` for a design on its board at its clock.

    Raises:
        SimulationError: no table has this device or clock, or a loop is not in it.
    """
    kernels = _unrendered(design.parts)
    return timing_of(design, kernels.loops, {**kernels.constants, **source_sizes(design)})


@lru_cache(maxsize=4)
def _unrendered(parts: frozenset[str]) -> Kernels:
    """Kernels of the headers and of the engine's template, whose loops and constants are the same for all designs."""
    files = {f"src/{name}": text for name, text in headers(parts).items()}
    engine = (resource_folder("templates") / "engine.cpp.j2").read_text(encoding="utf-8")
    return read_kernels({**dict(sorted(files.items())), "src/engine.cpp": of_template(engine)})
