"""Compiles a network to a program: the frames and tasks of one run, layer after layer.

Neighbouring frames of one task form groups that share a pass of the weights. Tasks of one picture form a group too,
where no gate depends on the task: the backbone runs once, then every task's decoder. Work that does not fit on the
chip at once is cut (`group.py`, `attention.py`): heads by the key and value memory; rows of scores, hidden features and
patches by the hidden memory. The hardware knows nothing of groups and cuts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.base.errors import CapacityError
from edgemoe_gen.design import Design
from edgemoe_gen.hardware.descriptor import Operation
from edgemoe_gen.model import Model, ModelSpec
from edgemoe_gen.numerics.fixed import Format, quantise
from edgemoe_gen.numerics.formats import Formats
from edgemoe_gen.numerics.forward import to_patches
from edgemoe_gen.numerics.lower import LoweredNetwork
from edgemoe_gen.program.builder import Builder
from edgemoe_gen.program.capacity import check_capacity, check_widths
from edgemoe_gen.program.group import Frame, FrameGroup, Group
from edgemoe_gen.program.pack import Bytes, pack_words
from edgemoe_gen.program.schedule import Schedule


@dataclass(frozen=True)
class Program:
    """A compiled program with everything in DDR except the pictures.

    Attributes:
        design: the design of the program.
        operations: in order.
        layers: part of the network that each operation computes, such as `blocks.3.experts.7.fc1.0`.
        weights: [ports, beats, bytes of a beat].
        constants: [beats, bytes of a beat].
        frames: frames in order, one for each picture and task.
        image_form: format of an input value.
        image_beats, result_beats: sizes of the two buffers.
    """

    design: Design
    operations: tuple[Operation, ...]
    layers: tuple[str, ...]
    weights: Bytes
    constants: Bytes
    frames: tuple[Frame, ...]
    image_form: Format
    image_beats: int
    result_beats: int

    @property
    def pictures(self) -> tuple[Frame, ...]:
        """The first frame of each picture: tasks that share a pass of the backbone have one picture."""
        return tuple({frame.slices: frame for frame in reversed(self.frames)}.values())[::-1]

    @property
    def weight_bytes_per_run(self) -> int:
        """Bytes of weights that one run reads."""
        return sum(op.weight_beats for op in self.operations) * self.design.knobs.weight_ports * self.design.beat_bytes


def compile_network(
    design: Design,
    model: Model,
    network: LoweredNetwork,
    formats: Formats,
    tasks: Sequence[str],
    taps: bool = False,
    depth: int | None = None,
    schedule: Schedule | None = None,
    packing: bool = True,
    decoders: Mapping[str, bool] | None = None,
    one_picture: bool = False,
) -> Program:
    """A program that runs one frame after another, each for its task.

    Neighbouring frames of one task share a pass of the weights, up to the design's `frames_per_pass`. Tasks of one
    picture share the backbone where gates allow it. Results have the same bits as without sharing.

    Args:
        design: the accelerator.
        model: the network's spec and routers.
        network: its folded weights.
        formats: its binary points.
        tasks: task of each frame; shared weights are stored once.
        taps: also store every block's output and routes.
        depth: run only the first blocks, this many.
        schedule: operations that may overlap; by default all.
        packing: False leaves weights and constants out, see `Builder`; `outline_network` needs no weights at all.
        decoders: tasks whose decoders run on the engine, and whether the engine doubles their last map too.
        one_picture: all frames take the same picture, each for a different task.

    Raises:
        CapacityError: the network exceeds the design; names sizes and knobs.
    """
    far = {task: (decoders or {}).get(task) for task in tasks}
    if one_picture and model.spec.shares_backbone and len(far) == len(tasks):
        groups = [FrameGroup(far)]
    else:
        cut = group_frames(tasks, design.knobs.frames_per_pass)
        groups = [FrameGroup({task: far[task]}, count) for task, count in cut]
    return compile_groups(design, model, network, formats, groups, taps, depth, schedule, packing)


def group_frames(tasks: Sequence[str], most: int) -> list[tuple[str, int]]:
    """Frames in groups of one task each: task and number of frames, in as few groups of up to `most` as possible."""
    groups: list[tuple[str, int]] = []
    for task, same in groupby(tasks):
        count = sum(1 for _ in same)
        groups += [(task, min(most, count - done)) for done in range(0, count, most)]
    return groups


def compile_groups(
    design: Design,
    model: Model,
    network: LoweredNetwork,
    formats: Formats,
    groups: Sequence[FrameGroup],
    taps: bool = False,
    depth: int | None = None,
    schedule: Schedule | None = None,
    packing: bool = True,
) -> Program:
    """`compile_network` for given groups.

    Raises:
        CapacityError: the network does not fit, or a group has more frames than the design's `frames_per_pass`.
    """
    most = design.knobs.frames_per_pass
    for group in groups:
        if not 1 <= group.count <= most:
            raise CapacityError(
                f"{group.count} frames of task '{group.tasks[0]}' are to share a pass of the weights, but the design's "
                f"memories hold {most}",
                f"raise the knob frames_per_pass to {group.count}, or group fewer",
            )
        if len(group.tasks) > 1 and not model.spec.shares_backbone:
            raise ValueError(f"the gates of {', '.join(group.tasks)} differ, so these tasks can't share a backbone")
    check_capacity(design, model.spec)
    check_widths(design, formats)
    builder = Builder(design, schedule, packing)
    frames = [
        frame for group in groups for frame in Group(builder, model, network, formats, group, taps, depth).build()
    ]
    return finished(builder, frames, formats)


def finished(builder: Builder, frames: Sequence[Frame], formats: Formats) -> Program:
    """The program of all operations in a builder."""
    return Program(
        builder.design,
        tuple(builder.operations),
        tuple(builder.layers),
        builder.contents.weights(),
        builder.contents.constants(),
        tuple(frames),
        formats["image"],
        builder.image_beats,
        builder.result_beats,
    )


def pack_image(program: Program, spec: ModelSpec, images: Sequence[NDArray[np.float32]]) -> Bytes:
    """The image buffer of a run: one picture [3, H, W] for each frame, cut into patches; [beats, bytes of a beat].

    Frames of one picture get the same picture.
    """
    buffer = np.zeros((program.image_beats, program.design.beat_bytes), np.uint8)
    for frame, image in zip(program.frames, images, strict=True):
        patches = quantise(to_patches(image, spec), program.image_form)
        for part in frame.slices:
            beats = pack_words(program.design, patches[:, part.start : part.stop], 16)
            buffer[part.first : part.first + beats.shape[0]] = beats
    return buffer


__all__ = [
    "Frame", "FrameGroup", "Program", "check_capacity", "compile_groups", "compile_network", "finished",
    "group_frames",
    "pack_image", "to_patches",
]  # fmt: skip
