"""`edgemoe-gen rtl`."""

from __future__ import annotations

from pathlib import Path

import click

from edgemoe_gen import api
from edgemoe_gen.api.arguments import RtlArguments, RtlKeywords
from edgemoe_gen.cli import output
from edgemoe_gen.cli.basics import json_option
from edgemoe_gen.cli.options import HelpfulCommand, checkpoint_argument, keyword_options
from edgemoe_gen.report.numbers import count
from edgemoe_gen.rtl.against_csim import speed
from edgemoe_gen.rtl.synthesis import TIER as SYNTHESIS

FAILED = 1


@click.command("rtl", cls=HelpfulCommand)
@checkpoint_argument()
@keyword_options(
    RtlKeywords,
    RtlArguments,
    texts={
        "output": "Verilog goes to OUTPUT/rtl [default: build].",
        "image": "Picture of each simulated frame, in turn; repeatable.",
        "calibrate": "Picture or folder for choosing binary points [default: those of --image]; repeatable.",
        "task": "Task of each simulated frame; repeatable, also the same one [default: the first, for a full pass of "
        "the weights].",
    },
)
@json_option
@click.pass_context
def command(context: click.Context, /, keywords: RtlKeywords, checkpoint: Path | None, as_json: bool) -> None:
    """Make SystemVerilog of the kernels, and simulate or synthesise it, without the vendor's tool.

    Each process becomes one module, with the names and lines of the kernels. The engine has the buses and registers
    that Vitis HLS would give it. The same options give the same bytes. Needs the extra `[rtl]`. Exit code 1 if a byte
    differs from C simulation.

    \b
    Examples:
      edgemoe-gen rtl --board zcu104 --output design
      edgemoe-gen rtl --knob tokens_parallel=2 --simulate --trace waves.vcd
      edgemoe-gen rtl checkpoint.pth.tar --spec spec.toml --simulate --image street.png --task semseg
      edgemoe-gen rtl --synthesise round_sums
    """
    with output.progress() as progress:
        result = api.rtl(checkpoint, progress=progress, **keywords)
    for text in result.notes:
        output.note(text)
    if as_json:
        output.as_json(result.as_dict())
    else:
        _show(result)
    if not result.passed:
        context.exit(FAILED)


def _show(result: api.RtlResult) -> None:
    output.line(f"{result.facts['headline']}, in {result.folder}")
    if result.synthesis:
        _synthesis(result)
    if result.simulation is not None:
        output.line(speed(result.simulation))
        output.line(result.simulation.headline)


def _synthesis(result: api.RtlResult) -> None:
    rows = [
        (
            one.module,
            count(one.luts),
            count(one.ff),
            count(one.dsp),
            f"{one.ramb36 + one.ramb18 / 2:g}",
            count(one.uram),
        )
        for one in result.synthesis
    ]
    columns = ["process", ">LUT", ">FF", ">DSP", ">BRAM36", ">URAM"]
    output.table(f"What Yosys makes of the processes, without what lies between them ({SYNTHESIS})", columns, rows)
    beside = [
        (
            ", ".join(row.processes),
            count(row.estimate_lut),
            count(row.between_lut),
            count(row.open_lut),
            "" if row.ratio is None else f"{row.ratio:.2f}",
            "" if row.ratio_with_between is None else f"{row.ratio_with_between:.2f}",
            count(row.estimate_dsp),
            count(row.open_dsp),
        )
        for row in result.compared
        if not row.missing
    ]
    if beside:
        columns = [
            "processes",
            ">LUT, estimate",
            ">between lanes",
            f">LUT, {SYNTHESIS}",
            ">ratio",
            ">with between",
            ">DSP, estimate",
            f">DSP, {SYNTHESIS}",
        ]
        fit = output.Fit(("with between", "between lanes"), wraps="processes", least=20)
        output.table("Beside the estimate of the same parts", columns, beside, fit=fit)
    for row in result.compared:
        if row.missing:
            output.line(f"beside the estimate of {', '.join(row.parts)}: also synthesise {', '.join(row.missing)}")
