"""Draws waveforms of a trace as SVG; without a trace the pictures of docs/waves.md, from engines simulated for them.

    python benchmarks/waves.py TRACE.vcd --cycles 120:180 --signal operate.fifo_operands_occupancy --output waves.svg
    python benchmarks/waves.py                       # docs/images/waves-*.svg (needs '.[rtl]'; minutes)

A signal is named by the end of its path. One bit is drawn as a line, more as boxes with their number.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from html import escape
from pathlib import Path

from vcd import sampled

from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.design import Design, Knobs, make_design
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.program.compile import pack_image
from edgemoe_gen.program.short import compile_short
from edgemoe_gen.rtl.engine import Engine, make_engine
from edgemoe_gen.rtl.simulation import Memory, Waves, build_simulation, program_buffers, simulate

IMAGES = Path(__file__).parents[1] / "docs" / "images"
CLOCK_MHZ = 500.0
UNOPTIMISED = "-O0"  # a few thousand cycles take a fraction of the compiler's time
PERIOD = 2000  # of that clock in the trace's picoseconds
LEFT, TOP, ROW, HIGH, WIDTH = 218, 30, 24, 15, 640  # pixels
INK, BUS, MARK = "#1f2933", "#dbe7f3", "#c2410c"


@dataclass(frozen=True)
class Row:
    """A signal: label, and the end of its path; `any_bit` draws a line that says whether any bit of it is set."""

    label: str
    signal: str
    any_bit: bool = False


@dataclass(frozen=True)
class Scene:
    """A picture.

    Attributes:
        rows: from top to bottom.
        mark: what the marked cycle is.
    """

    name: str
    rows: Sequence[Row]
    mark: str


DEADLOCK = Scene("waves-deadlock", (
    Row("words: elements", "operate.fifo_words_occupancy"),
    Row("measured: written", "operate.fifo_measured_write"),
    Row("measured: elements", "operate.fifo_measured_occupancy"),
    Row("measured: room", "operate.fifo_measured_full_n"),
    Row("moments: there", "operate.fifo_token_moments_empty_n"),
    Row("measured: read", "operate.fifo_measured_read"),
), "no room for the second word")  # fmt: skip
STARVED = Scene("waves-starved", (
    Row("port 0: elements", "engine.fifo_weights_0_occupancy"),
    Row("port 3: beat", "edgemoe_engine.m_axi_gmem_weights_3_RVALID"),
    Row("port 3: elements", "engine.fifo_weights_3_occupancy"),
    Row("operands: written", "operate.fifo_operands_write"),
    Row("unit: iterations", "multiply.multiply_steps_valid", any_bit=True),
    Row("unit: waits", "multiply.multiply_steps_blocked", any_bit=True),
), "the unit has no operands")  # fmt: skip
LATE = Scene("waves-late-burst", (
    Row("address: valid", "edgemoe_engine.m_axi_gmem_input_ARVALID"),
    Row("address: ready", "edgemoe_engine.m_axi_gmem_input_ARREADY"),
    Row("beat: valid", "edgemoe_engine.m_axi_gmem_input_RVALID"),
    Row("beat: last", "edgemoe_engine.m_axi_gmem_input_RLAST"),
    Row("words in", "operate.fifo_words_empty_n"),
), "the first beat")  # fmt: skip


def draw(rows: Sequence[Row], values: Mapping[str, Mapping[int, int]], first: int, last: int, mark: int | None,
         meaning: str) -> str:  # fmt: skip
    """An SVG of cycles `first` to `last`, one of them marked."""
    step = WIDTH / (last - first + 1)
    height = TOP + ROW * len(rows) + 24
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 12}" height="{height}" '
        f'font-family="ui-monospace, monospace" font-size="12">',
        f'<rect width="100%" height="100%" fill="white"/><g fill="{INK}">',
    ]
    if mark is not None:
        x = LEFT + (mark - first) * step
        lines.append(f'<path d="M{x:.1f} {TOP - 8}V{height - 20}" stroke="{MARK}" stroke-dasharray="3 3"/>')
        anchor = "start" if x < LEFT + WIDTH / 2 else "end"
        lines.append(f'<text x="{x:.1f}" y="{TOP - 13}" fill="{MARK}" text-anchor="{anchor}">{escape(meaning)}</text>')
    for place, row in enumerate(rows):
        base = TOP + ROW * place + HIGH
        lines.append(f'<text x="{LEFT - 10}" y="{base - 3}" text-anchor="end">{escape(row.label)}</text>')
        lines += _wave([values[row.label][cycle] for cycle in range(first, last + 1)], step, base)
    for cycle in range(-(-first // _every(first, last)) * _every(first, last), last + 1, _every(first, last)):
        lines.append(f'<text x="{LEFT + (cycle - first) * step:.1f}" y="{height - 6}" font-size="10">{cycle:,}</text>')
    return "\n".join([*lines, "</g></svg>", ""])


def _every(first: int, last: int) -> int:
    """Cycles between two numbers below the waves."""
    return next(step for step in (5, 10, 20, 50, 100, 200, 500, 1000, 10**9) if (last - first) / step <= 9)


def _wave(values: Sequence[int], step: float, base: int) -> list[str]:
    """One row: a line for a signal that is 0 or 1 all the time, boxes otherwise."""
    runs: list[tuple[int, int, int]] = []  # from, to, value
    for place, value in enumerate(values):
        if runs and runs[-1][2] == value:
            runs[-1] = (runs[-1][0], place + 1, value)
        else:
            runs.append((place, place + 1, value))
    if max(values) <= 1:
        path = "".join(f"V{base - HIGH * value}H{LEFT + to * step:.1f}" for _, to, value in runs)
        return [f'<path d="M{LEFT} {base - HIGH * values[0]}{path}" fill="none" stroke="{INK}" stroke-width="1.4"/>']
    drawn = []
    for start, to, value in runs:
        x, width = LEFT + start * step, (to - start) * step
        drawn.append(f'<rect x="{x:.1f}" y="{base - HIGH}" width="{width:.1f}" height="{HIGH}" fill="{BUS}" '
                     f'stroke="{INK}"/>')  # fmt: skip
        if width > 8 * len(str(value)) + 2:
            drawn.append(
                f'<text x="{x + width / 2:.1f}" y="{base - 3}" text-anchor="middle" font-size="11">{value}</text>'
            )
    return drawn


def small_engine(depths: Mapping[str, int]) -> tuple[Design, Engine]:
    """The smallest design, with FIFOs of other depths than it should have."""
    design = make_design(Knobs(tokens_parallel=2, out_parallel=8, in_parallel=8), load_board("zcu104"))
    engine = make_engine(design)
    text = engine.sources["operate.sv"]
    if not depths:
        return design, engine
    for name, depth in depths.items():
        shape = rf'DEPTH\(\d+\)(,\s+\.STYLE\("\w+"\)\s+\) fifo_{name}_instance)'
        text, count = re.subn(shape, rf"DEPTH({depth})\1", text)
        if count != 1:
            raise ValueError(f"there is no FIFO {name}")
    # The count of elements is narrower then.
    text = "/* verilator lint_off WIDTHEXPAND */ /* verilator lint_off WIDTHTRUNC */\n" + text
    return design, replace(engine, sources={**engine.sources, "operate.sv": text})


class Bench:
    """An engine that can trace, and the short program for it."""

    def __init__(self, depths: Mapping[str, int], folder: Path) -> None:
        design, engine = small_engine(depths)
        self.executable = build_simulation(engine, design, trace=True, level=UNOPTIMISED)
        program, spec, image = compile_short(design)
        self.buffers = program_buffers(program, pack_image(program, spec, [image]))
        self.size, self.folder = program.result_beats * design.beat_bytes, folder

    def trace(self, memory: Memory, first: int = 0, last: int | None = None) -> tuple[Path, int | None]:
        """A trace of some cycles, and the cycle since which the engine stands, if it does."""
        path = self.folder / "waves.vcd"
        try:
            simulate(self.executable, self.buffers, self.size, self.folder, memory=memory, quiet_cycles=2_000,
                     waves=Waves(path, first, last), clock_mhz=CLOCK_MHZ)  # fmt: skip
        except SimulationError as error:
            found = re.search(r"since cycle ([\d,]+)", error.message)
            if found is None:
                raise
            return path, int(found[1].replace(",", ""))
        return path, None


def values_of(scene: Scene, trace: Path) -> dict[str, dict[int, int]]:
    """Values of a scene's rows."""
    found = sampled(trace, {row.label: row.signal for row in scene.rows}, PERIOD)
    for row in scene.rows:
        if row.any_bit:
            found[row.label] = {cycle: int(value != 0) for cycle, value in found[row.label].items()}
    return found


