"""Toggles of an engine in RTL by process, and of the factors that its products get: the ground of the rule of energy.

    python benchmarks/activity.py                        # the example's trained network, six windows of its frame
    python benchmarks/activity.py --starts 5000 --cycles 500

The engine is traced for some cycles at a time (VCD of every signal), since a whole frame would fill a disk. A toggle is
a bit of a signal that changes from one cycle to the next; nets that are the same count once, for the outermost module.
Tier: RTL simulation.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from estimate import network
from setting import show
from vcd import changes, signals
from waves import CLOCK_MHZ, PERIOD, UNOPTIMISED, small_engine

from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.design import Design
from edgemoe_gen.numerics.formats import choose_formats, observe_ranges, prepare
from edgemoe_gen.program.compile import compile_network, pack_image
from edgemoe_gen.program.pack import Bytes
from edgemoe_gen.rtl.simulation import Memory, Waves, build_simulation, program_buffers, simulate

RANDOM = 0.5  # toggles of a bit that is random in every cycle
TOP = "edgemoe_engine"
FACTORS = re.compile(r"\.multiply\.\w+\.([ab]|sum)$")
WORKS = ".multiply.multiply_steps_go"  # bit 0: an iteration enters
HOLDS = ".multiply.multiply_steps_valid"


@dataclass(frozen=True)
class Activity:
    """What was counted in some cycles.

    Attributes:
        cycles: of them.
        works: in which the unit took an iteration.
        toggles: bits that changed, by process.
        bits: of all signals of a process.
        factors: bits that changed, of the inputs "a" and "b" and the "sum" of the unit's chains of DSPs.
        widths: bits of these.
    """

    cycles: int
    works: int
    toggles: Mapping[str, int]
    bits: Mapping[str, int]
    factors: Mapping[str, int]
    widths: Mapping[str, int]

    def rate(self, factor: str) -> float:
        """Toggles of a bit of a factor for each iteration of the unit."""
        return self.factors[factor] / self.widths[factor] / self.works


def process_of(path: str) -> str:
    """The process, mover, region or bus that a signal belongs to."""
    parts = path.split(".")
    parts = parts[parts.index(TOP) + 1 : -1] if TOP in parts else []
    if "operate" in parts:
        inside = parts[parts.index("operate") + 1 :]
        return inside[0] if inside and not inside[0].startswith("fifo_") else "FIFOs of the region"
    return parts[1] if len(parts) > 1 and parts[0] == "engine" else parts[0] if parts else "the top"


def count(trace: Path) -> Activity:
    """Counts the toggles of a trace."""
    places: dict[str, str] = {}
    kinds: dict[str, str] = {}
    bits: Counter[str] = Counter()
    widths: Counter[str] = Counter()
    holds = works = ""
    for signal in sorted(signals(trace), key=lambda signal: signal.path.count(".")):
        path = f".{signal.path}"
        if signal.path.endswith("ap_clk"):
            continue
        if path.endswith(HOLDS):
            holds = signal.code
        if path.endswith(WORKS):
            works = signal.code
        found = FACTORS.search(path)
        if found and signal.code not in kinds:
            kinds[signal.code] = found[1]
            widths[found[1]] += signal.bits
        if signal.code not in places:
            places[signal.code] = process_of(signal.path)
            bits[places[signal.code]] += signal.bits
    toggles: Counter[str] = Counter()
    factors: Counter[str] = Counter()
    # A cycle's values are those of its second half; what changes at both edges of the clock counts once.
    now: dict[str, int] = {}
    fresh: dict[str, int] = {}
    cycles = busy = 0
    last = -1
    for time, code, value in changes(trace):
        if code not in places:
            continue
        if time // PERIOD != last:
            if last >= 0:
                cycles, busy = cycles + 1, busy + _settle(now, fresh, places, kinds, toggles, factors, holds, works)
            last = time // PERIOD
        fresh[code] = int(value, 2) if value.isdigit() else 0
    return Activity(cycles, busy, toggles, bits, factors, widths)


def _settle(
    now: dict[str, int], fresh: dict[str, int], places: Mapping[str, str], kinds: Mapping[str, str],
    toggles: Counter[str], factors: Counter[str], holds: str, works: str,
) -> bool:  # fmt: skip
    """Ends a cycle; whether the unit takes an iteration in it."""
    for code, value in fresh.items():
        before = now.get(code)
        now[code] = value
        if before is None or before == value:
            continue
        changed = (before ^ value).bit_count()
        toggles[places[code]] += changed
        if code in kinds:
            factors[kinds[code]] += changed
    fresh.clear()
    return bool(now[holds] & now[works] & 1)


def together(found: Sequence[Activity]) -> Activity:
    """Several windows as one."""
    sums = [sum((Counter(getattr(one, name)) for one in found), Counter()) for name in ("toggles", "factors")]
    return Activity(sum(one.cycles for one in found), sum(one.works for one in found), sums[0], found[0].bits,
                    sums[1], found[0].widths)  # fmt: skip


def example(design: Design) -> tuple[dict[str, Bytes], int]:
    """Buffers of a frame of the example's first task, and bytes of its result."""
    model, picture = network("example")
    seen = observe_ranges(model, [picture], model.spec.task_names)
    lowered = prepare(model, seen)
    tasks = list(model.spec.task_names)[:1]
    program = compile_network(design, model, lowered, choose_formats(lowered, seen, design.knobs.widths), tasks)
    return program_buffers(
        program, pack_image(program, model.spec, [picture])
    ), program.result_beats * design.beat_bytes


