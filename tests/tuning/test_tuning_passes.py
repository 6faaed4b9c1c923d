"""Frames that share a pass of the weights, as a dimension of a search."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgemoe_gen.base.errors import CapacityError
from edgemoe_gen.estimate.resources import check_fits
from edgemoe_gen.tuning import Outcome, Point
from edgemoe_gen.tuning.evaluate import Evaluator
from tests.tuning.small_searches import small_evaluator


def estimated(evaluator: Evaluator, **values: int) -> Outcome:
    return evaluator.outcome(Point.of(values), "estimate")


def test_a_pass_costs_latency_and_memory_and_saves_bytes() -> None:
    one, four = (estimated(small_evaluator(), frames_per_pass=frames) for frames in (1, 4))
    assert four.value("latency_ms") > one.value("latency_ms")  # type: ignore[operator]
    assert four.value("throughput_fps") > one.value("throughput_fps")  # type: ignore[operator]
    assert four.value("throughput_fps") == pytest.approx(4e3 / four.value("latency_ms"))  # type: ignore[operator]
    assert four.value("ddr_bytes") < one.value("ddr_bytes")  # type: ignore[operator]
    assert four.value("energy_mj") < one.value("energy_mj")  # type: ignore[operator]


def test_a_pass_is_what_its_frames_in_one_run_are() -> None:
    left_out = estimated(small_evaluator(), frames_per_pass=3)
    assert left_out.figures == estimated(small_evaluator(), frames_per_pass=3, frames=3).figures
    twice = estimated(small_evaluator(), frames_per_pass=3, frames=6)
    assert twice.value("latency_ms") > 1.9 * left_out.value("latency_ms")  # type: ignore[operator]


def test_fewer_frames_than_a_pass_are_infeasible() -> None:
    outcome = estimated(small_evaluator(), frames_per_pass=3, frames=2)
    assert not outcome.feasible
    assert outcome.reason == "breaks a rule of frames_per_pass"
    assert outcome.detail == "frames_per_pass is 3, but a run has 2 frames: no pass would be full"


def test_the_default_point_fills_the_passes_that_the_project_asks_for() -> None:
    evaluator = replace(small_evaluator(), chosen={"frames_per_pass": 2})
    assert evaluator.default_point(("frames", "frames_per_pass")).as_dict() == {"frames": 2, "frames_per_pass": 2}
    assert small_evaluator().default_point(("frames",)).as_dict() == {"frames": 1}
    assert evaluator.outcome(evaluator.default_point(("frames",)), "estimate").feasible


@pytest.mark.slow
def test_frames_that_the_board_has_no_memory_for_are_refused_with_the_knob_to_lower() -> None:
    sizes = {"frames_per_pass": 16, "max_tokens": 1900, "max_hidden": 4096}
    outcome = estimated(small_evaluator(), **sizes)
    assert not outcome.feasible and outcome.reason.startswith("more ")
    with pytest.raises(CapacityError, match=r"does not fit the .*URAM") as error:
        check_fits(small_evaluator().design(Point.of(sizes)))
    assert "frames_per_pass" in error.value.hint


def test_words_of_a_latency_say_how_many_frames_it_is_of() -> None:
    assert estimated(small_evaluator(), frames_per_pass=3).latency_words == "for 3 frames"
    assert estimated(small_evaluator(), tokens_parallel=2).latency_words == "a frame"
