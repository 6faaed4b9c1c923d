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
from edgemoe_gen.hardware.kinds import KINDS, bit, kinds_of, number
from edgemoe_gen.hardware.parts import DECODERS, EXPERTS
from edgemoe_gen.program.compile import pack_image
from edgemoe_gen.program.file import program_words
from edgemoe_gen.program.short import calibrated, compile_short
from edgemoe_gen.program.verify import verify_program
from edgemoe_gen.sim.decoded import IntegerDecoder
from edgemoe_gen.sim.engine import Engine, stored_matrix
from tests.sim.engines import MAPS, compiled, room_of, small_design

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
        "max_experts": draw(st.integers(0, 64)),
        "max_map_width": draw(st.sampled_from([0, 1, 2, 7, 64])),
        "max_map_channels": draw(st.integers(8, 64)),
        "source_words": draw(st.integers(0, 1000)),
        "result_words": draw(st.integers(0, 1000)),
    }
    turned["max_top_k"] = draw(st.integers(min(1, turned["max_experts"]), min(4, turned["max_experts"])))
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


@pytest.mark.parametrize(("width", "experts"), [(0, 64), (64, 64), (0, 0), (64, 0)])
def test_it_visits_every_kind_of_operation_but_taps(width: int, experts: int) -> None:
    knobs = Knobs(max_map_width=width, max_experts=experts, max_top_k=min(4, experts))
    program, _, _ = compile_short(make_design(knobs, ZCU104))
    kinds = list(KINDS)
    seen = {kinds[operation.kind] for operation in program.operations}
    absent = (*(() if width else kinds_of(DECODERS)), *(() if experts else kinds_of(EXPERTS)))
    assert seen == set(kinds) - {"STORE_ROUTES", "END", *absent}


@pytest.mark.parametrize("lanes", [2, 4, 11, 16])
def test_its_maps_show_all_that_decoders_do(lanes: int) -> None:
    knobs = Knobs(tokens_parallel=lanes, out_parallel=16, in_parallel=8, max_map_width=64)
    operations = compile_short(make_design(knobs, ZCU104))[0].operations
    shifted = [op for op in operations if op.flags & bit("SHIFTED")]
    assert all(op.flags & bit("RELU") for op in shifted)
    assert any(op.ring_above > op.ring_last - op.row_words for op in shifted), "the row above lies at the ring's end"
    assert {op.row for op in shifted} == {0, 1, 2, 3}
    assert max(op.row_blocks for op in shifted) > 1, "a pixel's neighbour lies in another block"
    assert max(op.tap_words for op in shifted) > 1
    stored = [op.flags & bit("CLASSES") for op in operations if op.kind == number("STORE_RESIZED")]
    assert set(stored) == {0, bit("CLASSES")}
    assert len(operations) < 100


def test_the_depths_hold_more_than_one_beat_so_that_co_simulation_copies_whole_buffers() -> None:
    assert all(depth > 1 for depth in make_design(Knobs(), ZCU104).port_depths.values())


def test_it_runs_on_the_engine_and_gives_tokens_that_differ() -> None:
    design = make_design(Knobs().turned({"tokens_parallel": 2, "out_parallel": 8, "in_parallel": 8}), ZCU104)
    program, spec, image = compile_short(design)
    run = Engine.compile(design).run_program(program, pack_image(program, spec, [image] * len(program.frames)))
    values = run.result.view("<i4")
    assert np.unique(values).size > spec.dim


@pytest.mark.slow
def test_its_maps_are_those_of_the_integer_reference() -> None:
    engine = compiled(small_design(**MAPS))
    program, spec, image = compile_short(engine.design)
    _, network, formats, _ = calibrated(engine.design, spec)
    run = engine.run_program(program, pack_image(program, spec, [image] * len(program.frames)))
    for frame in program.frames:
        assert frame.decoded is not None
        reference = IntegerDecoder.of(engine.design, network, formats, frame.task)
        maps = reference(reference.tokens(stored_matrix(run, frame.regions["tokens"])))
        found = frame.decoded.unpack(run.result)
        np.testing.assert_array_equal(found, maps.result)
        assert len(np.unique(found)) >= 2
