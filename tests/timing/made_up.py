"""A timed library made up for tests of what stands above it: JSON of the right form from a program's own counts.

Times are a simple schedule: operations one after the other, each as long as its unit works plus a start. They are
plausible and exactly known, but they are no simulation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from edgemoe_gen.hardware.descriptor import number
from edgemoe_gen.program.compile import Program
from edgemoe_gen.program.pack import Bytes
from edgemoe_gen.timing.table import Timing

START = 40
# FIFO: depth in the "sources", the fill that it wants, writer and reader.
FIFOS: Mapping[str, tuple[int, int, str, str]] = {
    "weights[0]": (4096, 900, "fetch_weights", "load_operands"),
    "weights[1]": (4096, 870, "fetch_weights", "load_operands"),
    "tiles": (16, 3, "load_tokens", "multiply"),
    "scales": (64, 37, "dispatch", "round_sums"),
    "sums": (4, 0, "multiply", "round_sums"),
}


def made_up(
    program: Program,
    image: Bytes,  # noqa: ARG001
    timing: Timing,
    *,
    record: bool,
) -> dict[str, Any]:
    """Stands in for `timing.run.run_timed`. A FIFO that is less deep than its fill costs a cycle a missing place."""
    depths = {name: timing.depths.get(name, depth) for name, (depth, _, _, _) in FIFOS.items()}
    missing = sum(max(0, fill - depths[name]) for name, (_, fill, _, _) in FIFOS.items() if depths[name])
    operations, unit, loader = [], [], []
    now = 100
    for index, op in enumerate(program.operations):
        product = op.kind == number("PRODUCT")
        work = max(op.out_tiles * op.blocks * op.in_words, 1) if product else max(op.tokens * op.in_words, 1)
        wait = op.weight_beats // 8
        end = now + START + work + wait
        operations.append({"index": index, "start": now, "end": end})
        unit.append([index, now, end, work if product else 0, START + wait, 0, 0])
        loader.append([index, now, end, min(op.weight_beats, work), wait, 0, 0])
        now = end
    cycles = now + missing
    span = [[-1, 0, cycles, cycles // 3, 0, cycles // 3, cycles // 3]]
    processes = [
        _process("fetch_weights", "edgemoe_engine", cycles, span, record),
        _process("multiply", "operate", cycles, unit, record),
        _process("load_operands", "operate", cycles, loader, record),
    ]
    beats = sum(op.weight_beats for op in program.operations)
    return {
        "cycles": cycles, "status": 0, "operations": operations, "processes": processes,
        "fifos": [
            {"name": name, "depth": depths[name], "highest": min(fill, depths[name] or fill), "writes": 10,
             "blocked": 3, "starved": 5, "writer": writer, "reader": reader}
            for name, (_, fill, writer, reader) in FIFOS.items()
        ],
        "ports": [{"name": "weights_0", "beats": beats, "bursts": beats // 16, "bytes": 16 * beats,
                   "busy_cycles": beats, "waited": 7}],
        "ddr": {"busy": cycles // 2, "bytes": 16 * beats},
        "loops": [{"label": "multiply_steps", "iterations": 1000, "ii": 1, "depth": 12, "wait_in": 5, "wait_out": 0}],
        "violations": [], "deadlock": None,
    }  # fmt: skip


def stuck(cycle: Sequence[tuple[str, str, str]], operation: int = 5) -> Callable[..., dict[str, Any]]:
    """A library whose runs end in a deadlock: process, what it waits for, FIFO."""

    def run(program: Program, image: Bytes, timing: Timing, *, record: bool) -> dict[str, Any]:
        links = [{"process": process, "waits_for": what, "fifo": fifo} for process, what, fifo in cycle]
        found = made_up(program, image, timing, record=record)
        return {
            **found,
            "operations": found["operations"][:operation],
            "deadlock": {"operation": operation, "cycle": links},
        }

    return run


def _process(name: str, region: str, cycles: int, records: list[list[int]], record: bool) -> dict[str, Any]:
    busy, starved, blocked, ddr = (sum(row[i] for row in records) for i in range(3, 7))
    totals = {"busy": busy, "starved": starved, "blocked": blocked, "ddr": ddr}
    idle = cycles - sum(totals.values())
    kept = records if record else []
    return {"name": name, "region": region, "instance": 0, **totals, "idle": idle, "records": kept}
