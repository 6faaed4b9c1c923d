"""`edgemoe-gen init`."""

from __future__ import annotations

from pathlib import Path

import click

from edgemoe_gen import api
from edgemoe_gen.cli import output
from edgemoe_gen.cli.basics import PATH
from edgemoe_gen.cli.options import HelpfulCommand, checkpoint_argument, keyword_options
from edgemoe_gen.project.arguments import NewProjectKeywords
from edgemoe_gen.report.document import normalisation_facts
from edgemoe_gen.report.numbers import normalisation


@click.command("init", cls=HelpfulCommand)
@checkpoint_argument(required=True)
@keyword_options(NewProjectKeywords, texts={"output": "Folder that builds will write to [default: build]."})
@click.option("--file", "--config", "file", type=PATH, default="edgemoe.toml", show_default=True, help="File to write.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
def command(keywords: NewProjectKeywords, checkpoint: Path, file: Path, force: bool) -> None:
    """Write edgemoe.toml: the project's network, board, knobs and numerics, every key explained in a comment.

    The architecture is read from CHECKPOINT. Facts that a checkpoint can't tell (attention heads, image size,
    top-k, normalisation of pixels, names of tasks) come from --spec or options; missing ones are asked for by name.
    Knobs get values for the network and the board.

    \b
    Example:
      edgemoe-gen init checkpoint.pth.tar --heads 3 --image-height 128 --image-width 256 --top-k 2 \\
          --normalise imagenet --image images/
    """
    result = api.init(checkpoint, file=file, force=force, **keywords)
    output.checkpoint_notes(result.notes)
    spec, board = result.spec, result.design.board
    fits = "fits" if result.resources.fits(board) else "does not fit"
    output.line(
        f"wrote {result.path}: {spec.depth} blocks, {spec.tokens} tokens of {spec.dim}, "
        f"tasks {', '.join(spec.task_names)}; {fits} the {board.title} (estimate): {result.resources.dsp:,} of "
        f"{board.dsp:,} DSP"
    )
    output.line(f"pixels: {normalisation(normalisation_facts(spec.image))}")
    output.line("next: edgemoe-gen build")
