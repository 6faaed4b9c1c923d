"""The clock as a knob of a search: points whose recurrences do not fit are infeasible."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgemoe_gen.codegen import render_sources
from edgemoe_gen.design import Design
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.model.random import random_model, random_picture
from edgemoe_gen.scheduling import missing
from edgemoe_gen.tuning.clock import TOO_FAST, clock_fault
from edgemoe_gen.tuning.evaluate import make_evaluator
from edgemoe_gen.tuning.trial import TIMED, Point
from tests.tuning.small_searches import SPEC, small_evaluator

pytestmark = pytest.mark.skipif(bool(missing()), reason="the compiler of [schedule] is not installed")


def fault(design: Design) -> str:
    return clock_fault(design, render_sources(design))


@pytest.mark.slow
def test_recurrences_that_do_not_fit_a_clock_are_said() -> None:
    unit = {"tokens_parallel": 2, "out_parallel": 8, "in_parallel": 8}
    slow, fast = (small_evaluator().design(Point.of({**unit, "clock_mhz": clock})) for clock in (250.0, 400.0))
    assert fault(slow) == ""
    assert fault(fast).startswith("at 400 MHz: slowest recurrence ") and ", over" in fault(fast)


def test_a_point_with_such_a_clock_is_infeasible(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    evaluator = make_evaluator(random_model(SPEC), [random_picture(SPEC)], SPEC.task_names, load_board("zcu104"))
    monkeypatch.setattr("edgemoe_gen.tuning.evaluate.clock_fault", lambda design, _: f"{design.knobs.clock_mhz:g} MHz")
    outcome = evaluator.outcome(Point.of({"clock_mhz": 250.0}), TIMED)
    assert (outcome.feasible, outcome.reason, outcome.detail) == (False, TOO_FAST, "250 MHz")


def test_without_the_compiler_nothing_limits_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgemoe_gen.scheduling.run.ziglang_missing", lambda: "the package ziglang is not installed")
    design = small_evaluator().design(Point(()))
    assert fault(replace(design, knobs=replace(design.knobs, clock_mhz=500.0))) == ""
