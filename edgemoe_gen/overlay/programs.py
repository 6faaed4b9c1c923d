"""Cuts a program of several frames into one program for each task; all read the same weights.

In: a compiled program of one frame for each task; or of such frames and a full pass of each task. Out: programs of one
task, each with its images and results at the start of their buffers. The weights stay one file: operations say where
their weights begin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgemoe_gen.base.errors import OverlayError
from edgemoe_gen.hardware.descriptor import Operation
from edgemoe_gen.hardware.kinds import bit, facts_of
from edgemoe_gen.model import Model
from edgemoe_gen.numerics.formats import Formats
from edgemoe_gen.numerics.lower import LoweredNetwork
from edgemoe_gen.overlay.driver.layouts import MAP, TOKENS
from edgemoe_gen.overlay.driver.maps import CLASSES, LOGITS
from edgemoe_gen.program.compile import Frame, FrameGroup, Program, compile_groups
from edgemoe_gen.program.decoder import Decoded
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
        """Place of the tokens."""
        return self.program.frames[0].regions["tokens"]

    @property
    def decoded(self) -> Decoded | None:
        """Result of its decoder; None where the engine ends with the tokens."""
        return self.program.frames[0].decoded


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


def pass_groups(
    tasks: Sequence[str], frames_per_pass: int, decoders: Mapping[str, bool] | None = None
) -> list[FrameGroup]:
    """Groups for `split_passes`: a frame of every task, then a full pass of the weights of every task.

    `decoders` as of `compile_network`.
    """
    far = decoders or {}
    return [FrameGroup({task: far.get(task)}, count) for count in (1, frames_per_pass) for task in tasks]


def split_passes(program: Program, tasks: Sequence[TaskProgram]) -> tuple[TaskProgram, ...]:
    """One program a task, of the frames that share a pass of the weights.

    Args:
        program: of `pass_groups`.
        tasks: the programs of one frame, as of `split_tasks`.

    Raises:
        OverlayError: its frames of one are not those programs, or it has other weights.
    """
    full = program.design.knobs.frames_per_pass
    parts = _split(program, [group.count for group in pass_groups([part.task for part in tasks], full)])
    return _behind(parts, tasks, len(tasks))


def _behind(parts: Sequence[TaskProgram], tasks: Sequence[TaskProgram], others: int) -> tuple[TaskProgram, ...]:
    """The other programs behind those of one frame a task, after a check that they read the same weights."""
    same = len(parts) == len(tasks) + others and all(
        a.program.operations == b.program.operations for a, b in zip(parts, tasks, strict=False)
    )
    ours, theirs = parts[0].program, tasks[0].program
    if not same or any(
        not np.array_equal(a, b) for a, b in ((ours.weights, theirs.weights), (ours.constants, theirs.constants))
    ):
        raise OverlayError("the programs of an overlay are not of one network", "compile all of them again")
    return tuple(parts[len(tasks) :])


def variants_of(frames: Sequence[Frame]) -> list[tuple[str, str, bool | None]]:
    """Variants of each task's program: task, name, and its decoder as in `FrameGroup`.

    TOKENS leaves out the decoder; MAP ends with the logits where the task's own program ends with classes.
    """
    found: list[tuple[str, str, bool | None]] = []
    for frame in frames:
        if frame.decoded is not None:
            found.append((frame.task, TOKENS, None))
            if frame.decoded.kind == CLASSES:
                found.append((frame.task, MAP, False))
    return found


def compile_variants(model: Model, network: LoweredNetwork, formats: Formats, program: Program) -> Program | None:
    """The frames of a program of one frame a task, then those of its variants; None without any."""
    frames = program.frames
    own = [None if frame.decoded is None else frame.decoded.kind != LOGITS for frame in frames]
    others = variants_of(frames)
    if not others:
        return None
    groups = [FrameGroup({frame.task: far}) for frame, far in zip(frames, own, strict=True)]
    groups += [FrameGroup({task: far}) for task, _, far in others]
    return compile_groups(program.design, model, network, formats, groups)


def split_variants(program: Program, tasks: Sequence[TaskProgram]) -> dict[str, dict[str, TaskProgram]]:
    """The programs of `compile_variants` by task and name.

    Raises:
        OverlayError: they are of another network.
    """
    wanted = variants_of([part.program.frames[0] for part in tasks])
    parts = _behind(_split(program, [1] * (len(tasks) + len(wanted))), tasks, len(wanted))
    found: dict[str, dict[str, TaskProgram]] = {part.task: {} for part in tasks}
    for (task, name, _), part in zip(wanted, parts, strict=True):
        found[task][name] = part
    return found


def _split(program: Program, counts: Sequence[int]) -> tuple[TaskProgram, ...]:
    """Programs of so many frames each, in order."""
    parts: list[TaskProgram] = []
    rest = list(program.operations)
    place = 0
    for count in counts:
        frames, later = program.frames[place : place + count], program.frames[place + count :]
        if not frames:
            break
        own = _take(rest, frames[-1])
        image_end = later[0].slices[0].first if later else program.image_beats
        result_end = min(r.first for r in later[0].regions.values()) if later else program.result_beats
        done = sum(len(part.program.operations) for part in parts)
        layers = program.layers[done : done + len(own)]
        parts.append(_part(program, frames, own, layers, image_end, result_end))
        place += count
    return tuple(parts)


def _take(operations: list[Operation], frame: Frame) -> list[Operation]:
    """Takes a frame's operations from the front: the last one stores its tokens, or what its decoder leaves."""
    end = (frame.decoded.regions[-1] if frame.decoded else frame.regions["tokens"]).first
    for place, operation in enumerate(operations):
        if facts_of(operation.kind).stores and operation.transfer_first == end:
            own = operations[: place + 1]
            del operations[: place + 1]
            return own
    raise OverlayError(f"the program never stores the results of '{frame.task}'", "compile it again")


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
        if facts_of(operation.kind).loads and not operation.flags & bit("CONSTANT"):
            operation = replace(operation, transfer_first=operation.transfer_first - first_image)
        elif facts_of(operation.kind).stores:
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
                None if frame.decoded is None else frame.decoded.moved(-first_result),
            )
            for frame in frames
        ),
        image_beats=image_end - first_image,
        result_beats=result_end - first_result,
    )
    return TaskProgram(alone, first_image, first_result)
