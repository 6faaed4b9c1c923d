"""Frames that share a pass of the weights: what 1, 2, 3 and 4 of them take, each on the best design found for it.

M3ViT-tiny at 129 tokens. For every number, units of many shapes with the memories that the tool chooses beside them are
estimated; the fastest few that leave 15% of the board free run in timed simulation, and the fastest of these counts.
Frames are the picture, mirrored, moved, and both, so that they route differently.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from engine_parts.cases import Case, Float32, little, tiny
from engine_parts.runs import FREE, compile_case, fault_of, resources_of
from setting import show

from edgemoe_gen.base.errors import EdgeMoEError
from edgemoe_gen.codegen import render_sources
from edgemoe_gen.design import Design, make_design
from edgemoe_gen.estimate import estimate_cycles
from edgemoe_gen.fitting.defaults import default_knobs
from edgemoe_gen.hardware.boards import Board
from edgemoe_gen.program.compile import pack_image
from edgemoe_gen.program.outline import outline_network
from edgemoe_gen.timing.run import time_program
from edgemoe_gen.timing.table import load_timing

TOKENS = range(2, 13)
OUT_BY_IN = ((16, 16), (32, 16), (48, 16), (16, 8), (24, 8), (32, 8), (24, 24), (32, 32))
SLOW_MEMORY = 4  # the second table: a memory of a quarter of the rate


@dataclass(frozen=True)
class Pass:
    """A full pass of the weights in timed simulation, on one design.

    Attributes:
        frames: that share it.
        unit: tokens x outputs x inputs in parallel.
        milliseconds: until all results are there: the latency of every frame.
        slow_milliseconds: the same with a memory of a quarter of the rate.
        ddr_bytes: a frame, through all ports.
        free: whether 15% of every resource stay free.
    """

    frames: int
    unit: tuple[int, int, int]
    fifo_beats: int
    milliseconds: float
    slow_milliseconds: float
    ddr_bytes: float
    dsp: int
    bram36: int
    uram: int
    free: bool

    @property
    def frames_per_second(self) -> float:
        """Frames a second of one pass after another."""
        return 1e3 * self.frames / self.milliseconds


def pictures_of(case: Case, count: int) -> list[Float32]:
    """So many different pictures: the case's own, mirrored, moved by a quarter of its width, both, and on."""
    moved = itertools.count()
    found: list[Float32] = []
    while len(found) < count:
        picture = np.roll(case.picture, next(moved) * case.picture.shape[2] // 4, axis=2)
        found += [picture, np.ascontiguousarray(picture[:, :, ::-1])]
    return found[:count]


def candidates(case: Case, board: Board, frames: int, tail_bits: int) -> list[tuple[float, Design]]:
    """Designs for so many frames a pass with their estimated milliseconds a frame, the fastest first."""
    found = []
    # Also the unit that the tool itself would take.
    shapes: list[dict[str, int]] = [{}]
    shapes += [
        {"tokens_parallel": tokens, "out_parallel": out, "in_parallel": inner}
        for tokens, (out, inner) in itertools.product(TOKENS, OUT_BY_IN)
        if tokens * out * inner <= FREE * board.dsp
    ]
    for shape in shapes:
        turned = {"max_map_width": 0, "frames_per_pass": frames, "residual_tail_bits": tail_bits, **shape}
        try:
            design = make_design(default_knobs(case.spec, board, turned), board)
            if max(use.share for use in resources_of(design)) > FREE:
                continue
            program = outline_network(design, case.spec, case.spec.task_names[:1] * frames)
        except EdgeMoEError:
            continue  # a shape that breaks a rule, or leaves no room for the memories
        found.append((estimate_cycles(program).milliseconds(design.knobs.clock_mhz) / frames, design))
    return sorted(found, key=lambda entry: entry[0])


def time_pass(case: Case, design: Design) -> Pass:
    """One full pass in timed simulation."""
    k = design.knobs
    frames = k.frames_per_pass
    program = compile_case(case, design, case.spec.task_names[:1] * frames)
    image = pack_image(program, case.spec, pictures_of(case, frames))
    sources = render_sources(design)
    runs = []
    for slower in (1, SLOW_MEMORY):
        timing = load_timing(design, sources, ddr_gb_per_s=design.board.ddr_gb_per_s / slower)
        result = time_program(program, image, timing, record=False)
        if fault_of(result):
            raise SystemExit(f"{frames} frames a pass: {fault_of(result)}")
        runs.append(result)
    resources = resources_of(design)
    used = {use.name: use.used for use in resources}
    milliseconds, slow = (run.milliseconds(k.clock_mhz) for run in runs)
    return Pass(
        frames, (k.tokens_parallel, k.out_parallel, k.in_parallel), k.weight_fifo_beats, milliseconds, slow,
        runs[0].ddr_bytes / frames, used["DSP"], used["BRAM36"], used["URAM"],
        max(use.share for use in resources) <= FREE,
    )  # fmt: skip


def rows_of(passes: Sequence[Pass]) -> list[tuple[object, ...]]:
    """The table: each number of frames beside the first."""
    first = passes[0]
    rows: list[tuple[object, ...]] = []
    for one in passes:
        slow = first.slow_milliseconds / first.frames * one.frames / one.slow_milliseconds
        rows.append(
            (one.frames, " x ".join(map(str, one.unit)), f"{one.fifo_beats:,}", f"{one.milliseconds:.3f}",
             f"{one.frames_per_second:.0f}", f"{one.frames_per_second / first.frames_per_second:.2f} x",
             f"{one.ddr_bytes / 1e6:.2f}", f"{one.ddr_bytes / first.ddr_bytes:.2f} x", f"{slow:.2f} x",
             f"{one.dsp:,}", one.bram36, one.uram, "timed simulation; resources estimate")
        )  # fmt: skip
    return rows


def main() -> None:
    """Measures and prints."""
    made = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    made.add_argument("--frames", default="1,2,3,4", help="numbers of frames a pass, the first is what others count by")
    made.add_argument("--timed", type=int, default=2, help="designs of each number that run in timed simulation")
    made.add_argument("--little", action="store_true", help="a network of two blocks, for a trial")
    made.add_argument("--json", type=Path, help="also write all figures there")
    arguments = made.parse_args()
    case = little() if arguments.little else tiny()
    board = case.design.board
    best = []
    for frames in map(int, arguments.frames.split(",")):
        found = candidates(case, board, frames, case.design.knobs.residual_tail_bits)
        if not found:
            print(f"{frames} frames a pass: no design leaves room on the {board.title}")
            continue
        timed = [time_pass(case, design) for _, design in found[: arguments.timed]]
        best.append(min(timed, key=lambda one: one.milliseconds))
    print(f"{case.title}, {case.weights}; {board.title} at {case.design.knobs.clock_mhz:g} MHz")
    heads = [
        "frames a pass", "unit", "FIFO, beats", "ms a pass", "frames a second", "ratio", "DDR MB a frame", "ratio",
        f"frames a second at 1/{SLOW_MEMORY} of the memory's rate", "DSP", "BRAM36", "URAM", "tier",
    ]  # fmt: skip
    show("Frames that share a pass of the weights", heads, rows_of(best))
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(one) for one in best], indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
