"""`edgemoe-gen run`."""

from __future__ import annotations

from typing import Any

import click

from edgemoe_gen import api
from edgemoe_gen.cli import output
from edgemoe_gen.cli.basics import PATH, json_option
from edgemoe_gen.cli.options import (
    HelpfulCommand,
    checkpoint_argument,
    config_option,
    design_options,
    knob_values,
    network_options,
    spec_options,
)
from edgemoe_gen.model.images import KINDS
from edgemoe_gen.report.numbers import bytes_, duration, percent, plain, seconds


@click.command("run", cls=HelpfulCommand)
@checkpoint_argument()
@network_options
@config_option
@design_options
@click.option("--image", required=True, type=PATH, help=f"Picture: {KINDS}.")
@click.option("--task", help="Task; needed if the network has several.")
@click.option(
    "--backend", default="float", show_default=True,
    help="float: the reference; csim: the C simulation; board: an overlay on its board.",
)  # fmt: skip
@click.option(
    "--calibrate", multiple=True, type=PATH,
    help="csim: picture or folder that binary points are chosen from [default: the project's, else --image].",
)  # fmt: skip
@click.option("--routes", type=PATH, help="float: take the experts of another run's dump.")
@click.option("--dump", type=PATH, help="Write tokens, blocks, routes, scores, output as .npz.")
@click.option("--output", type=PATH, help="Write the task's result as a picture (.png).")
@click.option("--overlay", type=PATH, help="board: an installed overlay, its folder, or a build's.")
@click.option("--simulated", is_flag=True, help="board: take the simulated one.")
@json_option
def command(knobs: tuple[str, ...], as_json: bool, **given: Any) -> None:
    """Run one picture through the float reference, the C simulation, or an overlay on its board.

    A dump holds tokens [T, D] (last block), blocks [depth, T, D], routes and scores [blocks with experts, T, k] by
    descending score, and output (the decoder's result at the picture's size, in float) where there is a decoder. With
    --routes the float backend takes the experts of another dump, so that two runs differ in arithmetic only. The board
    needs --overlay and no checkpoint; it stores neither blocks nor routes, which are empty in its dump.

    \b
    Example:
      edgemoe-gen run checkpoint.pth.tar --spec spec.toml --image street.png --task semseg --backend csim --dump a.npz
      edgemoe-gen run checkpoint.pth.tar --spec spec.toml --image street.png --task semseg --routes a.npz --dump b.npz
      edgemoe-gen run --backend board --overlay m3vit_zcu104 --image street.png --task semseg --output semseg.png
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
    took = seconds(result.seconds) if result.stages is None else duration(result.seconds)
    tier = f" ({result.tier})" if result.tier else ""
    output.line(f"{result.task} by {_BACKENDS[result.backend]} in {took}{tier}")
    rows: list[tuple[str, str]] = [
        (
            "tokens",
            f"{_shape(tokens['shape'])}, mean {plain(tokens['mean'])}, std {plain(tokens['std'])}",
        ),
    ]
    if result.stages is None:
        rows += [("blocks", _shape(facts["blocks"])), ("routes", _shape(facts["routes"]))]
    else:
        rows += [(f"time of {stage}", duration(value)) for stage, value in result.stages.items()]
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
_BACKENDS = {"float": "the float reference", "csim": "C simulation", "board": "the board"}


def _shape(sizes: list[int]) -> str:
    return " × ".join(str(size) for size in sizes)
