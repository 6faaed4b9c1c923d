"""`edgemoe-gen compare`."""

from __future__ import annotations

from typing import Any

import click

from edgemoe_gen import api
from edgemoe_gen.cli import output
from edgemoe_gen.cli.basics import PATH, json_option
from edgemoe_gen.cli.options import HelpfulCommand, config_option, network_options, spec_options
from edgemoe_gen.cli.tuning_view import picture_options, workers_options
from edgemoe_gen.report.numbers import count, plain
from edgemoe_gen.tuning.front import FIGURES


@click.command("compare", cls=HelpfulCommand)
@click.argument("a")
@click.argument("b")
@click.option("--checkpoint", type=PATH, help="The network [default: the project's].")
@network_options
@config_option
@click.option("--board", help="Board of designs that name none [default: zcu104].")
@picture_options
@click.option(
    "--tier", default="csim", show_default=True,
    help="How far both climb: estimate, timed (timed simulation), csim (C simulation too, for errors).",
)  # fmt: skip
@workers_options
@json_option
def command(as_json: bool, **given: Any) -> None:
    """Compare two designs: knobs that differ, cycles by layer, resources by part, error.

    A and B are each a project's file (.toml), the folder of a build, knobs such as "tokens_parallel=4,weight_bits=8",
    or "default": the knobs that suit network and board. Where no checkpoint is named, the network is M3ViT tiny with
    random weights: cycles and resources are the same, errors mean little.

    \b
    Examples:
      edgemoe-gen compare default tokens_parallel=3 --checkpoint checkpoint.pth.tar --spec spec.toml --image images/
      edgemoe-gen compare edgemoe.toml other.toml
      edgemoe-gen compare build default --tier estimate
    """
    options = spec_options(given)
    with output.progress() as progress:
        result = api.compare(given.pop("a"), given.pop("b"), options=options, progress=progress, **given)
    for text in result.notes:
        output.note(text)
    if as_json:
        output.as_json(result.as_dict())
    else:
        _show(result)


def _show(result: api.Comparison) -> None:
    a, b = (f">{side.name}" for side in result.sides)
    boards = [side.board for side in result.sides]
    rows: list[tuple[object, ...]] = [] if boards[0] == boards[1] else [("board", *boards)]
    rows += [(name, f"{x:g}", f"{y:g}") for name, x, y in result.knobs()]
    output.table("Knobs that differ", ["knob", a, b], rows)
    change = ">B less A"
    output.table(
        f"Cycles a frame ({result.layer_tier})", ["layer", a, b, change],
        [(name, count(x), count(y), f"{y - x:+,}") for name, x, y in result.layers()],
    )  # fmt: skip
    parts = [
        (name, *(f"{x[kind]:,} → {y[kind]:,}" if x[kind] != y[kind] else f"{x[kind]:,}" for kind in x))
        for name, x, y in result.parts()
    ]
    output.table("Resources by part, A → B (estimate)", ["part", ">DSP", ">BRAM36", ">URAM", ">LUT"], parts)
    figures = [
        (FIGURES[name].title, plain(x), plain(y), f"{y / x:.3f} ×" if x else "–", tier)
        for name, x, y, tier in result.figures()
    ]
    output.table("Figures", ["", a, b, ">B / A", "tier"], figures)
    output.line(_headline(result))


def _headline(result: api.Comparison) -> str:
    found = {name: (x, y, tier) for name, x, y, tier in result.figures()}
    x, y, tier = found["latency_ms"]
    a, b = result.sides
    own = f" {a.outcome.latency_words}" if a.outcome.frames != b.outcome.frames else ""
    text = f"{a.name}: {x:.3f} ms{own}, {b.name}: {y:.3f} ms {b.outcome.latency_words} ({tier})"
    if "error" in found:
        x, y, tier = found["error"]
        text += f" · MSE {x:.2e} and {y:.2e} ({tier})"
    return text
