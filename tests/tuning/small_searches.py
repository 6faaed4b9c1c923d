"""A small network, space and evaluator without pictures: points are rated by rules and estimate, in milliseconds."""

from __future__ import annotations

from functools import cache

from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.model import BlockSpec, ImageSpec, ModelSpec, RouterSpec, TaskSpec
from edgemoe_gen.model.random import random_model
from edgemoe_gen.tuning import Dimension, Evaluator, Limit, Space, make_evaluator

SPEC = ModelSpec(
    image=ImageSpec.named(32, 64, "unit256"),
    patch=8,
    dim=32,
    heads=2,
    blocks=(BlockSpec(0, 0, 128), BlockSpec(1, 4, 64)),
    router=RouterSpec("multi", top_k=2),
    tasks=(TaskSpec("semseg"),),
    tokens=33,
    class_token=True,
)
# 4 x 3 x 2 x 2 x 2 = 96 points; some break the rule that outputs are a multiple of inputs.
SPACE = Space(
    (
        Dimension("tokens_parallel", (1, 2, 3, 4)),
        Dimension("out_parallel", (8, 16, 24)),
        Dimension("in_parallel", (8, 16)),
        Dimension("weight_bits", (8, 16)),
        Dimension("weight_ports", (1, 2)),
    )
)
OBJECTIVES = ("latency", "dsp", "memory", "ddr_bytes")


@cache
def small_evaluator(*limits: Limit) -> Evaluator:
    """An evaluator of the small network on the ZCU104."""
    return make_evaluator(random_model(SPEC), [], SPEC.task_names, load_board("zcu104"), limits=limits)
