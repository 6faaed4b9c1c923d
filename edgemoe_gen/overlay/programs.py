"""Cuts a program of several frames into one program a task, which all read the same weights.

In: a compiled program of one frame a task; or of such frames and a full pass of each. Out: programs of one task, each
with its images and results at the start of their buffers. The weights stay one file: operations say where in it they
begin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgemoe_gen.base.errors import OverlayError
from edgemoe_gen.hardware.descriptor import Operation, bit, number
from edgemoe_gen.program.compile import Frame, Program
from edgemoe_gen.program.places import Region


@dataclass(frozen=True)
class TaskProgram:
    """The program of one task.

    Attributes:
        program: of one frame, or of those that share a pass of the weights.
        first_image, first_result: where its first image and result began in the buffers of all frames, in beats.
    """

    program: Program
    first_image: int
    first_result: int

    @property
    def task(self) -> str:
        """Its name."""
        return self.program.frames[0].task

    @property
    def tokens(self) -> Region:
        """Where the tokens are."""
        return self.program.frames[0].regions["tokens"]


def split_tasks(program: Program) -> tuple[TaskProgram, ...]:
    """One program a frame, in order.

    Raises:
        OverlayError: a task has two frames, or the frames take pictures of different layouts.
    """
    tasks = [frame.task for frame in program.frames]
    if not tasks or len(set(tasks)) < len(tasks):
        raise OverlayError(f"the program has frames for {tasks}", "compile it with one frame a task")
    parts = _split(program, [1] * len(tasks))
    if len({part.program.frames[0].slices for part in parts}) > 1:
        raise OverlayError("the tasks' pictures differ in their layout", "compile all tasks for one network")
    return parts


def pass_groups(tasks: Sequence[str], frames_per_pass: int) -> list[tuple[str, int]]:
    """What `split_passes` takes apart: a frame of every task, then a full pass of the weights of every task."""
    return [(task, count) for count in (1, frames_per_pass) for task in tasks]


def split_passes(program: Program, tasks: Sequence[TaskProgram]) -> tuple[TaskProgram, ...]:
    """One program a task, of the frames that share a pass of the weights.

    Args:
        program: of `pass_groups`.
        tasks: the programs of one frame, as of `split_tasks`.

    Raises:
        OverlayError: its frames of one are not those programs, or it has other weights.
    """
    full = program.design.knobs.frames_per_pass
    names = [part.task for part in tasks]
    parts = _split(program, [count for _, count in pass_groups(names, full)])
    same = len(parts) == 2 * len(tasks) and all(
        a.program.operations == b.program.operations for a, b in zip(parts, tasks, strict=False)
    )
    weights = tasks[0].program
    if not same or any(
        not np.array_equal(a, b)
        for a, b in ((program.weights, weights.weights), (program.constants, weights.constants))
    ):
        raise OverlayError("the programs of one frame and of a pass are not of one network", "compile both again")
    return parts[len(tasks) :]


def _split(program: Program, counts: Sequence[int]) -> tuple[TaskProgram, ...]:
    """Programs of so many frames each, in order."""
    parts: list[TaskProgram] = []
    rest = list(program.operations)
    place = 0
    for count in counts:
        frames, later = program.frames[place : place + count], program.frames[place + count :]
        own = _take(rest, frames[-1])
        image_end = later[0].slices[0].first if later else program.image_beats
        result_end = min(r.first for r in later[0].regions.values()) if later else program.result_beats
        done = sum(len(part.program.operations) for part in parts)
        layers = program.layers[done : done + len(own)]
        parts.append(_part(program, frames, own, layers, image_end, result_end))
        place += count
    return tuple(parts)


def _take(operations: list[Operation], frame: Frame) -> list[Operation]:
    """Takes a frame's operations from the front: the last one stores its tokens."""
    end = frame.regions["tokens"].first
    for place, operation in enumerate(operations):
        if operation.kind == number("STORE") and operation.transfer_first == end:
            own = operations[: place + 1]
            del operations[: place + 1]
            return own
    raise OverlayError(f"the program never stores the tokens of '{frame.task}'", "compile it again")


def _part(
    program: Program,
    frames: Sequence[Frame],
    own: list[Operation],
    layers: tuple[str, ...],
    image_end: int,
    result_end: int,
) -> TaskProgram:
    first_image = frames[0].slices[0].first
    first_result = min(region.first for region in frames[0].regions.values())
    moved = []
    for operation in own:
        if operation.kind == number("LOAD") and not operation.flags & bit("CONSTANT"):
            operation = replace(operation, transfer_first=operation.transfer_first - first_image)
        elif operation.kind in (number("STORE"), number("STORE_ROUTES")):
            operation = replace(operation, transfer_first=operation.transfer_first - first_result)
        moved.append(operation)
    alone = replace(
        program,
        operations=tuple(moved),
        layers=layers,
        frames=tuple(
            Frame(
                frame.task,
                tuple(replace(part, first=part.first - first_image) for part in frame.slices),
                {name: replace(r, first=r.first - first_result) for name, r in frame.regions.items()},
            )
            for frame in frames
        ),
        image_beats=image_end - first_image,
        result_beats=result_end - first_result,
    )
    return TaskProgram(alone, first_image, first_result)
