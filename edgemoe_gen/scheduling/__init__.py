"""An open schedule of the rendered kernels: loops and their dependences from the compiler, delays from public reports.

`run.schedule_design` gives a `result.Schedule`. The way there: `sources` reads pragmas, `compiler` and `parse` make
LLVM IR of the kernels, `building` the graph of one iteration of a loop, `widths` the bits that count, `costs` what
each operation takes, `problem` what iterations leave for later ones, `scheduler` and `periods` cycles and periods.
"""

from __future__ import annotations

from edgemoe_gen.scheduling.compiler import ziglang_missing


def missing() -> str:
    """Why nothing can be scheduled on this machine, or ""."""
    return ziglang_missing()


__all__ = ["missing"]
