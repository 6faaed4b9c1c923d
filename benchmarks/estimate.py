"""The estimate of cycles against the timed simulation: deviations over networks, designs and memories, and its time.

Networks have random weights, but for the example that ships. Routes are those of the timed run, so that both know the
same queues; the column "even" is what the estimate says without them.
"""

from __future__ import annotations

import argparse
import timeit
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from setting import EXAMPLE, show

from edgemoe_gen.codegen import render_sources
from edgemoe_gen.design import make_design
from edgemoe_gen.estimate import estimate_cycles
from edgemoe_gen.fitting.defaults import default_knobs
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.hardware.kinds import number
from edgemoe_gen.model import Model, load_model, read_spec_file
from edgemoe_gen.model.random import random_model, random_picture
from edgemoe_gen.model.spec import BlockSpec, ImageSpec, ModelSpec, RouterSpec, TaskSpec
from edgemoe_gen.numerics.formats import choose_formats, observe_ranges, prepare
from edgemoe_gen.pictures.found import find_pictures, open_picture
from edgemoe_gen.program.compile import Program, compile_network, pack_image
from edgemoe_gen.timing.result import TimedResult
from edgemoe_gen.timing.run import time_program
from edgemoe_gen.timing.table import Timing, load_timing

BOARD = "zcu104"
REPEATS = 20
ODD_UNIT = {"tokens_parallel": 3, "out_parallel": 48, "in_parallel": 16, "score_rows": 1}
NARROW = {"weight_ports": 2, "fill_beats": 1}
STARVED = {"ddr_gb_per_s": 6.0, "depths": {"weights": 1024}}


@dataclass(frozen=True)
class Run:
    """One row: a network, frames, knobs that are turned, and what the timing is told."""

    network: str
    title: str
    knobs: Mapping[str, int | float] = field(default_factory=dict)
    said: Mapping[str, Any] = field(default_factory=dict)
    frames: int = 1


RUNS = (
    Run("tiny", "as by default"),
    Run("tiny", "two frames", frames=2),
    Run("tiny", "6 GB/s, shallow FIFOs", said=STARVED),
    Run("tiny", "3 x 48 x 16 MACs", knobs=ODD_UNIT),
    Run("tiny", "two ports, one beat a cycle", knobs=NARROW),
    Run("tiny197", "as by default"),
    Run("tiny197", "6 GB/s, shallow FIFOs", said=STARVED),
    Run("example", "as by default"),
    Run("example", "3 x 48 x 16 MACs", knobs=ODD_UNIT),
    Run("small", "as by default"),
)


def spec_of(height: int, width: int, dim: int, heads: int, top_k: int, ratio: int) -> ModelSpec:
    """An M3ViT of twelve blocks; every second one has 16 experts of `ratio` x dim features."""
    tokens = (height // 16) * (width // 16) + 1
    blocks = tuple(BlockSpec(i, 16 * (i % 2), dim * (ratio if i % 2 else 4)) for i in range(12))
    return ModelSpec(
        image=ImageSpec.named(height, width, "none"), patch=16, dim=dim, heads=heads, blocks=blocks,
        router=RouterSpec("single", top_k=top_k), tasks=(TaskSpec("a"),), tokens=tokens, class_token=True,
    )  # fmt: skip


SPECS = {
    "tiny": spec_of(256, 128, 192, 3, 2, 2),
    "tiny197": spec_of(224, 224, 192, 3, 2, 2),
    "small": spec_of(512, 512, 384, 12, 4, 1),
}


def network(name: str) -> tuple[Model, Any]:
    """A model and a picture for it."""
    if name != "example":
        return random_model(SPECS[name]), random_picture(SPECS[name])
    model = load_model(EXAMPLE / "checkpoint.pth.tar", None, read_spec_file(EXAMPLE / "spec.toml"))
    return model, open_picture(find_pictures([EXAMPLE / "images"])[0], model.spec.image).values


def rows_of(program: Program, timing: Timing, result: TimedResult) -> list[list[int]]:
    """Tokens of every queue, routing after routing: as many as were gathered."""
    depth = timing.loops["gather_steps"].depth
    spans = {
        record.operation: record.cycles - depth + 1
        for process in result.processes
        if process.name == "gather_tokens"
        for record in process.records
    }
    rows: list[list[int]] = []
    for i, op in enumerate(program.operations):
        if op.kind == number("ROUTE"):
            rows.append([0] * op.expert_end)
        if op.gather_expert >= 0:
            # A loop that is skipped takes a cycle.
            rows[-1][op.gather_expert] = max(spans[i] // op.gather_words, 0)
    return rows


def measure(networks: Sequence[str]) -> list[tuple[object, ...]]:
    """A row of figures for every run of some networks."""
    board = load_board(BOARD)
    table: list[tuple[object, ...]] = []
    for name in networks:
        model, picture = network(name)
        spec = model.spec
        seen = observe_ranges(model, [picture], spec.task_names)
        lowered = prepare(model, seen)
        for run in (run for run in RUNS if run.network == name):
            design = make_design(default_knobs(spec, board, {"max_map_width": 0, **run.knobs}), board)
            formats = choose_formats(lowered, seen, design.knobs.widths)
            tasks = [spec.task_names[i % len(spec.task_names)] for i in range(run.frames)]
            program = compile_network(design, model, lowered, formats, tasks)
            timing = load_timing(design, render_sources(design), **run.said)
            image = pack_image(program, spec, [picture] * run.frames)
            result = time_program(program, image, timing)
            found = estimate_cycles(program, rows_of(program, timing, result), timing)
            even = estimate_cycles(program, timing=timing)
            taken = min(timeit.repeat(lambda p=program: estimate_cycles(p), number=1, repeat=REPEATS))  # type: ignore[misc]
            table.append(
                (name, run.title, f"{len(program.operations):,}", f"{result.cycles:,}", f"{found.total:,}",
                 f"{found.total / result.cycles - 1:+.2%}", f"{even.total / result.cycles - 1:+.2%}",
                 f"{taken * 1e3:.1f}", "estimate / timed simulation")
            )  # fmt: skip
    return table


def main() -> None:
    """Measures and prints."""
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    names = [*SPECS, "example"]
    arguments.add_argument("networks", nargs="*", choices=[*names, []], help=f"of {', '.join(names)}; all if left out")
    chosen = arguments.parse_args().networks or names
    heads = ["network", "run", "operations", "timed, cycles", "estimate, cycles", "off by", "even", "ms", "tier"]
    show(f"The estimate of cycles on the {load_board(BOARD).title}", heads, measure(chosen))


if __name__ == "__main__":
    main()
