"""`edgemoe-gen run`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgemoe_gen import api
from edgemoe_gen.cli import output
from edgemoe_gen.cli.options import (
    HelpfulCommand,
    checkpoint_argument,
    config_option,
    design_options,
    json_option,
    knob_values,
    network_options,
    spec_options,
)
from edgemoe_gen.report.numbers import bytes_, percent, plain, seconds


@click.command("run", short_help="Run one picture: float reference or C simulation.", cls=HelpfulCommand)
@checkpoint_argument()
@network_options
@config_option
@design_options
@click.option("--image", required=True, type=click.Path(path_type=Path), help="Picture: PNG, JPEG or .npy.")
@click.option("--task", help="Task; needed if the network has several.")
@click.option("--backend", default="float", show_default=True, help="float: the reference; csim: the C simulation.")
@click.option(
    "--calibrate", multiple=True, type=click.Path(path_type=Path),
    help="csim: picture or folder that binary points are chosen from [default: the project's, else --image].",
)  # fmt: skip
@click.option("--routes", type=click.Path(path_type=Path), help="float: take the experts of another run's dump.")
@click.option("--dump", type=click.Path(path_type=Path), help="Write tokens, blocks, routes, scores, output as .npz.")
@click.option("--output", type=click.Path(path_type=Path), help="Write the task's result as a picture (.png).")
@json_option
def command(knobs: tuple[str, ...], as_json: bool, **given: Any) -> None:
    """Run one picture through the float reference or the C simulation.

    A dump holds tokens [T, D] (last block), blocks [depth, T, D], routes and scores [blocks with experts, T, k] by
    descending score, and output (the decoder's result at the picture's size, in float) where there is a decoder. With
    --routes the float backend takes the experts of another dump, so that two runs differ in arithmetic only.

    \b
    Example:
      edgemoe-gen run checkpoint.pth.tar --spec spec.toml --image street.png --task semseg --backend csim --dump a.npz
      edgemoe-gen run checkpoint.pth.tar --spec spec.toml --image street.png --task semseg --routes a.npz --dump b.npz
    """
    options = spec_options(given)
    with output.progress() as progress:
        result = api.run(given.pop("checkpoint"), options=options, knobs=knob_values(knobs), progress=progress, **given)
    for text in result.notes:
        output.note(text)
    if as_json:
        paths = {name: None if given[name] is None else str(given[name]) for name in ("image", "dump", "output")}
        output.as_json({**result.as_dict(), "files": paths})
        return
    facts = result.as_dict()
    tokens = facts["tokens"]
    output.line(f"{result.task} by {_BACKENDS[result.backend]} in {seconds(result.seconds)}")
    rows: list[tuple[str, str]] = [
        (
            "tokens",
            f"{_shape(tokens['shape'])}, mean {plain(tokens['mean'])}, std {plain(tokens['std'])}",
        ),
        ("blocks", _shape(facts["blocks"])),
        ("routes", _shape(facts["routes"])),
    ]
    if facts["output"]:
        shown = facts["output"]
        rows.append(("output", f"{_shape(shown['shape'])}, {plain(shown['min'])} to {plain(shown['max'])}"))
    if facts["classes"]:
        what = "likeliest classes" if facts["top_classes"] else "pixels by class"
        shown_classes = facts["classes"][:MOST_CLASSES]
        rows.append((what, ", ".join(f"{c['name']} {percent(c['share'])}" for c in shown_classes)))
    if result.traffic is not None:
        rows.append(("DDR traffic, every block's output included", bytes_(result.traffic.total)))
    rows += [(name, str(given[name])) for name in ("dump", "output") if given[name] is not None]
    output.table("", ["what", "found"], rows)


MOST_CLASSES = 8
_BACKENDS = {"float": "the float reference", "csim": "C simulation"}


def _shape(sizes: list[int]) -> str:
    return " × ".join(str(size) for size in sizes)
