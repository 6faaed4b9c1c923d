"""The table of a device family: cycles of our loops and FIFOs at a clock, every figure with its source.

In: a design and its rendered sources. Out: a `Timing`, the only input of the timed library beside buffers. Intervals
    (II)
are the sources' own pragmas. The table holds facts that no source says: the depth of each pipeline, and the recurrences
that an interval must leave room for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.design import Design
from edgemoe_gen.hardware.axi import AXI_BURST, AXI_LATENCY, AXI_OUTSTANDING
from edgemoe_gen.hardware.boards import Board, speed_grade
from edgemoe_gen.hardware.latency import FAMILIES, Chains, family_names, read_family
from edgemoe_gen.kernels import Loop, read_kernels

LEAST_DEPTH = 2


class NoTableError(SimulationError):
    """There is no table for a device, or none for its clock; the design has no fault."""

    exit_code = 2


@dataclass(frozen=True)
class Recurrence:
    """A recurrence: a value that an iteration needs from an earlier one.

    Attributes:
        name: name in words.
        cycles: cycles of the operators from the earlier iteration's result to this one's.
        distance: iterations between the two; None: it depends on the data, and the run measures it on `array`.
        arrays: variables that carry it; empty for a register.
    """

    name: str
    cycles: int
    distance: int | None
    arrays: tuple[str, ...]


@dataclass(frozen=True)
class LoopTiming:
    """One loop at a clock.

    Attributes:
        label: its name.
        ii: initiation interval of its pragma; 0 for a sequential loop.
        depth: depth of its pipeline, cycles from an iteration's reads to its writes, both included; 0 for a sequential
            loop.
        states: least cycles of an iteration of a sequential loop; 0 for a pipelined one.
        recurrences: recurrences, which bound the interval from below.
        origin: source of the figures: "table", or the schedule or report.
        writes: stage, counted from that of the reads, of each FIFO that is written before the last one.
        begin: cycles of a pipelined loop before its first iteration reads.
    """

    label: str
    ii: int
    depth: int
    states: int
    recurrences: tuple[Recurrence, ...] = ()
    origin: str = "table"
    writes: Mapping[str, int] = field(default_factory=dict)
    begin: int = 0


@dataclass(frozen=True)
class Timing:
    """All timing facts for the timed library.

    Attributes:
        family: title of the device family.
        band: name of the clock band.
        clock_mhz: clock.
        loops: loops by label, in the order of the sources.
        constants: cycles by name.
        depths: depths of FIFOs that replace those of the sources; 0 = unbounded.
        ddr_bytes: bytes that the memory delivers a cycle.
        axi_latency: cycles from a request to its first beat; `axi_outstanding` requests of at most `axi_burst` beats.
        stalling: a pipeline that waits for an input stalls as a whole (style stp); otherwise its older iterations
            finish (frp, flp).
        between: cycles of a process from one place to the next, without waiting, by process and both places. Places are
            pipelined loops and regions by their names, "start" and "end". Without an entry: the time of accesses.
    """

    family: str
    band: str
    clock_mhz: float
    loops: Mapping[str, LoopTiming]
    constants: Mapping[str, int]
    depths: Mapping[str, int]
    ddr_bytes: Fraction
    axi_latency: int
    axi_outstanding: int
    axi_burst: int
    stalling: bool = False
    between: Mapping[tuple[str, str, str], int] = field(default_factory=dict)

    def with_depths(self, depths: Mapping[str, int]) -> Timing:
        """This timing with other depths of FIFOs."""
        return replace(self, depths=dict(depths))

    def loop_lines(self) -> str:
        """Lines "label ii depth states begin [fifo stage]..." for the timed library."""
        return "".join(
            f"{loop.label} {loop.ii} {loop.depth} {loop.states} {loop.begin}"
            + "".join(f" {fifo} {stage}" for fifo, stage in loop.writes.items())
            + "\n"
            for loop in self.loops.values()
        )

    def depth_lines(self) -> str:
        """Lines "fifo depth"."""
        return "".join(f"{name} {depth}\n" for name, depth in self.depths.items())

    def memory_lines(self) -> str:
        """Lines "label array latency": the distance in cycles that a read keeps from the write before it."""
        return "".join(
            f"{loop.label} {array} {recurrence.cycles}\n"
            for loop in self.loops.values()
            for recurrence in loop.recurrences
            for array in recurrence.arrays
        )

    def constant_lines(self) -> str:
        """Lines "name cycles", and "between process place place cycles"."""
        lines = [f"{name} {cycles}\n" for name, cycles in self.constants.items()]
        lines += [f"between {' '.join(places)} {cycles}\n" for places, cycles in self.between.items()]
        return "".join([*lines, f"stalling {int(self.stalling)}\n"])


def load_timing(
    design: Design,
    sources: Mapping[str, str],
    *,
    clock_mhz: float | None = None,
    ddr_gb_per_s: float | None = None,
    ddr_efficiency: float | None = None,
    depths: Mapping[str, int] | None = None,
) -> Timing:
    """Timing of a design's loops on its board.

    Args:
        design: the design with sizes, board and clock.
        sources: rendered text by path.
        clock_mhz: another clock than the knob's.
        ddr_gb_per_s, ddr_efficiency: other figures than the board's.
        depths: depths of FIFOs that replace those of the sources; 0 = unbounded.

    Raises:
        NoTableError: no table has this device or clock.
        SimulationError: a loop of the sources is not in it; or a recurrence forbids the interval of a loop.
    """
    kernels = read_kernels(sources)
    return timing_of(
        design, kernels.loops, kernels.constants,
        clock_mhz=clock_mhz, ddr_gb_per_s=ddr_gb_per_s, ddr_efficiency=ddr_efficiency, depths=depths,
    )  # fmt: skip


def timing_of(
    design: Design,
    source: Sequence[Loop],
    constants: Mapping[str, int],
    *,
    clock_mhz: float | None = None,
    ddr_gb_per_s: float | None = None,
    ddr_efficiency: float | None = None,
    depths: Mapping[str, int] | None = None,
) -> Timing:
    """Timing from loops and constants, without rendered sources.

    Args:
        source: loops of the sources.
        constants: of the sources, by name in small letters.
    """
    path, table = _family(design.board)
    clock = design.knobs.clock_mhz if clock_mhz is None else clock_mhz
    band, band_name = _band(path, table, design.board, clock)
    chains = Chains(path, table, band, constants)
    known = table["loops"]
    loops: dict[str, LoopTiming] = {}
    for loop in source:
        if loop.label not in known:
            raise SimulationError(
                f"the loop '{loop.label}' of {loop.file} is not in the timing table {path.name}",
                f"add [loops.{loop.label}] with the chain of operators on its longest path",
            )
        loops[loop.label] = _loop(path, loop, known[loop.label], chains, clock)
    axi = table["axi"]
    return Timing(
        family=table["title"],
        band=band_name,
        clock_mhz=clock,
        loops=loops,
        constants={name: int(entry["cycles"]) for name, entry in table["constants"].items()},
        depths=dict(depths or {}),
        ddr_bytes=bytes_a_cycle(design.board, clock, ddr_gb_per_s, ddr_efficiency),
        # The later of both: what the memory takes, and the states in which the pragma has a request scheduled.
        axi_latency=max(math.ceil(axi["latency_ns"] * clock / 1e3), AXI_LATENCY + int(axi["request_states"])),
        axi_outstanding=AXI_OUTSTANDING,
        axi_burst=AXI_BURST,
    )


def check_clock(board: Board, clock_mhz: float) -> None:
    """Refuses a clock above all known clocks of the board's device; accepts any clock for a device without a table.

    Raises:
        NoTableError: names both clocks.
    """
    try:
        path, table = _family(board)
        fastest = table["bands"][-1]["up_to_mhz"][speed_grade(board.part)]
    except (NoTableError, KeyError):
        return
    if clock_mhz > fastest:
        raise _too_fast(path, board, clock_mhz, fastest)


def _too_fast(path: Path, board: Board, clock_mhz: float, fastest: float) -> NoTableError:
    return NoTableError(
        f"the clock is {clock_mhz:g} MHz, but the timing table {path.name} ends at {fastest:g} MHz for {board.part}",
        "take a slower clock (knob clock_mhz), or add a band to the table",
    )


def bytes_a_cycle(
    board: Board, clock_mhz: float, ddr_gb_per_s: float | None = None, ddr_efficiency: float | None = None
) -> Fraction:
    """Bytes that the board's memory delivers a cycle, exactly: rate (10^9 bytes a second) x efficiency / clock.

    Raises:
        SimulationError: the rate or the efficiency is not positive, or the efficiency is above 1.
    """
    rate = board.ddr_gb_per_s if ddr_gb_per_s is None else ddr_gb_per_s
    share = board.ddr_efficiency if ddr_efficiency is None else ddr_efficiency
    if not 0 < rate <= 1e4:
        raise SimulationError(f"the memory's rate is {rate} GB/s", "give a positive rate, such as 17")
    if not 0 < share <= 1:
        raise SimulationError(f"the memory's efficiency is {share}", "give a share of its peak above 0, at most 1")
    # Through their decimal texts, so that 0.8 is 4/5.
    return Fraction(str(rate)) * 1000 * Fraction(str(share)) / Fraction(str(clock_mhz))


def _family(board: Board) -> tuple[Path, Mapping[str, Any]]:
    for name in family_names():
        path = FAMILIES / f"{name}.toml"
        table = read_family(path)
        if board.part.lower().startswith(tuple(table["parts"])):
            return path, table
    raise NoTableError(
        f"there is no timing table of the device {board.part} ({board.title})",
        f"there are tables of: {', '.join(family_names())}; add one to edgemoe_gen/timing/families",
    )


def _band(path: Path, table: Mapping[str, Any], board: Board, clock_mhz: float) -> tuple[int, str]:
    grade = speed_grade(board.part)
    limits = [band["up_to_mhz"].get(grade) for band in table["bands"]]
    if None in limits:
        raise NoTableError(f"the timing table {path.name} has no speed grade '{grade}', which {board.part} is of")
    for i, limit in enumerate(limits):
        if clock_mhz <= limit:
            return i, str(table["bands"][i]["name"])
    raise _too_fast(path, board, clock_mhz, limits[-1])


def _loop(path: Path, loop: Loop, entry: Mapping[str, Any], chains: Chains, clock_mhz: float) -> LoopTiming:
    where = f"loops.{loop.label}"
    kind, other = ("chain", "states") if loop.ii else ("states", "chain")
    if kind not in entry:
        what = f"is pipelined (II = {loop.ii})" if loop.ii else "is not pipelined"
        raise SimulationError(
            f"the loop '{loop.label}' of {loop.file} {what}, but {path.name} gives its {other}",
            f"give its {kind} under [{where}]",
        )
    cycles = chains.cycles(where, entry[kind])
    recurrences = tuple(_recurrence(where, part, chains) for part in entry.get("recurrences", ()))
    for recurrence in recurrences:
        check_recurrence(loop, recurrence, clock_mhz)
    if not loop.ii:
        return LoopTiming(loop.label, 0, 0, max(cycles, 1), recurrences)
    depth = max(cycles, LEAST_DEPTH)
    writes = {fifo: stage for fifo, stage in chains.early(where, entry).items() if stage < depth - 1}
    return LoopTiming(loop.label, loop.ii, depth, 0, recurrences, writes=writes)


def _recurrence(where: str, part: Mapping[str, Any], chains: Chains) -> Recurrence:
    distance, array = part.get("distance"), part.get("array", ())
    return Recurrence(
        part["name"],
        chains.cycles(f"{where}, recurrence '{part['name']}'", part["through"]),
        None if distance is None else chains.size(where, distance),
        (array,) if isinstance(array, str) else tuple(array),
    )


def check_recurrence(loop: Loop, recurrence: Recurrence, clock_mhz: float) -> None:
    """Checks an interval against a recurrence: II x distance must be at least the cycles of its operators.

    Raises:
        SimulationError: the interval is too short; names loop, recurrence and figures.
    """
    if recurrence.distance is None or loop.ii == 0 or loop.ii * recurrence.distance >= recurrence.cycles:
        return
    least = -(-recurrence.cycles // recurrence.distance)
    raise SimulationError(
        f"II = {loop.ii} of the loop '{loop.label}' ({loop.file}) is not possible at {clock_mhz:g} MHz: "
        f"{recurrence.name} takes {recurrence.cycles} cycles and is needed again after {recurrence.distance} iteration"
        f"{'s' if recurrence.distance != 1 else ''}, which are {loop.ii * recurrence.distance} cycles",
        f"II = {least} would do, or a slower clock (knob clock_mhz), or a longer distance in the kernel",
    )
