"""Cuts a program of several frames into one program a task, which all read the same weights.

In: a compiled program of one frame a task. Out: programs of one frame, each with its image and result at the start of
their buffers. The weights stay one file: operations say where in it they begin.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from edgemoe_gen.errors import OverlayError
from edgemoe_gen.program.compile import Frame, Program
from edgemoe_gen.program.descriptor import Operation, bit, number
from edgemoe_gen.program.places import Region


@dataclass(frozen=True)
class TaskProgram:
    """The program of one task.

    Attributes:
        program: of one frame.
        first_image, first_result: where the frame's image and result began in the buffers of all frames, in beats.
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
    parts: list[TaskProgram] = []
    rest = list(program.operations)
    for place, frame in enumerate(program.frames):
        own = _take(rest, frame)
        later = program.frames[place + 1 :]
        image_end = later[0].slices[0].first if later else program.image_beats
        result_end = min(r.first for r in later[0].regions.values()) if later else program.result_beats
        done = sum(len(part.program.operations) for part in parts)
        layers = program.layers[done : done + len(own)]
        parts.append(_part(program, frame, own, layers, image_end, result_end))
    if len({part.program.frames[0].slices for part in parts}) > 1:
        raise OverlayError("the tasks' pictures differ in their layout", "compile all tasks for one network")
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
    program: Program, frame: Frame, own: list[Operation], layers: tuple[str, ...], image_end: int, result_end: int
) -> TaskProgram:
    first_image = frame.slices[0].first
    first_result = min(region.first for region in frame.regions.values())
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
        frames=(
            Frame(
                frame.task,
                tuple(replace(part, first=part.first - first_image) for part in frame.slices),
                {name: replace(r, first=r.first - first_result) for name, r in frame.regions.items()},
            ),
        ),
        image_beats=image_end - first_image,
        result_beats=result_end - first_result,
    )
    return TaskProgram(alone, first_image, first_result)
