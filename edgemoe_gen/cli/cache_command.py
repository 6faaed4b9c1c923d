"""`edgemoe-gen cache`."""

from __future__ import annotations

from dataclasses import asdict

import click

from edgemoe_gen import api
from edgemoe_gen.cli import output
from edgemoe_gen.cli.basics import json_option
from edgemoe_gen.report.numbers import bytes_


@click.command("cache")
@click.option("--clean", is_flag=True, help="Remove it, except for files that another process is making.")
@click.option(
    "--older-than", type=float, default=0.0, show_default=True, metavar="DAYS",
    help="With --clean: remove only files that were not used for so long.",
)  # fmt: skip
@json_option
def command(clean: bool, older_than: float, as_json: bool) -> None:
    """Show or remove the cache of compiled designs, schedules and Verilog.

    All of it can be made again, in seconds to minutes, and no result of a build lies there. The cache removes its
    oldest files by itself and stays below some hundred MB. Its folder is EDGEMOE_CACHE, else ~/.cache/edgemoe-gen.

    \b
    Examples:
      edgemoe-gen cache
      edgemoe-gen cache --clean --older-than 30
    """
    found = api.cache(clean=clean, older_than=older_than)
    if as_json:
        output.as_json({"folder": str(found.folder), "cleaned": clean, "kept": [asdict(row) for row in found.kept]})
        return
    rows = [(row.kind, f"{row.files:,}", bytes_(row.size), f"{row.oldest:.0f}") for row in found.kept]
    if rows:
        title = "Removed" if clean else "Kept"
        output.table(f"{title} in {found.folder}", ["what", ">files", ">size", ">days since use, at most"], rows)
    output.line(f"{bytes_(found.size)} {'removed from' if clean else 'in'} {found.folder}")
