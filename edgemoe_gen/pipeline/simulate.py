"""The stage `simulate`: a frame of every task through the kernels with clocks in them.

Out: `timing.json`, which holds what `timing.facts.timing_facts` says, for the report. A deadlock, or a schedule that
asks a memory for more than it has, ends the build: what follows would be of no use.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.model import Model, macs
from edgemoe_gen.numerics.lower import LoweredNetwork
from edgemoe_gen.pipeline.csim import needed_bytes
from edgemoe_gen.program.compile import Program, group_frames, pack_image
from edgemoe_gen.project.opening import Progress, no_progress
from edgemoe_gen.timing.facts import TimedRun
from edgemoe_gen.timing.result import TIER
from edgemoe_gen.timing.roofline import Roofline
from edgemoe_gen.timing.run import time_program
from edgemoe_gen.timing.table import Timing

FILE = "timing.json"


def time_network(
    program: Program,
    model: Model,
    network: LoweredNetwork,
    images: Sequence[NDArray[np.float32]],
    timing: Timing,
    progress: Progress = no_progress,
) -> TimedRun:
    """One timed run of a compiled program, explained.

    Args:
        program: of frames in the groups that `compile_network` makes.
        model, network: what it was compiled from, for the roofline.
        images: one picture [3, height, width] a frame.
        timing: of the program's design.
        progress: called with text, steps done, steps in all.
    """
    progress("timing the engine", 0, 1)
    result = time_program(program, pack_image(program, model.spec, images), timing)
    progress("timing the engine", 1, 1)
    tasks = tuple(frame.task for frame in program.frames)
    frames, most = len(tasks), program.design.knobs.frames_per_pass
    passes = len(group_frames(tasks, most))
    roofline = Roofline(
        peak_macs=program.design.macs_per_cycle,
        ddr_bytes=float(timing.ddr_bytes),
        macs=frames * sum(macs(model.spec).values()),
        weight_bytes=passes * needed_bytes(program, network)["weights"],
        moved_bytes=sum(port.bytes for port in result.ports) or result.ddr_bytes,
        cycles=result.cycles,
    )
    title = program.design.board.title.removeprefix("AMD ")
    return TimedRun(title, tasks, timing, result, roofline, frames_per_pass=most)


def refuse_failed(run: TimedRun) -> None:
    """Raises a `SimulationError` if the run deadlocked or asked for more than the hardware has."""
    if run.result.passed:
        return
    more = len(run.result.violations) - 1
    others = f" (and {more} more)" if run.result.deadlock is None and more > 0 else ""
    hint = "see all of it: edgemoe-gen simulate, with the same options"
    if run.result.deadlock is not None:
        hint = f"a deeper FIFO may help: [fifo_depths] in edgemoe.toml; {hint}"
    raise SimulationError(f"{TIER}: {run.headline}{others}", hint)


def not_timed(why: str) -> dict[str, Any]:
    """What stands in the file where a run can't be timed: nobody has written the device's table."""
    return {"tier": TIER, "not_timed": why}


def pass_facts(run: TimedRun) -> dict[str, Any]:
    """A run of one full pass of the weights as JSON; all of its frames have their results at its end."""
    return {
        "tier": TIER,
        "frames": len(run.tasks),
        "task": run.tasks[0],
        "milliseconds": run.milliseconds,
        "milliseconds_per_frame": run.milliseconds_per_frame,
        "ddr_bytes_per_frame": run.result.ddr_bytes / len(run.tasks),
    }


def timed_words(run: TimedRun, whole: TimedRun | None = None) -> str:
    """The outcome in a few words; `whole` is the run of a full pass, where it is of several frames."""
    words = f"{run.milliseconds_per_frame:.3f} ms a frame, {run.roofline.ratio:.2f} × the bound"
    return words if whole is None else f"{words}; {len(whole.tasks)} frames of a pass in {whole.milliseconds:.3f} ms"
