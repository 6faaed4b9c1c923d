"""What the formulas of cycles read of a design: the depths that the project says."""

from __future__ import annotations

import pytest

from edgemoe_gen.codegen import render_sources
from edgemoe_gen.design import Knobs, make_design
from edgemoe_gen.estimate.engine import Engine, engine_of
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.timing.table import load_timing


def engine(fifo_depths: dict[str, int], said: dict[str, int] | None = None) -> Engine:
    design = make_design(Knobs(), load_board("zcu104"), fifo_depths)
    return engine_of(design, load_timing(design, render_sources(design)).with_depths(said or {}))


@pytest.mark.parametrize(
    ("fifo", "depth", "number"),
    [
        ("orders", 16, "ahead"),
        ("input", 128, "input_beats"),
        ("weight_orders", 40, "orders"),
        ("operands", 48, "buffered"),
    ],
)
def test_a_fifo_s_own_depth_is_what_cycles_are_counted_with(fifo: str, depth: int, number: str) -> None:
    assert getattr(engine({}), number) != depth
    assert getattr(engine({fifo: depth}), number) == depth
    # What a timed run lays over the project's depths comes first.
    assert getattr(engine({fifo: depth}, {fifo: depth + 7}), number) == depth + 7
