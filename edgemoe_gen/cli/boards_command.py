"""`edgemoe-gen boards`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from edgemoe_gen import api
from edgemoe_gen.cli import output
from edgemoe_gen.cli.basics import PATH, json_option


@click.command("boards")
@click.argument("name", required=False)
@click.option("--write", type=PATH, metavar="FILE.toml", help="Write a copy of the file of board NAME, to edit.")
@json_option
def command(name: str | None, write: Path | None, as_json: bool) -> None:
    """List the boards, or show one in full.

    A board is a file of plain facts; NAME, like --board everywhere, may be the path of a board file of your own.

    \b
    Examples:
      edgemoe-gen boards zcu104
      edgemoe-gen boards kv260 --write kr260.toml       (then change it: edgemoe-gen build --board kr260.toml)
    """
    found = api.boards(name, write=write)
    if write is not None:
        output.note(f"written: {write}")
    if as_json:
        output.as_json(asdict(found[0]) if name else [asdict(board) for board in found])
    elif name:
        output.table(found[0].title, ["what", "value"], [(k, _text(v)) for k, v in asdict(found[0]).items()])
    else:
        rows = [
            (
                b.name,
                b.title,
                b.part,
                f"{b.dsp:,}",
                f"{b.bram36:,}",
                f"{b.uram:,}",
                f"{b.lut:,}",
                f"{b.ddr_gb_per_s:g}",
                b.ports,
            )
            for b in found
        ]
        columns = ["name", "board", "part", ">DSP", ">BRAM36", ">URAM", ">LUT", ">DDR GB/s", ">ports"]
        output.table("Boards", columns, rows, fit=output.Fit(("part", "ports")))


def _text(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_text, value))
    return f"{value:,}" if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else str(value)
