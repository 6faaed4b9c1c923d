"""Compiles a network to a program: the frames and tasks of one run, layer after layer.

Neighbouring frames of one task go in groups that share a pass of the weights. What does not fit on the chip at once is
cut (`group.py`, `attention.py`): heads by the key and value memory, rows of scores and hidden features by the hidden
memory, patches by the same. Nothing of that is known to the hardware.
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
from edgemoe_gen.program.group import Frame, Group
from edgemoe_gen.program.pack import Bytes, pack_words
from edgemoe_gen.program.schedule import Schedule


@dataclass(frozen=True)
class Program:
    """A compiled program with everything in DDR but the pictures.

    Attributes:
        design: what it was compiled for.
        operations: in order.
        layers: part of the network that each operation computes, such as `blocks.3.experts.7.fc1.0`.
        weights: [ports, beats, bytes of a beat].
        constants: [beats, bytes of a beat].
        frames: in order.
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
) -> Program:
    """A program that runs one frame after another, each for its task.

    Neighbours of one task share a pass of the weights, up to the design's `frames_per_pass` of them; results are the
    same bits as if they did not.

    Args:
        design: the accelerator.
        model: the network's spec and routers.
        network: its folded weights.
        formats: its binary points.
        tasks: task of each frame; weights that tasks share are stored once.
        taps: also store every block's output and routes.
        depth: run only so many blocks.
        schedule: what may overlap; everything by default.
        packing: False leaves weights and constants out, see `Builder`; `outline_network` needs no weights at all.
        decoders: tasks whose decoders run on the engine, and whether it doubles their last map too.

    Raises:
        CapacityError: the network exceeds what the design holds; names sizes and knobs.
    """
    groups = group_frames(tasks, design.knobs.frames_per_pass)
    doubles = [(decoders or {}).get(task) for task, _ in groups]
    return compile_groups(design, model, network, formats, groups, taps, depth, schedule, packing, doubles)


def group_frames(tasks: Sequence[str], most: int) -> list[tuple[str, int]]:
    """Frames in groups of one task each: task and number of frames, as few groups as there can be of up to `most`."""
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
    groups: Sequence[tuple[str, int]],
    taps: bool = False,
    depth: int | None = None,
    schedule: Schedule | None = None,
    packing: bool = True,
    doubles: Sequence[bool | None] | None = None,
) -> Program:
    """`compile_network` of stated groups: a task, and how many frames of it share a pass of the weights.

    `doubles`: of each group, whether its decoder runs on the engine (None: it does not), and doubles its last map too.

    Raises:
        CapacityError: likewise; or a group has more frames than the design's `frames_per_pass`.
    """
    most = design.knobs.frames_per_pass
    for task, count in groups:
        if not 1 <= count <= most:
            raise CapacityError(
                f"{count} frames of task '{task}' are to share a pass of the weights, but the design's memories hold "
                f"{most}",
                f"raise the knob frames_per_pass to {count}, or group fewer",
            )
    check_capacity(design, model.spec)
    check_widths(design, formats)
    builder = Builder(design, schedule, packing)
    each = [None] * len(groups) if doubles is None else doubles
    frames = [
        frame
        for (task, count), far in zip(groups, each, strict=True)
        for frame in Group(builder, model, network, formats, task, count, taps, depth, far).build()
    ]
    return finished(builder, frames, formats)


def finished(builder: Builder, frames: Sequence[Frame], formats: Formats) -> Program:
    """The program of all that a builder was given."""
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
    """The image buffer of a run: one picture [3, H, W] a frame, cut into patches; [beats, bytes of a beat]."""
    buffer = np.zeros((program.image_beats, program.design.beat_bytes), np.uint8)
    for frame, image in zip(program.frames, images, strict=True):
        patches = quantise(to_patches(image, spec), program.image_form)
        for part in frame.slices:
            beats = pack_words(program.design, patches[:, part.start : part.stop], 16)
            buffer[part.first : part.first + beats.shape[0]] = beats
    return buffer


__all__ = [
    "Frame", "Program", "check_capacity", "compile_groups", "compile_network", "finished", "group_frames",
    "pack_image", "to_patches",
]  # fmt: skip
