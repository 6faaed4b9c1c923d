"""`edgemoe-gen generate`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from edgemoe_gen import api
from edgemoe_gen.api.arguments import BuildArguments, GenerateKeywords
from edgemoe_gen.base.arguments import arguments_of
from edgemoe_gen.cli import output
from edgemoe_gen.cli.basics import json_option
from edgemoe_gen.cli.options import HelpfulCommand, argument_option, checkpoint_argument, keyword_options
from edgemoe_gen.cli.tables import resource_table


@click.command("generate", cls=HelpfulCommand)
@checkpoint_argument()
@keyword_options(GenerateKeywords, texts={"output": "Sources go to OUTPUT/accelerator [default: build]."})
@argument_option(arguments_of(BuildArguments)["force"])
@json_option
def command(keywords: GenerateKeywords, checkpoint: Path | None, force: bool, as_json: bool) -> None:
    """Render the accelerator's C++ sources, and nothing more.

    Without CHECKPOINT the knobs give the largest network of the design, and PyTorch is not needed. With a checkpoint,
    default knobs suit its network. The same knobs give the same bytes.

    \b
    Example:
      edgemoe-gen generate --board kv260 --knob tokens_parallel=2 --output design
    """
    result = api.generate(checkpoint, force=force, **keywords)
    for text in result.notes:
        output.note(text)
    board = result.design.board
    if as_json:
        against = {name: {"used": u, "available": a} for name, u, a in result.resources.against(board)}
        output.as_json(
            {
                "folder": str(result.folder),
                "files": result.files,
                "design": f"{result.design.identity:016x}",
                "board": board.name,
                "knobs": asdict(result.design.knobs),
                "resources": {"tier": "estimate", "fits": result.resources.fits(board), "against": against},
            }
        )
        return
    output.line(
        f"fits {board.title} (estimate): {result.resources.dsp:,} of {board.dsp:,} DSP · {result.files} files in "
        f"{result.folder}"
    )
    resource_table(result.resources, board)
