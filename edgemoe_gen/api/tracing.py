"""A frame layer by layer: float against the accelerator, or against the user's own tensors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgemoe_gen.api.arguments import TraceArguments, TraceKeywords
from edgemoe_gen.api.simulation import simulated
from edgemoe_gen.api.tasks import one_task
from edgemoe_gen.base.arguments import split, takes
from edgemoe_gen.base.files import check_writable
from edgemoe_gen.pictures.found import open_picture
from edgemoe_gen.pipeline.tracing import (
    TraceResult,
    accelerator_tensors,
    compared,
    read_tensors,
    reference_tensors,
    same_sets,
    write_tensors,
)
from edgemoe_gen.project.arguments import PROJECT, PathText, project_arguments
from edgemoe_gen.project.early import Needs, open_checked
from edgemoe_gen.project.opening import Progress, no_progress, open_model

if TYPE_CHECKING:
    from typing_extensions import Unpack


@takes(TraceKeywords, *PROJECT, TraceArguments)
def trace(
    checkpoint: PathText | None = None,
    *,
    image: PathText,
    progress: Progress = no_progress,
    **keywords: Unpack[TraceKeywords],
) -> TraceResult:
    """Compares the tensors of two runs of one picture and task, layer by layer.

    Without `against`, the C simulation is compared with the float reference. The reference takes the same experts, so
    the rows differ only by arithmetic. Blocks with experts also say how many tokens the reference would send elsewhere.

    Args:
        checkpoint: file or folder of shards.
        image: picture.
        calibrate: pictures for choosing binary points; default: the project's, else `image`.
        task: name; needed if the network has several.
        against: .npz with tensors of your own run, by the names of the reference.
        output: .npz to write, with the reference's tensors by name.
        progress: called with text, steps done and steps in all.
    """
    how, left = split(TraceArguments, keywords)
    if how.output is not None:
        check_writable(Path(how.output))
    named = () if how.task is None else (how.task,)
    in_csim = how.against is None
    needs = Needs(True, in_csim, others=[Path(image)], tasks=named, compiler=in_csim)
    project = open_checked(project_arguments(left, checkpoint), needs)
    config, notes = project.config, list(project.notes)
    model = open_model(config)
    task = one_task(how.task, model.spec)
    picture = open_picture(Path(image), model.spec.image).values
    progress("running the float reference", 0, 1)
    free, own_routes = reference_tensors(model, picture, task)
    if how.output is not None:
        write_tensors(free, Path(how.output))
    if how.against is not None:
        theirs = read_tensors(Path(how.against), free)
        missing = tuple(name for name in free if name not in theirs)
        return TraceResult(task, "float reference", str(how.against), compared(free, theirs), missing, tuple(notes))
    result = simulated(config, model, picture, (task,), notes, progress)
    forced, equal = free, {}
    if own_routes is not None:
        routes = result.routes.astype("int64")
        if not np.array_equal(routes, own_routes):  # else the reference has taken these very experts
            forced, _ = reference_tensors(model, picture, task, routes)
        equal = same_sets(model, own_routes, routes)
    theirs = accelerator_tensors(result)
    return TraceResult(task, "float reference", "C simulation", compared(forced, theirs, equal), (), tuple(notes))
