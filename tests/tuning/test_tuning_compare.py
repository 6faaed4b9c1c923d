"""Two designs side by side in the timed simulation: cycles by layer are those of the run that gave the figures."""

from __future__ import annotations

from typing import Any

import pytest

import edgemoe_gen.tuning.evaluate as evaluating
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.model.random import random_model, random_picture
from edgemoe_gen.project.opening import no_progress
from edgemoe_gen.timing.run import time_program
from edgemoe_gen.tuning import make_evaluator
from edgemoe_gen.tuning.compare import compare_designs, read_side
from edgemoe_gen.tuning.runner import LocalRunner
from edgemoe_gen.tuning.trial import ESTIMATE, TIMED
from tests.tuning.small_searches import SPEC

SHAPE = {"tokens_parallel": 2, "out_parallel": 8, "in_parallel": 8, "weight_fifo_beats": 256, "weight_ports": 1}


@pytest.mark.slow
def test_each_design_is_timed_once_and_its_layers_take_all_of_its_cycles(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    timed: list[Any] = []

    def timing(*arguments: Any, **more: Any) -> Any:
        timed.append(time_program(*arguments, **more))
        return timed[-1]

    monkeypatch.setattr(evaluating, "time_program", timing)
    evaluator = make_evaluator(
        random_model(SPEC), [random_picture(SPEC)], SPEC.task_names, load_board("zcu104"), chosen=SHAPE
    )
    sides = (read_side("clock_mhz=300"), read_side("clock_mhz=200"))
    made = compare_designs(evaluator, sides, TIMED, LocalRunner(evaluator), no_progress)
    assert made.layer_tier == TIMED
    assert {name: tier for name, _, _, tier in made.figures()}["energy_mj"] == ESTIMATE, "it is a rule"
    assert len(timed) == 2
    for side, run in zip(made.sides, timed, strict=True):
        assert sum(side.layers.values()) == run.cycles
        milliseconds = run.cycles / (side.outcome.knobs["clock_mhz"] * 1e3)
        assert side.outcome.figures["latency_ms"].value == pytest.approx(milliseconds)
        assert {"experts", "routers", "patch embedding"} <= set(side.layers)