def write(scene: Scene, values: Mapping[str, Mapping[int, int]], first: int, last: int, mark: int) -> None:
    """Writes a picture of the documentation."""
    path = IMAGES / f"{scene.name}.svg"
    path.write_text(draw(scene.rows, values, first, last, mark, scene.mark), encoding="utf-8")
    print(f"{path}: cycles {first:,} to {last:,}")


def pictures(folder: Path) -> None:
    """The pictures of docs/waves.md, of one engine, which stands at its first LayerNorm. Tier: RTL simulation."""
    bench = Bench({"measured": 1}, folder)
    trace, _ = bench.trace(Memory(latency=200), 0, 1500)
    values = values_of(LATE, trace)
    asked = min(cycle for cycle, value in values["address: valid"].items() if value)
    came = min(cycle for cycle, value in values["beat: valid"].items() if value and cycle > asked)
    write(LATE, values, asked - 10, came + 90, came)

    trace, _ = bench.trace(Memory(latency=40, bytes_per_cycle=Fraction(8)), 0, 1500)
    values = values_of(STARVED, trace)
    waits = min(cycle for cycle, value in values["unit: waits"].items() if value)
    write(STARVED, values, waits - 38, waits + 72, waits)

    trace, stands = bench.trace(Memory(), 0, 1500)
    if stands is None:
        raise SystemExit("the engine with a FIFO that is too shallow does not stand")
    values = values_of(DEADLOCK, trace)
    full = max(cycle for cycle, value in values["measured: room"].items() if value) + 1
    write(DEADLOCK, values, full - 14, full + 34, full)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trace", nargs="?", type=Path)
    parser.add_argument("--signal", action="append", default=[], help="the end of a signal's path; repeatable")
    parser.add_argument("--cycles", help="FROM:TO")
    parser.add_argument("--mark", type=int, help="a cycle to mark")
    parser.add_argument("--clock-mhz", type=float, default=CLOCK_MHZ, help="of the trace")
    parser.add_argument("--output", type=Path, default=Path("waves.svg"))
    given = parser.parse_args()
    if given.trace is None:
        with tempfile.TemporaryDirectory() as folder:
            pictures(Path(folder))
        return
    rows = [Row(name.rpartition(".")[2], name) for name in given.signal]
    values = sampled(given.trace, {row.label: row.signal for row in rows}, 2 * round(5e5 / given.clock_mhz))
    cycles = sorted(next(iter(values.values())))
    first, last = (int(part) for part in given.cycles.split(":")) if given.cycles else (cycles[0], cycles[-1])
    given.output.write_text(draw(rows, values, first, last, given.mark, ""), encoding="utf-8")


if __name__ == "__main__":
    main()
