"""`edgemoe-gen simulate`."""

from __future__ import annotations

from pathlib import Path

import click

from edgemoe_gen import api
from edgemoe_gen.api.arguments import SimulateArguments, SimulateKeywords
from edgemoe_gen.cli import output
from edgemoe_gen.cli.basics import json_option
from edgemoe_gen.cli.options import HelpfulCommand, checkpoint_argument, keyword_options
from edgemoe_gen.report.numbers import bytes_, count, percent
from edgemoe_gen.report.simulation import limits_sentence
from edgemoe_gen.timing.facts import TimedRun
from edgemoe_gen.timing.result import TIER

FAILED = 1


@click.command("simulate", cls=HelpfulCommand)
@checkpoint_argument()
@keyword_options(
    SimulateKeywords,
    SimulateArguments,
    texts={
        "image": "Picture of each frame, in turn; repeatable [default: noise].",
        "calibrate": "Picture or folder for choosing binary points [default: those of --image]; repeatable.",
        "task": "Task of each frame; repeatable, also the same one [default: the first, for a full pass of the "
        "weights].",
    },
)
@json_option
@click.pass_context
def command(context: click.Context, /, keywords: SimulateKeywords, checkpoint: Path | None, as_json: bool) -> None:
    """Run the kernels with clocks in them: cycles of a frame, where they go, and limits; no vendor tool needed.

    Each process has a clock, each FIFO its depth, and each port its bursts; all ports share the memory's bandwidth.
    Without CHECKPOINT, simulate times M3ViT tiny with random weights. Exit code 1 on a deadlock, or where the schedule
    asks a memory for more ports than it has.

    \b
    Examples:
      edgemoe-gen simulate checkpoint.pth.tar --spec spec.toml --image street.png
      edgemoe-gen simulate --knob out_parallel=32 --html timeline.html
      edgemoe-gen simulate --task semseg --task depth --trace trace.json
      edgemoe-gen simulate --size-fifos
    """
    with output.progress() as progress:
        result = api.simulate(checkpoint, progress=progress, **keywords)
    for text in result.notes:
        output.note(text)
    if as_json:
        output.as_json(result.as_dict())
    else:
        _show(result)
    if not result.passed:
        context.exit(FAILED)


def _show(result: api.SimulateResult) -> None:
    run = result.run
    if run.result.operations:
        _groups(run)
        _processes(run)
        _fifos(run)
        _ports(run)
    _differences(run)
    _sizing(run)
    if result.passed:
        _roofline(run)
    for text in run.result.violations:
        output.line(f"violation: {text}")
    for path in result.written:
        output.line(f"written: {path}")
    output.line(run.headline)


def _groups(run: TimedRun) -> None:
    rows = [
        (g.group, count(g.operations), count(g.cycles), percent(g.share), count(g.compute), count(g.weights),
         count(g.start_up), g.limit)
        for g in run.result.by_group()
    ]  # fmt: skip
    columns = ["layer", ">operations", ">cycles", ">share", ">compute", ">waits for weights", ">start-up", "limited by"]
    total = ("the run", count(len(run.result.operations)), count(run.result.cycles), "", "", "", "", "")
    fit = output.Fit(("operations", "start-up", "waits for weights"))
    output.table(f"Cycles by layer ({TIER})", columns, rows, total, fit)
    output.line(limits_sentence(run.roofline.limit))


def _processes(run: TimedRun) -> None:
    cycles = max(run.result.cycles, 1)
    rows = [
        (p.title, p.region, *(percent(value / cycles) for value in (p.busy, p.starved, p.blocked, p.ddr, p.idle)))
        for p in run.result.processes
    ]
    columns = ["process", "region", ">busy", ">starved", ">blocked", ">DDR", ">not running"]
    output.table(f"Processes, share of the run ({TIER})", columns, rows, fit=output.Fit(("region", "not running")))


def _fifos(run: TimedRun) -> None:
    rows = [
        (f.name, f.writer, f.reader, count(f.depth) if f.depth else "∞", count(f.highest), count(f.blocked),
         count(f.starved))
        for f in run.result.fifos
    ]  # fmt: skip
    columns = ["FIFO", "from", "to", ">depth", ">highest fill", ">writer waited", ">reader waited"]
    output.table(f"FIFOs, in elements and cycles ({TIER})", columns, rows, fit=output.Fit(("from", "to")))


def _ports(run: TimedRun) -> None:
    rows = [(p.name, bytes_(p.bytes), count(p.bursts), count(p.waited)) for p in run.result.ports]
    if run.decoders is not None:
        moved, needed, ratio = (run.decoders[name] for name in ("moved", "needed", "ratio"))
        rows.append(("of these a frame's decoder", bytes_(moved), "", f"{ratio:.2f} x the least, {bytes_(needed)}"))
    share = run.result.ddr_busy / max(run.result.cycles, 1)
    total = ("DDR", bytes_(run.result.ddr_bytes), "", f"busy {percent(share)}")
    output.table(f"Ports ({TIER})", ["port", ">moved", ">bursts", ">kernel waited, cycles"], rows, total)


def _differences(run: TimedRun) -> None:
    if not run.differences:
        return
    origin = run.differences[0].origin
    rows = [(d.label, d.ii, d.found_ii, d.depth, d.found_depth) for d in run.differences if d.differs]
    if rows:
        columns = ["loop", ">II, table", f">II, {origin}", ">depth, table", f">depth, {origin}"]
        output.table(f"Loops that differ in {origin} from the table; figures of {origin} are used", columns, rows)
    same = len(run.differences) - len(rows)
    output.line(f"{same} of {len(run.differences)} loops have the same figures in {origin} as in the table")


def _sizing(run: TimedRun) -> None:
    if run.sizing is None:
        return
    rows = [(s.name, count(s.depth), count(s.highest), count(s.smallest)) for s in run.sizing.sizes]
    columns = ["FIFO", ">depth now", ">highest fill, unbounded", ">smallest that costs nothing"]
    output.table(f"Sizes of FIFOs ({TIER}, {run.sizing.runs} runs)", columns, rows)
    before = "a deadlock or violation" if run.sizing.before is None else f"{count(run.sizing.before)} cycles"
    output.line(f"with the smallest depths {count(run.sizing.cycles)} cycles, with the present ones {before}")


def _roofline(run: TimedRun) -> None:
    r = run.roofline
    used = percent(r.attained / r.peak_macs)
    rows = [
        ("compute unit", f"{count(r.peak_macs)} MACs a cycle", f"{r.attained:,.1f} reached, {used}"),
        ("DDR", f"{r.ddr_bytes:.2f} bytes a cycle", f"{r.moved_bytes / max(r.cycles, 1):.2f} moved"),
        ("work", f"{count(r.macs)} MACs", f"{r.intensity:.1f} a byte moved; compute bounds from {r.ridge:.1f}"),
        ("bound: compute", f"{r.compute_cycles:,.0f} cycles", "MACs / MACs a cycle"),
        ("bound: weights", f"{r.weight_cycles:,.0f} cycles", f"{bytes_(r.weight_bytes)} / bandwidth"),
        ("the run", f"{count(r.cycles)} cycles", f"{r.ratio:.3f} × the larger bound ({r.limit})"),
    ]  # fmt: skip
    output.table(f"Roofline on the {run.board} at {run.timing.clock_mhz:g} MHz ({TIER})", ["", ">", ""], rows)
