"""Timed runs of a network's program, for the stage `simulate` and the command of that name.

In: a compiled program and the timing of its design. Out: a run with its explanation, or an error with the reason of the
failure and all facts that were found.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.model import Model
from edgemoe_gen.numerics.lower import LoweredNetwork
from edgemoe_gen.pipeline.support.frames import needed_bytes
from edgemoe_gen.program.compile import Program, group_frames, pack_image
from edgemoe_gen.program.counts import decoder_traffic, program_macs
from edgemoe_gen.project.opening import Progress, no_progress
from edgemoe_gen.timing.facts import TimedRun
from edgemoe_gen.timing.result import TIER
from edgemoe_gen.timing.roofline import Roofline
from edgemoe_gen.timing.run import time_program
from edgemoe_gen.timing.table import Timing


class FailedRunError(SimulationError):
    """A timed run deadlocked or asked for more than the hardware has.

    Attributes:
        facts: of the run, which leaves no file.
    """

    def __init__(self, message: str, hint: str, facts: dict[str, Any] | None) -> None:
        super().__init__(message, hint)
        self.facts = facts


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
        program: program of frames in the groups of `compile_network`.
        model, network: the compiled network, for the roofline.
        images: one picture [3, height, width] for each frame.
        timing: timing of the program's design.
        progress: called with text, steps done, steps in all.
    """
    progress("timing the engine", 0, 1)
    result = time_program(program, pack_image(program, model.spec, images), timing)
    progress("timing the engine", 1, 1)
    tasks = tuple(frame.task for frame in program.frames)
    most = program.design.knobs.frames_per_pass
    passes = len(group_frames([frame.task for frame in program.pictures], most))
    roofline = Roofline(
        peak_macs=program.design.macs_per_cycle,
        ddr_bytes=float(timing.ddr_bytes),
        macs=program_macs(program, model.spec),
        weight_bytes=passes * needed_bytes(program, network)["weights"],
        moved_bytes=sum(port.bytes for port in result.ports) or result.ddr_bytes,
        cycles=result.cycles,
    )
    title = program.design.board.title.removeprefix("AMD ")
    traffic = decoder_traffic(program, network)
    decoders = None if traffic is None else traffic.per_frame(len(tasks))
    pictures = len(program.pictures)
    return TimedRun(title, tasks, timing, result, roofline, frames=pictures, frames_per_pass=most, decoders=decoders)


def refuse_failed(run: TimedRun, facts: dict[str, Any] | None = None) -> None:
    """Raises a `FailedRunError`, with the facts, if the run deadlocked or asked for more than the hardware has."""
    if run.result.passed:
        return
    more = len(run.result.violations) - 1
    others = f" (and {more} more)" if run.result.deadlock is None and more > 0 else ""
    hint = "see all of it: edgemoe-gen simulate, with the same options"
    if run.result.deadlock is not None:
        hint = f"a deeper FIFO may help: [fifo_depths] in edgemoe.toml; {hint}"
    raise FailedRunError(f"{TIER}: {run.headline}{others}", hint, facts)


def not_timed(why: str) -> dict[str, Any]:
    """Contents of the file where a run can't be timed, since the device has no table."""
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


def together_facts(run: TimedRun) -> dict[str, Any]:
    """A run of one picture for all tasks, which share the backbone, as JSON."""
    return {
        "tier": TIER,
        "tasks": list(run.tasks),
        "cycles": run.result.cycles,
        "milliseconds": run.milliseconds,
    }


def timed_words(run: TimedRun, whole: TimedRun | None = None) -> str:
    """The outcome in a few words; `whole` is the run of a full pass, where it is of several frames."""
    words = f"{run.milliseconds_per_frame:.3f} ms a frame, {run.roofline.ratio:.2f} × the bound"
    return words if whole is None else f"{words}; {len(whole.tasks)} frames of a pass in {whole.milliseconds:.3f} ms"
