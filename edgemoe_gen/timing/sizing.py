"""The smallest depth of each FIFO that costs no cycle, found by timed runs.

A first run with unbounded FIFOs gives the fewest cycles, and the highest fill of each FIFO. Then the depth of one FIFO
after the other is bisected, between the least depth of the design's rules and this fill, with the depths found so far.
So the depths hold together. FIFOs whose depth is a knob (`weights`) stay as they are: they cost BRAM or UltraRAM.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgemoe_gen.base.errors import ConfigError, SimulationError
from edgemoe_gen.base.files import write_text_whole
from edgemoe_gen.base.tomltext import read_text, with_values
from edgemoe_gen.timing.result import Fifo, TimedResult

KNOBS = ("weights",)  # FIFOs whose depth a knob says
TABLE = "fifo_depths"
COMMENT = "Depths of FIFOs, in elements: the smallest that cost no cycle, by `edgemoe-gen simulate --size-fifos`."
Run = Callable[[Mapping[str, int]], TimedResult]


@dataclass(frozen=True)
class FifoSize:
    """One FIFO variable: its depth in the sources, highest fill when unbounded, smallest depth that costs nothing."""

    name: str
    depth: int
    highest: int
    smallest: int


@dataclass(frozen=True)
class Sizing:
    """Outcome of sizing.

    Attributes:
        sizes: of every FIFO variable that may be sized, in the order of the design.
        cycles: cycles of a run with these depths, no more than with unbounded FIFOs.
        before: cycles with the sources' depths; None where that run deadlocks or breaks a rule.
        runs: number of timed runs.
    """

    sizes: tuple[FifoSize, ...]
    cycles: int
    before: int | None
    runs: int

    @property
    def depths(self) -> dict[str, int]:
        """Smallest depth by variable."""
        return {size.name: size.smallest for size in self.sizes}


def size_fifos(
    run: Run,
    least: Mapping[str, int],
    *,
    progress: Callable[[str, int, int], None] = lambda _what, _done, _total: None,
) -> Sizing:
    """Sizes every FIFO except those whose depth is a knob.

    Args:
        run: one timed run with the given depths by FIFO (0: unbounded) in place of the sources'.
        least: least depth of the design by variable, see `design.fifos`.
        progress: called with text, FIFOs done, FIFOs in all.

    Raises:
        SimulationError: the design deadlocks or breaks a rule even with unbounded FIFOs.
    """
    runs = 0

    def timed(depths: Mapping[str, int]) -> TimedResult:
        nonlocal runs
        runs += 1
        return run(depths)

    before = timed({})
    variables = _variables(before.fifos)
    free = timed({fifo.name: 0 for members in variables.values() for fifo in members})
    if not free.passed:
        why = free.deadlock.sentence() if free.deadlock else free.violations[0]
        raise SimulationError(f"FIFOs cannot be sized: {why}, even where none is ever full")
    fills = {fifo.name: fifo.highest for fifo in free.fifos}
    highest = {name: max(fills.get(f.name, 0) for f in members) for name, members in variables.items()}
    depths = _enough(timed, variables, highest, least, free.cycles)
    for done, name in enumerate(sorted(variables, key=lambda name: -depths[name])):
        progress("sizing FIFOs", done, len(variables))
        depths[name] = _smallest(timed, variables, depths, name, least[name], free.cycles)
    progress("sizing FIFOs", len(variables), len(variables))
    sizes = tuple(
        FifoSize(name, max(f.depth for f in members), highest[name], depths[name])
        for name, members in variables.items()
    )
    after = timed(_spread(variables, depths))  # a few cycles fewer, where requests to DDR come in another order
    return Sizing(sizes, after.cycles, before.cycles if before.passed else None, runs)


def _variables(fifos: Sequence[Fifo]) -> dict[str, list[Fifo]]:
    """FIFOs by their variable: those of an array have one depth."""
    found: dict[str, list[Fifo]] = {}
    for fifo in fifos:
        if fifo.variable not in KNOBS:
            found.setdefault(fifo.variable, []).append(fifo)
    return found


def _spread(variables: Mapping[str, Sequence[Fifo]], depths: Mapping[str, int]) -> dict[str, int]:
    return {fifo.name: depths[name] for name, members in variables.items() for fifo in members}


def _enough(
    run: Run,
    variables: Mapping[str, Sequence[Fifo]],
    highest: Mapping[str, int],
    least: Mapping[str, int],
    cycles: int,
) -> dict[str, int]:
    """Depths that cost nothing together: the fills, or a place more, since a place is free only after its read."""
    for spare in (0, 1, 2):
        depths = {name: max(least[name], fill + spare) for name, fill in highest.items()}
        if _is_free(run(_spread(variables, depths)), cycles):
            return depths
    raise SimulationError(
        "FIFOs as deep as they are ever filled cost cycles, which cannot be",
        "this is a fault of the timed simulation: please report it",
    )


def _smallest(
    run: Run, variables: Mapping[str, Sequence[Fifo]], depths: Mapping[str, int], name: str, least: int, cycles: int
) -> int:
    """Bisects one FIFO; `depths` is known to cost nothing. The least is tried first, because most can have it."""

    def costs_nothing(depth: int) -> bool:
        return _is_free(run(_spread(variables, {**depths, name: depth})), cycles)

    low, high = least, depths[name]
    if low >= high or costs_nothing(low):
        return min(low, high)
    while high - low > 1:
        middle = (low + high) // 2
        if costs_nothing(middle):
            high = middle
        else:
            low = middle
    return high


def _is_free(result: TimedResult, cycles: int) -> bool:
    return result.passed and result.cycles <= cycles


def write_depths(path: Path, depths: Mapping[str, int]) -> None:
    """Writes exactly these depths into the table [fifo_depths] of a project's file; all other lines stay.

    Args:
        path: `edgemoe.toml`.
        depths: depths by FIFO variable.

    Raises:
        ConfigError: there is no such file, the file cannot be written, or has the table in another form.
    """
    try:
        text = read_text(path)
    except FileNotFoundError as error:
        raise ConfigError(f"there is no file {path} to write the depths to", "write one: edgemoe-gen init") from error
    write_text_whole(path, with_values(text, TABLE, depths, only=True, comment=COMMENT))
