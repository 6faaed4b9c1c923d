"""`edgemoe-gen compare`."""

from __future__ import annotations

from pathlib import Path

import click

from edgemoe_gen import api
from edgemoe_gen.api.arguments import SearchedKeywords
from edgemoe_gen.cli import output
from edgemoe_gen.cli.basics import json_option
from edgemoe_gen.cli.options import HelpfulCommand, keyword_options, project_option
from edgemoe_gen.cli.tuning_view import PICTURE_TEXTS, workers_options
from edgemoe_gen.report.numbers import count, plain


@click.command("compare", cls=HelpfulCommand)
@click.argument("a")
@click.argument("b")
@project_option("checkpoint")
@keyword_options(
    SearchedKeywords, texts={**PICTURE_TEXTS, "board": "Board of designs that name none [default: zcu104]."}
)
@click.option(
    "--tier", default="csim", show_default=True,
    help="How far both climb: estimate, timed (timed simulation), csim (C simulation too, for errors).",
)  # fmt: skip
@workers_options
@json_option
def command(
    keywords: SearchedKeywords,
    a: str,
    b: str,
    checkpoint: Path | None,
    tier: str,
    jobs: int,
    scheduler: str | None,
    as_json: bool,
) -> None:
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
    with output.progress() as progress:
        result = api.compare(
            a, b, checkpoint=checkpoint, tier=tier, jobs=jobs, scheduler=scheduler, progress=progress, **keywords
        )
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
        (result.title(name), plain(x), plain(y), f"{y / x:.3f} ×" if x else "–", tier)
        for name, x, y, tier in result.figures()
    ]
    output.table("Figures", ["", a, b, ">B / A", "tier"], figures)
    output.line(_headline(result))


def _headline(result: api.Comparison) -> str:
    found = {name: (x, y, tier) for name, x, y, tier in result.figures()}
    x, y, tier = found["latency_ms"]
    a, b = result.sides
    unit = f" {a.outcome.latency_words}" if a.outcome.frames != b.outcome.frames else ""
    text = f"{a.name}: {x:.3f} ms{unit}, {b.name}: {y:.3f} ms {b.outcome.latency_words} ({tier})"
    if "error" in found:
        x, y, tier = found["error"]
        text += f" · {result.title('error').removeprefix('error, ')} {x:.2e} and {y:.2e} ({tier})"
    return text
