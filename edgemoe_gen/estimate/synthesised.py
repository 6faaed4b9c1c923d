"""The estimate beside open synthesis of the same processes, with the parts of the estimate for each process.

FIFOs and memories lie between processes, so neither column counts them. The estimate's part *control* is spread over
all processes; it is compared with the processes that belong to no other part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edgemoe_gen.design import Design
from edgemoe_gen.estimate.between import between_lanes
from edgemoe_gen.estimate.processes import GROUPS, groups_of
from edgemoe_gen.estimate.resources import estimate_resources
from edgemoe_gen.rtl.compile import Kernels, compile_process
from edgemoe_gen.rtl.synthesis import Synthesis, module_sources, synthesise

PROCESSES = tuple(process for processes, _ in GROUPS for process in processes)


@dataclass(frozen=True)
class Compared:
    """One row: processes, their parts of the estimate, and the figures of both sides.

    Attributes:
        estimate_lut, estimate_dsp: counts of the parts. Tier: estimate.
        between_lut: look-up tables between their lanes, which the estimate leaves out. Tier: estimate.
        open_lut, open_dsp, open_ff: counts of the synthesised processes. Tier: open synthesis.
        missing: processes that were not synthesised; with any of them, there is no ratio.
    """

    processes: tuple[str, ...]
    parts: tuple[str, ...]
    estimate_lut: int
    estimate_dsp: int
    between_lut: int
    open_lut: int
    open_dsp: int
    open_ff: int
    missing: tuple[str, ...]

    @property
    def ratio(self) -> float | None:
        """Look-up tables by open synthesis over those of the estimate."""
        return None if self.missing or not self.estimate_lut else self.open_lut / self.estimate_lut

    @property
    def ratio_with_between(self) -> float | None:
        """Look-up tables by open synthesis over those of the estimate plus those between lanes."""
        return None if self.ratio is None else self.open_lut / (self.estimate_lut + self.between_lut)


def synthesise_process(
    kernels: Kernels, name: str, progress: Callable[[str, int, int], None] | None = None
) -> Synthesis:
    """Synthesises one process of compiled kernels; errors as in `compile_process` and `synthesise`."""
    return synthesise(module_sources(name, compile_process(kernels, name).text), name, progress)


def processes_of(design: Design) -> tuple[str, ...]:
    """Names of the processes that a design has."""
    return tuple(process for processes, _ in groups_of(design) for process in processes)


def compare(design: Design, found: Mapping[str, Synthesis]) -> tuple[Compared, ...]:
    """Rows of the processes that were synthesised, by name, beside the estimate."""
    parts = {part.name: part for part in estimate_resources(design).parts}
    between = between_lanes(design)
    rows = []
    for processes, names in groups_of(design):
        made = [found[process] for process in processes if process in found]
        if made:
            rows.append(
                Compared(
                    processes, names,
                    sum(parts[name].lut for name in names), sum(parts[name].dsp for name in names),
                    sum(between.get(name, 0) for name in names),
                    sum(one.luts for one in made), sum(one.dsp for one in made), sum(one.ff for one in made),
                    tuple(process for process in processes if process not in found),
                )
            )  # fmt: skip
    return tuple(rows)


__all__ = ["GROUPS", "PROCESSES", "Compared", "compare", "processes_of", "synthesise_process"]
