"""`edgemoe-gen run`."""

from __future__ import annotations

from pathlib import Path

import click

from edgemoe_gen import api
from edgemoe_gen.api.arguments import RunArguments, RunKeywords
from edgemoe_gen.cli import output
from edgemoe_gen.cli.basics import PATH, json_option
from edgemoe_gen.cli.options import HelpfulCommand, checkpoint_argument, keyword_options
from edgemoe_gen.model.images import KINDS
from edgemoe_gen.report.numbers import bytes_, duration, percent, plain, seconds


@click.command("run", cls=HelpfulCommand)
@checkpoint_argument()
@click.option("--image", required=True, type=PATH, help=f"Picture: {KINDS}.")
@keyword_options(
    RunKeywords,
    RunArguments,
    texts={
        "calibrate": "csim: picture or folder for choosing binary points [default: the project's, else --image].",
    },
)
@json_option
def command(keywords: RunKeywords, checkpoint: Path | None, image: Path, as_json: bool) -> None:
    """Run one picture through the float reference, the C simulation, or an overlay on its board.

    A dump holds tokens [T, D] (last block), blocks [depth, T, D], routes and scores [blocks with experts, T, k] by
    descending score, and output (the decoder's result at the picture's size, in float) where there is a decoder, or
    ids (class numbers [H, W]) where the engine's decoder gives classes. With several tasks each array has its task's
    name before it, as in TASK.tokens. Where no gate depends on the task, the tasks share the backbone.
    With --routes the float backend takes the experts of another dump, so that two runs differ only in arithmetic. The
    board needs --overlay and no checkpoint. It stores neither blocks nor routes, so these are empty in its dump.

    \b
    Example:
      edgemoe-gen run checkpoint.pth.tar --spec spec.toml --image street.png --task semseg --backend csim --dump a.npz
      edgemoe-gen run checkpoint.pth.tar --spec spec.toml --image street.png --task semseg --routes a.npz --dump b.npz
      edgemoe-gen run checkpoint.pth.tar --spec spec.toml --image street.png --task all --output maps.png
      edgemoe-gen run --backend board --overlay tiny_zcu104 --image street.png --task semseg --output semseg.png
    """
    with output.progress() as progress:
        result = api.run(checkpoint, image=image, progress=progress, **keywords)
    for text in result.notes:
        output.note(text)
    written = _written(result, keywords)
    if as_json:
        output.as_json({**result.as_dict(), "files": {"image": str(image), **written}})
        return
    for one in result.by_task.values():
        _show(one, bool(result.others))
    for name, path in written.items():
        if path is not None:
            output.line(f"written by --{name}: {path if isinstance(path, str) else ', '.join(path)}")


def _written(result: api.RunResult, keywords: RunKeywords) -> dict[str, str | list[str] | None]:
    """Files by option: none, one, or one for each task."""
    from edgemoe_gen.pipeline.running import output_paths  # which --help need not import

    dump, path = keywords["dump"], keywords["output"]
    files = [] if path is None else [str(one) for one in output_paths(Path(path), list(result.by_task))]
    return {
        "dump": None if dump is None else str(dump),
        "output": files if len(files) > 1 else next(iter(files), None),
    }


def _show(result: api.RunResult, several: bool) -> None:
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
    if facts["ids"]:
        rows.append(("class numbers", _shape(facts["ids"]["shape"])))
    if facts["classes"]:
        what = "likeliest classes" if facts["top_classes"] else "pixels by class"
        shown_classes = facts["classes"][:MOST_CLASSES]
        rows.append((what, ", ".join(f"{c['name']} {percent(c['share'])}" for c in shown_classes)))
    if result.traffic is not None:
        of_all = " of all tasks" if several else ""
        rows.append((f"DDR traffic{of_all}, every block's output included", bytes_(result.traffic.total)))
    output.table("", ["what", "found"], rows)


MOST_CLASSES = 8
_BACKENDS = {"float": "the float reference", "csim": "C simulation", "board": "the board"}


def _shape(sizes: list[int]) -> str:
    return " × ".join(str(size) for size in sizes)
