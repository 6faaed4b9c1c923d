"""Points whose engine runs decoders: their frames are longer, move more and cost more; the backbone's error stays."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.tuning import Evaluator, make_evaluator
from edgemoe_gen.tuning.trial import ESTIMATE, Point
from tests.numerics.decoded import decoded_case
from tests.sim.engines import SMALL

pytest.importorskip("torch")


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
        program = found.program(found.design(point), found.tasks)
        assert [frame.decoded is not None for frame in program.frames] == [decodes] * len(found.tasks)
