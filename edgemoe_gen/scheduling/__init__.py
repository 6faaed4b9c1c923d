"""An open schedule of the rendered kernels: loops and their dependences from the compiler, delays from public reports.

`run.schedule_design` gives a `result.Schedule`. Steps: `sources` reads pragmas; `compiler` and `parse` make LLVM IR of
the kernels; `building` makes the graph of one iteration of a loop; `widths` finds the bits that count; `costs` gives
the delay of each operation; `problem` links iterations; `scheduler` and `periods` find cycles and periods.
"""

from __future__ import annotations

from edgemoe_gen.scheduling.compiler import ziglang_missing


def missing() -> str:
    """The reason why nothing can be scheduled on this machine, or ""."""
    return ziglang_missing()


__all__ = ["missing"]
