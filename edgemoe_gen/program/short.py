"""The short program: a few tokens through two blocks, one dense and one with experts, of random weights.

RTL simulation runs some thousand cycles a second at best, so co-simulation can't take a real network. This one visits
every kind of operation and ends within the hour, whatever the design. It depends on the design alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.base.arithmetic import ceil_div
from edgemoe_gen.base.errors import CapacityError
from edgemoe_gen.design import Design
from edgemoe_gen.hardware.descriptor import OPERATION_WORDS
from edgemoe_gen.model import Model, ModelSpec
from edgemoe_gen.model.random import random_model, random_picture
from edgemoe_gen.model.spec import BlockSpec, ImageSpec, RouterSpec, TaskSpec
from edgemoe_gen.numerics.formats import choose_formats, observe_ranges, prepare
from edgemoe_gen.program.compile import Program, compile_network

TASK = "cosim"
PATCH = 2
WEIGHTS_SEED, PICTURE_SEED = 1, 2
# Bounds of the short program: what co-simulation copies through each port. A test holds them over many designs.
MOST_OPERATIONS = 64
MOST_TILES = 96
MOST_WORDS = 64  # rows of memory words in the picture and result


def port_depths(design: Design) -> dict[str, int]:
    """Beats behind each port in co-simulation, by the port's name: the `depth` of its INTERFACE pragma."""
    words = MOST_WORDS * design.knobs.in_parallel
    return {
        "program": ceil_div(MOST_OPERATIONS * OPERATION_WORDS * 32, design.knobs.port_bits),
        "weights": MOST_TILES * (design.operand_parts + design.bias_steps) * design.knobs.fill_beats,
        "constants": ceil_div(words * 32, design.knobs.port_bits),
        "image": ceil_div(words * 16, design.knobs.port_bits),
        "result": ceil_div(words * 32, design.knobs.port_bits),
    }


def short_network(design: Design) -> tuple[Model, NDArray[np.float32]]:
    """Network and picture [3, height, width], both random."""
    spec = _spec(design)
    return random_model(spec, WEIGHTS_SEED), random_picture(spec, PICTURE_SEED)


def compile_short(design: Design) -> tuple[Program, ModelSpec, NDArray[np.float32]]:
    """The compiled program, its network's spec and its picture.

    Raises:
        CapacityError: it does not fit the buffers of co-simulation, or the design.
    """
    model, image = short_network(design)
    seen = observe_ranges(model, [image], [TASK], lambda: None)
    network = prepare(model, seen)
    formats = choose_formats(network, seen, design.knobs.widths)
    program = compile_network(design, model, network, formats, [TASK])
    depths = port_depths(design)
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
    return program, model.spec, image


def _spec(design: Design) -> ModelSpec:
    """The largest of a few small networks that the design holds: two heads and two words a token, if they fit."""
    k = design.knobs
    width = k.in_parallel
    heads = 2 if k.max_dim >= 2 * width and k.max_query >= 2 * k.out_parallel and k.max_query >= 2 * width else 1
    dim = min(heads * width, k.max_dim)
    experts = min(4, k.max_experts)
    rows, columns = (2, 2) if k.max_tokens >= 5 else (1, max(1, min(3, k.max_tokens - 1)))
    return ModelSpec(
        image=ImageSpec.named(rows * PATCH, columns * PATCH, "none"),
        patch=PATCH,
        dim=dim,
        heads=heads,
        blocks=(BlockSpec(0, 0, 2 * dim), BlockSpec(1, experts, dim)),
        router=RouterSpec("single", top_k=min(2, k.max_top_k, experts)),
        tasks=(TaskSpec(TASK),),
        tokens=rows * columns + int(k.max_tokens > 1),
        class_token=k.max_tokens > 1,
    )
