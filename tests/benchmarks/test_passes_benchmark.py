"""The parts of benchmarks/passes.py that need no compiler, on two blocks."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from engine_parts.cases import little
from engine_parts.runs import FREE, resources_of
from passes import Pass, candidates, pictures_of, rows_of


def test_candidates_are_for_that_many_frames_and_leave_room() -> None:
    case = little()
    found = candidates(case, case.design.board, 3, 6)
    assert len(found) > 5
    assert [ms for ms, _ in found] == sorted(ms for ms, _ in found)
    for _, design in found:
        assert design.knobs.frames_per_pass == 3 and design.knobs.residual_tail_bits == 6
        assert max(use.share for use in resources_of(design)) <= FREE


def test_pictures_of_a_pass_differ() -> None:
    found = pictures_of(little(), 5)
    assert len(found) == 5
    assert not any(np.array_equal(a, b) for i, a in enumerate(found) for b in found[:i])


def test_table_compares_with_the_first_number_of_frames() -> None:
    one = Pass(1, (5, 16, 16), 4096, 3.0, 12.0, 40e6, 1000, 200, 80, True)
    two = Pass(2, (5, 16, 16), 4096, 4.0, 12.0, 20e6, 1000, 200, 80, True)
    first, second = rows_of([one, two])
    assert first[4:9] == ("333", "1.00 x", "40.00", "1.00 x", "1.00 x")
    assert second[4:9] == ("500", "1.50 x", "20.00", "0.50 x", "2.00 x")
