"""`edgemoe-gen evaluate`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from edgemoe_gen import api
from edgemoe_gen.api.arguments import EvaluateKeywords
from edgemoe_gen.cli import output
from edgemoe_gen.cli.basics import PATH, json_option
from edgemoe_gen.cli.options import HelpfulCommand, checkpoint_argument, keyword_options
from edgemoe_gen.cli.tables import quality_line
from edgemoe_gen.cli.tuning_view import workers_options
from edgemoe_gen.report.numbers import counted, percent, share


@click.command("evaluate", cls=HelpfulCommand)
@checkpoint_argument()
@click.option(
    "--dataset", multiple=True, type=PATH, required=True,
    help="Folder of pictures with ground truth NAME.npz; repeatable.",
)  # fmt: skip
@keyword_options(
    EvaluateKeywords,
    texts={
        "calibrate": "Picture or folder for choosing binary points [default: the project's, or the first 8]; "
        "repeatable.",
        "labels": "Folder of ground truth [default: beside the pictures].",
        "task": "Task; repeatable [default: all].",
    },
)
@click.option("--first", type=int, metavar="N", help="Take the first N pictures.")
@workers_options
@json_option
def command(
    keywords: EvaluateKeywords,
    checkpoint: Path | None,
    dataset: tuple[Path, ...],
    first: int | None,
    jobs: int,
    scheduler: str | None,
    as_json: bool,
) -> None:
    """Run a whole folder through float and through the accelerator in C simulation: mIoU and depth error of both.

    Ground truth of NAME.png is NAME.npz with `labels` [H, W] (class numbers) and `depth` [H, W], or an array named
    after a task. Labels that are no class, and depths of 0, NaN or infinity, are left out and counted.

    \b
    Examples:
      edgemoe-gen evaluate checkpoint.pth.tar --spec spec.toml --dataset validation/ --jobs 2
      edgemoe-gen evaluate --dataset validation/ --knob weight_bits=8
    """
    with output.progress() as progress:
        result = api.evaluate(
            checkpoint,
            dataset=dataset,
            first=first,
            jobs=jobs,
            scheduler=scheduler,
            progress=progress,
            **keywords,
        )
    for text in result.notes:
        output.note(text)
    if as_json:
        output.as_json(result.as_dict())
        return
    rows = [
        (row.task, row.metric, f"{row.float_value:.4f}", f"{row.engine_value:.4f}", percent(row.loss, 2),
         percent(row.relative_rms, 2), "–" if row.sets_equal is None else percent(row.sets_equal), row.pictures,
         share(row.pixels, row.ignored))
        for row in result.tasks
    ]  # fmt: skip
    counts = [">equal sets", ">pictures", ">pixels"]
    columns = ["task", "metric", ">float", ">accelerator", ">loss", ">relative RMS", *counts]
    title = f"Accuracy over {counted(result.pictures, 'picture')} (C simulation)"
    output.table(title, columns, rows, fit=output.Fit(("pixels", "pictures"), wraps="metric", least=12))
    for row in result.tasks:
        output.line(quality_line(row.task, row.metric, row.engine_value, row.float_value, asdict(row)))
