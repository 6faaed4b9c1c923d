"""Cycles of engines in RTL, simulated by Verilator, beside the timed simulation with RTL's own stages; FIFOs; speed.

Networks: "short" (the short program of co-simulation), "example", and "tiny", "tiny197" with random weights. All run on
one design, the default one of the largest unless knobs are turned. Bytes are compared with C simulation.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from estimate import network
from setting import show

from edgemoe_gen.codegen import render_sources
from edgemoe_gen.design import Design, Knobs, make_design
from edgemoe_gen.design.knobs import parse_knob
from edgemoe_gen.fitting.defaults import default_knobs
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.model import load_model, read_spec_file
from edgemoe_gen.numerics.formats import choose_formats, observe_ranges, prepare
from edgemoe_gen.pictures.found import find_pictures, open_picture
from edgemoe_gen.program.compile import Program, compile_network, pack_image
from edgemoe_gen.program.pack import Bytes
from edgemoe_gen.program.short import compile_short, short_network
from edgemoe_gen.rtl.cycles import Comparison, compare_cycles
from edgemoe_gen.rtl.engine import Engine, make_engine
from edgemoe_gen.rtl.simulation import UNWRITTEN, Memory, build_simulation, program_buffers, simulate
from edgemoe_gen.rtl.timing import with_rtl
from edgemoe_gen.sim.engine import Engine as CEngine
from edgemoe_gen.timing.run import time_program
from edgemoe_gen.timing.scheduled import known_timing
from edgemoe_gen.timing.table import load_timing

NETWORKS = ("short", "example", "tiny", "tiny197")
TIERS = "RTL simulation, timed simulation"
DEEP = 4096  # elements: more than any FIFO but those of weights can use


def programs(name: str, design: Design, trained: argparse.Namespace) -> tuple[Program, Bytes]:
    """A network as a program with one frame of each task, and its picture."""
    if name == "short":
        program, spec, image = compile_short(design)
        return program, pack_image(program, spec, [image] * len(program.frames))
    if name == "tiny" and trained.checkpoint:
        model = load_model(trained.checkpoint, None, read_spec_file(trained.spec))
        picture = open_picture(find_pictures([trained.image])[0], model.spec.image).values
    else:
        model, picture = network(name)
    seen = observe_ranges(model, [picture], model.spec.task_names)
    lowered = prepare(model, seen)
    tasks = list(model.spec.task_names)
    program = compile_network(design, model, lowered, choose_formats(lowered, seen, design.knobs.widths), tasks)
    return program, pack_image(program, model.spec, [picture] * len(tasks))


def design_for(names: Sequence[str], arguments: argparse.Namespace) -> Design:
    """The design that all of these networks run on."""
    board = load_board(arguments.board)
    turned = {"max_map_width": 0} | dict(parse_knob(text) for text in arguments.knob)  # the backbone alone
    largest = max(names, key=NETWORKS.index)
    spec = short_network(make_design(Knobs(), board))[0].spec if largest == "short" else network(largest)[0].spec
    return make_design(default_knobs(spec, board, turned), board)


def built(design: Design) -> tuple[Engine, Path]:
    """The engine of a design and its simulation; tells what both cost."""
    since = time.process_time()
    engine = make_engine(design)
    generated, before = time.process_time() - since, resource.getrusage(resource.RUSAGE_CHILDREN)
    executable = build_simulation(engine, design)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    lines = sum(text.count("\n") for text in engine.sources.values())
    cost = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    print(f"{lines:,} lines of SystemVerilog in {generated:.1f} s; verilated and compiled in {cost:.0f} s of CPU time")
    return engine, executable


def expected_of(program: Program, buffers: dict[str, Bytes]) -> Bytes:
    """What C simulation writes."""
    result = np.full((program.result_beats, program.design.beat_bytes), UNWRITTEN, np.uint8)
    weights = list(program.weights)
    CEngine.compile(program.design).execute(buffers["program"], weights, buffers["constants"], buffers["image"], result)
    return result


def measure(name: str, design: Design, engine: Engine, executable: Path, arguments: argparse.Namespace) -> list[object]:
    """One network: its tables are shown, its row is returned."""
    program, image = programs(name, design, arguments)
    buffers = program_buffers(program, image)
    sources = render_sources(design)
    timing = with_rtl(load_timing(design, sources), engine.modules)
    timed = time_program(program, image, timing)
    expected = expected_of(program, buffers)
    with tempfile.TemporaryDirectory() as folder:
        memory = Memory(latency=timing.axi_latency, bytes_per_cycle=timing.ddr_bytes)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run = simulate(executable, buffers, expected.nbytes, Path(folder), memory=memory)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    compared = compare_cycles(run, timed, len(program.operations))
    show_comparison(name, compared, arguments.all)
    depths = {fifo.name.partition("[")[0]: 0 for fifo in timed.fifos}
    unlimited = time_program(program, image, timing.with_depths(depths), record=False)
    other = time_program(program, image, known_timing(design, sources)[0], record=False)
    frames = len(program.frames)
    seconds = after.ru_utime - before.ru_utime
    return [
        name, frames, len(program.operations), f"{run.bad(expected):,} of {expected.nbytes:,}", f"{compared.rtl:,}",
        f"{compared.timed:,}", f"{compared.share:+.3%}", f"{unlimited.cycles:,}",
        f"{compared.rtl / unlimited.cycles - 1:+.3%}",
        f"{other.cycles:,}", f"{run.clocks / 1e3 / seconds:.1f}", f"{seconds / frames:.1f}", TIERS,
    ]  # fmt: skip


def deeper(design: Design, program: Program, image: Bytes) -> Design:
    """The design with FIFOs that nothing fills; that of weights is deep as it is."""
    timing = load_timing(design, render_sources(design))
    fifos = time_program(program, image, timing, record=False).fifos
    names = {fifo.name.partition("[")[0] for fifo in fifos} - {"weights"}
    return replace(design, fifo_depths=dict.fromkeys(sorted(names), DEEP))


def show_comparison(name: str, found: Comparison, all_fifos: bool) -> None:
    """Operations by kind, and FIFOs."""
    rows = [
        [row.kind, row.operations, f"{row.rtl:,}", f"{row.timed:,}", f"{row.rtl - row.timed:+,}",
         f"{row.least:+} .. {row.most:+}", TIERS]
        for row in found.kinds
    ]  # fmt: skip
    heads = ["operations", "number", "cycles RTL", "timed", "difference", "of one", "tier"]
    show(f"{name}: {found.rtl:,} cycles in RTL, {found.timed:,} in timed simulation", heads, rows)
    unlike = [row for row in found.fifos if all_fifos or row.rtl != row.timed]
    fifos = [[row.name, row.depth, row.rtl, row.timed, TIERS] for row in unlike]
    same = len(found.fifos) - sum(row.rtl != row.timed for row in found.fifos)
    title = f"{name}: places that FIFOs need; {same} of {len(found.fifos)} alike"
    show(title, ["FIFO", "depth", "RTL", "timed", "tier"], fifos)


def main() -> None:
    """Runs the script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", choices=[*NETWORKS, []], help="networks; by default short and example")
    parser.add_argument("--board", default="zcu104", help="board by name or file")
    parser.add_argument("--knob", action="append", default=[], metavar="NAME=VALUE", help="turn a knob; repeatable")
    parser.add_argument("--checkpoint", type=Path, help="trained weights for tiny, with --spec and --image")
    parser.add_argument("--spec", type=Path)
    parser.add_argument("--image", type=Path)
    parser.add_argument("--deep", action="store_true", help="also an engine whose FIFOs are never full: twice the time")
    parser.add_argument("--all", action="store_true", help="show FIFOs also where both need the same")
    arguments = parser.parse_args()
    names = arguments.networks or ["short", "example"]
    design = design_for(names, arguments)
    k = design.knobs
    print(f"{design.board.title}, {k.tokens_parallel} x {k.out_parallel} x {k.in_parallel} MACs")
    engine, executable = built(design)
    rows = [measure(name, design, engine, executable, arguments) for name in names]
    if arguments.deep:
        program, image = programs(names[0], design, arguments)
        deep = deeper(design, program, image)
        engine, executable = built(deep)
        rows += [[f"{row[0]}, deep FIFOs", *row[1:]] for row in
                 (measure(name, deep, engine, executable, arguments) for name in names)]  # fmt: skip
    heads = [
        "network", "frames", "operations", "bytes that differ", "cycles RTL", "timed", "difference",
        "unlimited FIFOs", "RTL beside it", "timed, open schedule", "kcycles / CPU s", "CPU s a frame", "tiers",
    ]  # fmt: skip
    show("RTL beside timed simulation", heads, rows)


if __name__ == "__main__":
    main()
