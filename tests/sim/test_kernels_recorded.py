"""Recorded inputs: real tensors of a few layers through the kernels, for every kind of router."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemoe_gen.base.errors import CapacityError
from edgemoe_gen.design import Knobs, make_design
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.sim.engine import Engine
from edgemoe_gen.sim.kernels import Recorded, record_inputs, run_kernels
from edgemoe_gen.sim.recorded import RECORDED

pytest.importorskip("torch")

from edgemoe_gen.model import load_model
from edgemoe_gen.numerics.formats import choose_formats, observe_ranges
from edgemoe_gen.numerics.lower import lower
from tests.factory import options, write_checkpoint

KNOBS = Knobs(max_tokens=33, max_dim=32, max_query=32, max_cache=64, max_hidden=96, max_experts=4, max_top_k=2)
# What a checkpoint does not hold and its user must say.
SAID = ("input_ahead", "experts_per_task", "expert_prune")


def record(folder: Path, **sizes: Any) -> Recorded:
    stored = {name: value for name, value in sizes.items() if name not in SAID}
    model = load_model(write_checkpoint(folder / "checkpoint.pth", **stored), None, options(**sizes))
    spec = model.spec.image
    image = np.random.default_rng(1).normal(0.0, 1.0, (3, spec.height, spec.width)).astype(np.float32)
    network = lower(model)
    formats = choose_formats(network, observe_ranges(model, [image], model.spec.task_names), KNOBS.widths)
    return record_inputs(model, network, formats, image, model.spec.task_names[-1])


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine.compile(make_design(KNOBS, load_board("zcu104")))


@pytest.mark.parametrize(
    "sizes",
    [
        {"router": "multi"},
        {"router": "single", "gate_type": "noisy", "top_k": 1},
        {"router": "multi", "input_ahead": True},
        {"router": "single", "experts_per_task": 2, "expert_prune": True, "top_k": 1},
        {"router": "none"},
    ],
    ids=lambda sizes: ", ".join(f"{k}={v}" for k, v in sizes.items()),
)
def test_recorded_inputs_lie_within_the_bounds(engine: Engine, tmp_path: Path, sizes: dict[str, Any]) -> None:
    recorded = record(tmp_path, **sizes)
    results = [r for r in run_kernels(engine.design, recorded=recorded, engine=engine) if r.inputs == "recorded"]
    assert [result for result in results if not result.passed] == []
    kernels = RECORDED - {*(("router", "moe") if sizes["router"] == "none" else ())}
    assert {result.kernel for result in results if result.skipped is None} == kernels


def test_blocks_of_both_kinds_are_recorded_first_and_last(tmp_path: Path) -> None:
    assert record(tmp_path, depth=8).blocks == (0, 1, 6, 7)


def test_a_network_that_the_design_does_not_hold_is_refused(engine: Engine, tmp_path: Path) -> None:
    recorded = record(tmp_path, dim=64)
    with pytest.raises(CapacityError, match="features a token"):
        run_kernels(engine.design, ["linear"], recorded=recorded, engine=engine)
