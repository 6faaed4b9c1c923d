"""The short program: a few tokens through two blocks of random weights, the second with experts if the design has any.

Vendor RTL simulation runs some thousand cycles a second at best, so co-simulation can't run a real network. The short
program visits every kind of operation, and ends within an hour for every design. It depends on the design alone. Where
the design runs decoders, two small decoders of the same tokens follow: one gives classes, the other values.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.base.arithmetic import ceil_div
from edgemoe_gen.base.errors import CapacityError
from edgemoe_gen.design import Design
from edgemoe_gen.hardware.descriptor import OPERATION_WORDS
from edgemoe_gen.model import Model, ModelSpec
from edgemoe_gen.model.random import random_decoder, random_model, random_picture
from edgemoe_gen.model.spec import BlockSpec, ImageSpec, RouterSpec, TaskSpec
from edgemoe_gen.numerics.formats import Formats, choose_formats, observe_ranges, prepare
from edgemoe_gen.numerics.lower import LoweredNetwork
from edgemoe_gen.program.builder import Builder
from edgemoe_gen.program.capacity import check_capacity, check_widths
from edgemoe_gen.program.compile import Program, finished
from edgemoe_gen.program.group import FrameGroup, Group

TASK, VALUES = "cosim", "cosim_values"
PATCH = 2
CONVOLUTIONS = 2  # of 3x3 in a decoder, the fewest with a doubling between them
CHANNELS = 3  # of values
WEIGHTS_SEED, PICTURE_SEED = 1, 2


def short_network(design: Design) -> tuple[Model, NDArray[np.float32]]:
    """Network and picture [3, height, width], both random; without decoders."""
    spec = _spec(design, *_grid(design))
    return random_model(spec, WEIGHTS_SEED), random_picture(spec, PICTURE_SEED)


def compile_short(design: Design) -> tuple[Program, ModelSpec, NDArray[np.float32]]:
    """The compiled program, its network's spec, and the picture of all frames.

    Raises:
        CapacityError: the program does not fit the buffers of co-simulation, or the design.
    """
    for spec in _with_decoders(design):
        try:
            program, image = _compile(design, spec)
            break
        except CapacityError:  # its memories hold no maps of that size
            continue
    else:
        spec = _spec(design, *_grid(design))
        program, image = _compile(design, spec)
    depths = design.port_depths
    used = {
        "program": ceil_div((1 + len(program.operations)) * OPERATION_WORDS * 32, design.knobs.port_bits),
        "weights": program.weights.shape[1],
        "constants": program.constants.shape[0],
        "image": program.image_beats,
        "result": program.result_beats,
    }
    for port, beats in used.items():
        if beats > depths[port]:
            raise CapacityError(
                f"the short program of co-simulation takes {beats} beats of {port}, but the design has {depths[port]}",
                "this is a fault of edgemoe-gen: please report it with the knobs",
            )
    return program, spec, image


def calibrated(design: Design, spec: ModelSpec) -> tuple[Model, LoweredNetwork, Formats, NDArray[np.float32]]:
    """The network of a spec, with random weights, lowered for a design; and its picture."""
    decoders = {
        task.name: random_decoder(spec.dim, task.map_channels, task.classes or 1, CONVOLUTIONS + 1, seed)
        for seed, task in enumerate(spec.tasks, WEIGHTS_SEED)
        if task.map_channels
    }
    model, image = replace(random_model(spec, WEIGHTS_SEED), decoders=decoders), random_picture(spec, PICTURE_SEED)
    seen = observe_ranges(model, [image], spec.task_names, decoders=bool(decoders))
    network = prepare(model, seen)
    return model, network, choose_formats(network, seen, design.knobs.widths), image


def _compile(design: Design, spec: ModelSpec) -> tuple[Program, NDArray[np.float32]]:
    model, network, formats, image = calibrated(design, spec)
    check_capacity(design, spec)
    check_widths(design, formats)
    builder = Builder(design)
    group = Group(builder, model, network, formats, FrameGroup({TASK: None}), False, None)
    frames = group.build()
    if model.decoders:
        # Row by row, so that rings come round; and as many rows at a time as the memories hold.
        (frame,) = frames
        frames = [
            replace(frame, decoded=group.decode(TASK, 0, True, most_rows=1)),
            replace(frame, task=VALUES, decoded=group.decode(VALUES, 0, True)),
        ]
    return finished(builder, frames, formats), image


def _with_decoders(design: Design) -> Iterator[ModelSpec]:
    """Networks with decoders, the largest first; maps are wider than a block of pixels if the design allows it."""
    k = design.knobs
    rows, _ = _grid(design)
    most = min(k.tokens_parallel // 2 + 1, (k.max_tokens - 1) // rows, k.max_map_width // CONVOLUTIONS)
    channels = dict.fromkeys(min(wanted, k.max_map_channels) for wanted in (k.in_parallel * 3 // 2, k.in_parallel))
    for columns in dict.fromkeys(min(wanted, most) for wanted in (most, 2, 1)):
        for each in channels if columns > 0 else ():
            classes = min(k.in_parallel + CHANNELS, k.max_map_channels)
            tasks = (TaskSpec(TASK, classes, map_channels=each), TaskSpec(VALUES, CHANNELS, map_channels=each))
            yield replace(_spec(design, rows, max(columns, 1)), tasks=tasks)


def _grid(design: Design) -> tuple[int, int]:
    """Rows and columns of patches."""
    tokens = design.knobs.max_tokens
    return (2, 2) if tokens >= 5 else (1, max(1, min(3, tokens - 1)))


def _spec(design: Design, rows: int, columns: int) -> ModelSpec:
    """The largest of a few small networks that fits the design: two heads and two words a token, if possible."""
    k = design.knobs
    width = k.in_parallel
    heads = 2 if k.max_dim >= 2 * width and k.max_query >= 2 * k.out_parallel and k.max_query >= 2 * width else 1
    dim = min(heads * width, k.max_dim)
    experts = min(4, k.max_experts)
    return ModelSpec(
        image=ImageSpec.named(rows * PATCH, columns * PATCH, "none"),
        patch=PATCH,
        dim=dim,
        heads=heads,
        blocks=(BlockSpec(0, 0, 2 * dim), BlockSpec(1, experts, dim)),
        router=RouterSpec("single", top_k=min(2, k.max_top_k, experts)) if experts else RouterSpec("none"),
        tasks=(TaskSpec(TASK),),
        tokens=rows * columns + int(k.max_tokens > 1),
        class_token=k.max_tokens > 1,
    )
