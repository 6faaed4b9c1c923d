"""The stage `simulate`: a frame of every task through the kernels with clocks in them.

A deadlock, or a schedule that asks a memory for more than it has, ends the build: what follows would be of no use.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgemoe_gen.base.build_files import TIMING
from edgemoe_gen.base.documents import write_json
from edgemoe_gen.pipeline.stages.render import rendered, together
from edgemoe_gen.pipeline.support.stage import Made, Stage
from edgemoe_gen.pipeline.support.state import digest_text
from edgemoe_gen.scheduling import missing

if TYPE_CHECKING:
    from edgemoe_gen.pipeline.support.context import Context
    from edgemoe_gen.timing.facts import TimedRun
    from edgemoe_gen.timing.table import Timing


def inputs(context: Context) -> str:
    """Hash of the project, of whether it can be scheduled, and of depths of FIFOs, which timed sources leave open."""
    depths = sorted(context.project.design.fifo_depths.items())
    return digest_text(context.project.digest, depths, missing(), *context.project.timed_sources.sources.values())


def make(context: Context, folder: Path) -> Made:
    """Runs one frame of each task, and one full pass of the weights where it is of several frames; and a frame of all
    tasks where they share the backbone."""
    from edgemoe_gen.pipeline.support.timed import (
        not_timed,
        pass_facts,
        refuse_failed,
        time_network,
        timed_words,
        together_facts,
    )
    from edgemoe_gen.timing.facts import timing_facts
    from edgemoe_gen.timing.scheduled import known_timing
    from edgemoe_gen.timing.table import NoTableError

    project = context.project
    try:
        timing, differences = known_timing(project.design, project.sources)
    except NoTableError as error:
        write_json(folder / TIMING.name, TIMING.stamped(not_timed(error.message)))
        return Made(f"not timed: {error.message}")
    network = rendered(context)
    images = [project.pictures[0].values] * len(project.tasks)
    run = time_network(network.program, project.model, network.numerics.network, images, timing, context.progress)
    facts = timing_facts(replace(run, differences=differences))
    refuse_failed(run, facts)
    whole = _timed_pass(context, timing)
    if whole is not None:
        refuse_failed(whole)
        facts["pass"] = pass_facts(whole)
    joint = together(context).program
    if joint is not None:
        of_all = time_network(joint, project.model, network.numerics.network, images, timing, context.progress)
        refuse_failed(of_all)
        facts["together"] = together_facts(of_all)
    write_json(folder / TIMING.name, TIMING.stamped(facts))
    return Made(timed_words(run, whole))


def _timed_pass(context: Context, timing: Timing) -> TimedRun | None:
    """A full pass of the first task; None where that is one frame."""
    from edgemoe_gen.pipeline.support.timed import time_network
    from edgemoe_gen.program.compile import compile_network

    project, numerics = context.project, rendered(context).numerics
    frames = project.design.knobs.frames_per_pass
    if frames == 1:
        return None
    program = compile_network(
        project.design, project.model, numerics.network, numerics.formats, project.tasks[:1] * frames,
        decoders=numerics.decoders,
    )  # fmt: skip
    images = [project.pictures[i % len(project.pictures)].values for i in range(frames)]
    return time_network(program, project.model, numerics.network, images, timing, context.progress)


SIMULATE = Stage(
    name="simulate",
    summary="cycles of a frame of each task: the kernels with clocks in them",
    outputs=(TIMING.name,),
    inputs=inputs,
    make=make,
    needs=("render", "compile"),
    uses=("torch", "C++ compiler"),
)
