"""Points whose engine runs decoders: their frames are longer, move more and cost more, and their maps are rounded."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.tuning import Evaluator, make_evaluator
from edgemoe_gen.tuning.space import default_space
from edgemoe_gen.tuning.trial import CSIM, ESTIMATE, Point
from tests.numerics.decoded import decoded_case
from tests.sim.engines import SMALL

pytest.importorskip("torch")


@pytest.fixture(autouse=True)
def no_timed_simulation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks at cycles here, so they are estimated at every tier."""
    monkeypatch.setattr(Evaluator, "_timed", lambda self, design, frames, *_: self._estimate(design, frames))


@cache
def evaluator(width: int) -> Evaluator:
    case = decoded_case()
    chosen: dict[str, Any] = dict(SMALL) | {"max_map_width": width}
    return make_evaluator(case.model, case.images[:1], case.model.spec.task_names, load_board("zcu104"), chosen)


def test_a_point_with_decoders_takes_and_moves_more() -> None:
    host, engine = (evaluator(width).outcome(Point(()), ESTIMATE) for width in (0, 32))
    assert host.feasible and engine.feasible, (host, engine)
    for name in ("latency_ms", "ddr_bytes", "energy_mj"):
        assert engine.figures[name].value > host.figures[name].value
    assert engine.figures["throughput_fps"].value < host.figures["throughput_fps"].value


def test_the_programs_that_are_estimated_and_simulated_decode_alike() -> None:
    point = Point(())
    for width, decodes in ((0, False), (32, True)):
        found = evaluator(width)
        program = found.prepared.program(found.design(point), found.tasks)
        assert [frame.decoded is not None for frame in program.frames] == [decodes] * len(found.tasks)


NARROW = (Point(()), Point.of({"decoder_weight_bits": 8}), Point.of({"decoder_activation_bits": 9}))


@cache
def simulated() -> list[dict[str, float]]:
    found = [evaluator(32).outcome(point, CSIM) for point in NARROW]
    assert all(outcome.feasible for outcome in found), found
    return [{name: figure.value for name, figure in outcome.figures.items()} for outcome in found]


@pytest.mark.slow
def test_the_error_of_a_point_has_its_decoders_rounding() -> None:
    """Their maps are those of the engine; tokens, and so the error without decoders, do not know of their widths."""
    wide, weights, activations = simulated()
    host = evaluator(0).outcome(Point(()), CSIM).figures
    assert "map_rms" not in host and host["error"].value < wide["error"]
    power = host["error"].value / host["relative_rms"].value ** 2
    for row in (wide, weights, activations):
        ours = row["error"] - host["error"].value
        assert ours == pytest.approx(power * row["map_rms"] ** 2, rel=0.1)
    assert 0 < wide["map_rms"] < 1e-3 < min(weights["map_rms"], activations["map_rms"])


@pytest.mark.slow
def test_the_estimate_of_the_error_follows_the_decoders_widths() -> None:
    """Scaled by the wide point alone, it ranks the narrow ones as simulation does, within a factor of four."""
    found = evaluator(32)
    scaled = found.scaled_by(found.outcome(Point(()), CSIM))
    guessed = [scaled.outcome(point, ESTIMATE).figures["error"].value for point in NARROW]
    measured = [row["error"] for row in simulated()]
    assert guessed[0] == pytest.approx(measured[0])
    for guess, right in zip(guessed[1:], measured[1:], strict=True):
        assert guess > 2 * guessed[0] and 0.25 < guess / right < 4


def test_a_search_that_may_turn_the_width_of_maps_calibrates_decoders() -> None:
    case = decoded_case()
    tasks = case.model.spec.task_names
    free = make_evaluator(case.model, case.images[:1], tasks, load_board("zcu104"), SMALL)
    assert set(free.prepared.network.decoders) == set(tasks) and not evaluator(0).prepared.network.decoders
    for width in (0, 32):
        design = free.design(Point.of({"max_map_width": width}))
        assert [bool(frame.decoded) for frame in free.prepared.program(design, tasks).frames] == [width > 0] * 2
    one = evaluator(32).outcome(Point.of({"tokens_parallel": 1}), ESTIMATE)
    assert not one.feasible and "two neighbouring pixels" in one.detail


def test_widths_of_decoders_are_dimensions_where_the_engine_runs_them() -> None:
    board, names = load_board("zcu104"), ("decoder_weight_bits", "decoder_activation_bits")
    for kinds, there in ((("experts",), False), (("experts", "decoders"), True)):
        space = default_space(evaluator(32).knobs(Point(())), board, {}, kinds=kinds).as_dict()
        assert [name in space for name in names] == [there, there]
