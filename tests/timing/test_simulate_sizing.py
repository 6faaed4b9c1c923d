"""Depths of FIFOs by timed runs, on a model whose smallest depths are known; and writing them to a project's file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from edgemoe_gen.base.errors import ConfigError, SimulationError
from edgemoe_gen.timing.result import Deadlock, Fifo, TimedResult
from edgemoe_gen.timing.sizing import size_fifos, write_depths

# FIFO: depth in the sources, fill when unbounded, depth from which on it costs nothing.
NEEDS: Mapping[str, tuple[int, int, int]] = {
    "a": (16, 40, 7),
    "b": (4, 9, 9),
    "c": (64, 0, 2),
    "weights[0]": (256, 300, 300),
    "parts[0]": (8, 5, 3),
    "parts[1]": (8, 12, 11),
}
LEAST: Mapping[str, int] = {"a": 2, "b": 2, "c": 2, "parts": 2}


class Model:
    """100 cycles, one more for each place that a FIFO lacks; below `stuck` places of `a` it deadlocks."""

    def __init__(self, stuck: int = 0) -> None:
        self.stuck = stuck
        self.runs = 0

    def __call__(self, depths: Mapping[str, int]) -> TimedResult:
        self.runs += 1
        have = {name: depths.get(name, depth) for name, (depth, _, _) in NEEDS.items()}
        lost = sum(
            max(0, need - have[n]) for n, (_, _, need) in NEEDS.items() if have[n] and not n.startswith("weights")
        )
        dead = 0 < have["a"] < self.stuck
        fifos = tuple(
            Fifo(name, have[name], fill if not have[name] else min(fill, have[name]), 1, 0, 0, "w", "r")
            for name, (_, fill, _) in NEEDS.items()
        )
        deadlock = Deadlock(0, "x", ()) if dead else None
        return TimedResult(100 + lost, 0, (), (), fifos, (), (), 0.0, 0, (), deadlock)


def test_each_fifo_gets_the_smallest_depth_that_costs_nothing() -> None:
    model = Model()
    found = size_fifos(model, LEAST)
    # The two FIFOs of an array have one depth: the larger need.
    assert found.depths == {"a": 7, "b": 9, "c": 2, "parts": 11}
    # With the depths of the sources b lacks 5 places and parts 3; the knob's FIFO is nobody's to size.
    assert (found.cycles, found.before, found.runs) == (100, 108, model.runs)
    # Bisection: far fewer runs than the 40 + 9 + 12 depths that there are.
    assert model.runs < 25
    assert {size.name: size.highest for size in found.sizes} == {"a": 40, "b": 9, "c": 0, "parts": 12}


def test_no_depth_is_below_what_the_design_allows() -> None:
    assert size_fifos(Model(), {**LEAST, "a": 12, "c": 33, "parts": 5}).depths == {
        "a": 12,
        "b": 9,
        "c": 33,
        "parts": 11,
    }


def test_a_depth_that_deadlocks_costs_something() -> None:
    found = size_fifos(Model(stuck=12), LEAST)
    assert found.depths["a"] == 12


def test_a_design_that_deadlocks_as_it_is_can_still_be_sized() -> None:
    found = size_fifos(Model(stuck=20), LEAST)
    assert found.before is None and found.depths["a"] == 20


def test_a_design_that_deadlocks_whatever_the_depths_is_refused() -> None:
    def run(depths: Mapping[str, int]) -> TimedResult:
        return replace(Model()(depths), deadlock=Deadlock(0, "x", ()))

    with pytest.raises(SimulationError, match="FIFOs cannot be sized: deadlock"):
        size_fifos(run, LEAST)


def test_depths_are_written_and_replaced_and_the_rest_of_the_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "edgemoe.toml"
    before = '# mine\nboard = "zcu104"\n\n[knobs]\nin_parallel = 16  # chosen\n'
    path.write_text(before, encoding="utf-8")
    write_depths(path, {"scales": 64, "sums": 4})
    once = path.read_text(encoding="utf-8")
    assert once.startswith(before) and "[fifo_depths]\n" in once and "scales = 64\nsums = 4\n" in once
    path.write_text(once + "\n[numerics]\ncalibration_images = 4\n", encoding="utf-8")
    write_depths(path, {"scales": 32})
    twice = path.read_text(encoding="utf-8")
    assert twice.count("[fifo_depths]") == 1 and "scales = 32\n" in twice and "sums" not in twice
    assert twice.startswith(before) and twice.endswith("\n[numerics]\ncalibration_images = 4\n")


def test_depths_without_a_project_have_nowhere_to_go(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no file"):
        write_depths(tmp_path / "edgemoe.toml", {"scales": 2})
