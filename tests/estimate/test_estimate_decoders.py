"""The estimate of decoders' operations against the timed simulation, operation by operation."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemoe_gen.codegen import render_sources
from edgemoe_gen.design import Design, make_design
from edgemoe_gen.estimate import estimate_cycles
from edgemoe_gen.fitting.defaults import default_knobs
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.model import load_model
from edgemoe_gen.numerics.formats import choose_formats, observe_ranges, prepare
from edgemoe_gen.program.compile import Program, compile_network, pack_image
from edgemoe_gen.timing.result import TimedResult
from edgemoe_gen.timing.run import time_program
from edgemoe_gen.timing.table import Timing, load_timing
from tests.factory import make_state, options, save_state
from tests.numerics.decoded import decoded_case, shared_case
from tests.sim.engines import small_design

pytest.importorskip("torch")
pytestmark = pytest.mark.slow
WITHIN = 0.05  # of the timed simulation's cycles: what the estimate promises
MAPS = {"max_map_width": 32, "max_map_channels": 24, "source_words": 500, "result_words": 400}


@cache
def decoder_program() -> tuple[Design, Program]:
    """One frame of the small network with its decoder."""
    case, design = decoded_case(), small_design(**MAPS)
    tasks = case.model.spec.task_names[:1]
    formats = case.formats(design.knobs.widths)
    program = compile_network(design, case.model, case.network, formats, tasks, decoders=dict.fromkeys(tasks, True))
    return design, program


def timed(**said: Any) -> tuple[TimedResult, Timing]:
    design, program = decoder_program()
    timing = load_timing(design, render_sources(design), **said)
    case = decoded_case()
    found = time_program(program, pack_image(program, case.model.spec, case.images[:1]), timing)
    assert found.deadlock is None
    return found, timing


def test_every_kind_of_a_decoder_s_operations_takes_what_the_estimate_says() -> None:
    _, program = decoder_program()
    found, timing = timed()
    estimate = estimate_cycles(program, timing=timing)
    took: Counter[str] = Counter()
    for operation, layer in zip(found.operations[:-1], program.layers, strict=True):
        if layer.startswith("decoders."):
            took[layer.rsplit(".", 1)[1].split("_")[0]] += operation.end - operation.start
    kinds = {"conv": "convolution", "resize": "resize", "result": "store resized"}
    for part, kind in kinds.items():
        assert estimate.by_kind[kind] == pytest.approx(took[part], rel=0.01)
    # Convolutions are most of a decoder, and the unit is seldom idle while it convolves.
    tiles = sum(op.out_tiles * op.blocks * op.in_words for op in program.operations if op.tap_words)
    assert tiles <= took["conv"] <= 1.2 * tiles


@pytest.mark.parametrize("said", [{}, {"ddr_gb_per_s": 4.0}], ids=["as the board is", "slow memory"])
def test_estimate_is_near_the_timed_simulation_of_a_frame_with_its_decoder(said: dict[str, Any]) -> None:
    _, program = decoder_program()
    found, timing = timed(**said)
    assert abs(estimate_cycles(program, timing=timing).total / found.cycles - 1) <= WITHIN


def test_a_frame_of_all_tasks_takes_one_backbone_and_every_decoder() -> None:
    """Of tasks whose gates do not depend on the task; the start and the end of a run count once more in each part."""
    case, design = shared_case(), small_design(**MAPS)
    tasks, formats = case.model.spec.task_names, case.formats(design.knobs.widths)
    timing = load_timing(design, render_sources(design))

    def cycles(names: tuple[str, ...], doubles: bool | None) -> tuple[float, float]:
        decoders = {} if doubles is None else dict.fromkeys(names, doubles)
        program = compile_network(design, case.model, case.network, formats, names, decoders=decoders, one_picture=True)
        image = pack_image(program, case.model.spec, case.images[:1] * len(names))
        found = time_program(program, image, timing, record=False)
        assert found.passed
        assert abs(estimate_cycles(program, timing=timing).total / found.cycles - 1) <= WITHIN
        return found.cycles, estimate_cycles(program, timing=timing).total

    backbone, shared = cycles(tasks[:1], None), cycles(tasks, True)
    alone = [cycles((task,), True) for task in tasks]
    for tier in (0, 1):
        decoders = sum(one[tier] - backbone[tier] for one in alone)
        assert shared[tier] == pytest.approx(backbone[tier] + decoders, rel=0.005)
        assert min(one[tier] for one in alone) > 1.1 * backbone[tier] > 0


@pytest.mark.nightly
def test_tiny_s_default_design_takes_21_ms_from_picture_to_classes(tmp_path: Path) -> None:
    """With random weights; 42 ms for both tasks is twice that."""
    state = make_state(
        dim=192, depth=12, experts=16, expert_hidden=384, patch=16, image=(128, 256), decoder_width=256,
        tasks={"semseg": 7, "depth": 1},
    )  # fmt: skip
    said = options(heads=3, top_k=2, image=(128, 256))
    model = load_model(save_state(tmp_path / "tiny.pth", state), None, said)
    board, image = load_board("zcu104"), np.random.default_rng(1).random((3, 128, 256), dtype=np.float32)
    design = make_design(default_knobs(model.spec, board, {"max_map_width": 128}), board)
    seen = observe_ranges(model, [image], ["semseg"], decoders=True)
    network = prepare(model, seen)
    formats = choose_formats(network, seen, design.knobs.widths)
    program = compile_network(design, model, network, formats, ["semseg"], decoders={"semseg": True})
    timing = load_timing(design, render_sources(design))
    found = time_program(program, pack_image(program, model.spec, [image]), timing, record=False)
    assert found.passed
    assert found.cycles / (design.knobs.clock_mhz * 1e3) <= 21
    assert abs(estimate_cycles(program, timing=timing).total / found.cycles - 1) <= WITHIN
