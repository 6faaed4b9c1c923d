"""A program without weights has the operations, sizes and addresses of the real one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgemoe_gen.design import Knobs, make_design
from edgemoe_gen.estimate import estimate_cycles
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.program.compile import compile_network
from edgemoe_gen.program.outline import outline_network
from edgemoe_gen.program.short import short_network
from tests.program.outlined import formats_and_network

# What depends on values, not on sizes: shifts, and LayerNorm's epsilon.
VALUES = (
    "bias_shift", "term_shift", "out_shift", "old_shift", "score_shift", "eps_high", "eps_low", "normal_fraction",
)  # fmt: skip
DESIGNS: tuple[dict[str, Any], ...] = (
    {},
    {"out_parallel": 32, "in_parallel": 8, "fill_beats": 1},
    {"weight_bits": 12, "weight_ports": 3, "port_bits": 64, "in_parallel": 8, "out_parallel": 24, "cache_lanes": 2},
    {"weight_bits": 8, "weight_ports": 1, "max_hidden": 64, "max_cache": 64},
    {"expert_weight_bits": 8},
    {"expert_weight_bits": 5, "weight_ports": 3, "fill_beats": 1},
    {"weight_bits": 8, "expert_weight_bits": 8},
    {"attention_weight_bits": 8},
    {"activation_bits": 20, "cache_bits": 16},
    {"mlp_weight_bits": 5, "attention_weight_bits": 5, "weight_ports": 3, "fill_beats": 1},
)


@pytest.mark.parametrize("knobs", DESIGNS)
@pytest.mark.parametrize("tasks", [1, 2])
def test_outline_has_the_operations_and_sizes_of_the_real_program(knobs: dict[str, int], tasks: int) -> None:
    pytest.importorskip("torch")
    design = make_design(Knobs().turned(knobs), load_board("zcu104"))
    model, image = short_network(design)
    network, formats = formats_and_network(design, model, image)
    names = [model.spec.task_names[0]] * tasks
    real = compile_network(design, model, network, formats, names)
    outline = outline_network(design, model.spec, names)
    assert [replace(op, **dict.fromkeys(VALUES, 0)) for op in outline.operations] == [
        replace(op, **dict.fromkeys(VALUES, 0)) for op in real.operations
    ]
    assert outline.layers == real.layers
    assert outline.weights.shape == real.weights.shape
    assert outline.constants.shape == real.constants.shape
    assert (outline.image_beats, outline.result_beats) == (real.image_beats, real.result_beats)
    assert estimate_cycles(outline).total == estimate_cycles(real).total


def test_outline_takes_no_memory_for_weights() -> None:
    design = make_design(Knobs(), load_board("zcu104"))
    outline = outline_network(design, short_network(design)[0].spec, ["cosim"])
    assert outline.weights.strides == (0, 0, 0)
    assert not np.any(outline.weights)
