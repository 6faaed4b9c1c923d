"""The short program of co-simulation: it fits its buffers for any design, visits every kind of operation, and runs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgemoe_gen.base.errors import KnobError
from edgemoe_gen.design import make_design
from edgemoe_gen.design.knobs import Knobs
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.hardware.kinds import KINDS, kinds_that
from edgemoe_gen.program.compile import pack_image
from edgemoe_gen.program.file import program_words
from edgemoe_gen.program.short import compile_short
from edgemoe_gen.program.verify import verify_program
from edgemoe_gen.sim.engine import Engine
from tests.sim.engines import room_of

pytest.importorskip("torch", reason="formats are chosen by the float reference")
ZCU104 = load_board("zcu104")


@st.composite
def designs(draw: st.DrawFn):  # type: ignore[no-untyped-def]
    inner = draw(st.sampled_from([8, 16, 24, 64]))
    turned = {
        "tokens_parallel": draw(st.integers(1, 8)),
        "in_parallel": inner,
        "out_parallel": inner * draw(st.integers(1, max(1, 128 // inner))),
        "weight_ports": draw(st.integers(1, 6)),
        "weight_bits": draw(st.integers(4, 18)),
        "port_bits": draw(st.sampled_from([64, 128])),
        "max_tokens": draw(st.integers(1, 200)),
        "max_dim": draw(st.integers(8, 256)),
        "max_experts": draw(st.integers(1, 64)),
    }
    turned["max_top_k"] = draw(st.integers(1, min(4, turned["max_experts"])))
    turned["max_query"] = max(2 * turned["out_parallel"], turned["max_dim"])
    turned["max_cache"] = 2 * turned["out_parallel"]
    try:
        return make_design(Knobs().turned(turned), ZCU104)
    except KnobError:
        return None


@settings(max_examples=25, deadline=None)
@given(designs())
def test_it_fits_the_buffers_of_any_design_and_is_valid(design) -> None:  # type: ignore[no-untyped-def]
    if design is not None:
        program, _, _ = compile_short(design)  # raises CapacityError where it does not fit
        verify_program(program_words(program), design, room_of(program))


def test_it_visits_every_kind_of_operation_but_taps() -> None:
    program, _, _ = compile_short(make_design(Knobs(), ZCU104))
    kinds = list(KINDS)
    seen = {kinds[operation.kind] for operation in program.operations}
    assert seen >= set(kinds) - {"STORE_ROUTES", "END", *kinds_that("decodes")}


def test_the_depths_hold_more_than_one_beat_so_that_co_simulation_copies_whole_buffers() -> None:
    assert all(depth > 1 for depth in make_design(Knobs(), ZCU104).port_depths.values())


def test_it_runs_on_the_engine_and_gives_tokens_that_differ() -> None:
    design = make_design(Knobs().turned({"tokens_parallel": 2, "out_parallel": 8, "in_parallel": 8}), ZCU104)
    program, spec, image = compile_short(design)
    run = Engine.compile(design).run_program(program, pack_image(program, spec, [image]))
    values = run.result.view("<i4")
    assert np.unique(values).size > spec.dim