def measure(starts: Sequence[int], cycles: int, folder: Path) -> list[Activity]:
    """Traces and counts one window after the other."""
    design, engine = small_engine({})
    executable = build_simulation(engine, design, trace=True, level=UNOPTIMISED)
    buffers, size = example(design)
    found = []
    for start in starts:
        path = folder / "window.vcd"
        try:
            simulate(executable, buffers, size, folder, memory=Memory(), most_cycles=start + cycles + 500,
                     waves=Waves(path, start, start + cycles), clock_mhz=CLOCK_MHZ)  # fmt: skip
        except SimulationError as error:
            if "has not ended" not in error.message:
                raise
        found.append(count(path))
        path.unlink()
    return found


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--starts", default="8000,20000,40000,80000,140000,220000", help="cycles at which windows begin"
    )
    parser.add_argument("--cycles", type=int, default=300, help="of each window")
    given = parser.parse_args()
    starts = [int(start) for start in given.starts.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        found = measure(starts, given.cycles, Path(folder))
    rows = [
        (f"{start:,}", one.cycles, f"{one.works / one.cycles:.0%}", *(f"{one.rate(f):.3f}" for f in ("a", "b", "sum")))
        for start, one in zip(starts, found, strict=True)
        if one.works
    ]
    whole = together(found)
    rows.append(("all", whole.cycles, f"{whole.works / whole.cycles:.0%}",
                 *(f"{whole.rate(factor):.3f}" for factor in ("a", "b", "sum"))))  # fmt: skip
    heads = ["from cycle", ">cycles", ">unit at work", ">first factor", ">second factor", ">sum"]
    show("Toggles of a bit an iteration (random data: 0.5); RTL simulation", heads, rows)
    total = sum(whole.toggles.values())
    parts = sorted(whole.toggles, key=lambda name: -whole.toggles[name])
    table = []
    for name in parts:
        toggles, bits = whole.toggles[name], whole.bits[name]
        a_cycle = toggles / whole.cycles
        table.append((name, f"{bits:,}", f"{a_cycle:,.0f}", f"{toggles / total:.1%}", f"{a_cycle / bits:.3f}"))
    show("Toggles by process; RTL simulation", ["process", ">bits", ">toggles a cycle", ">share", ">a bit"], table)
    factor = (whole.rate("a") + whole.rate("b")) / 2 / RANDOM
    print(f"products at {factor:.2f} of the activity of random factors")


if __name__ == "__main__":
    main()
