"""Whole networks with their decoders on the engine: from picture to classes, byte for byte the integer reference."""

from __future__ import annotations

import importlib.util
from functools import cache

import numpy as np
import pytest

from edgemoe_gen.design import Design
from edgemoe_gen.program import rings
from edgemoe_gen.program.compile import Program, compile_network, pack_image
from edgemoe_gen.sim.compiler import Build
from edgemoe_gen.sim.decoded import IntegerDecoder
from edgemoe_gen.sim.engine import Engine, stored_matrix
from tests.numerics.decoded import decoded_case, shared_case
from tests.sim.engines import MAPS, compiled, small_design

pytest.importorskip("torch")
pytestmark = pytest.mark.slow


@cache
def engine(lanes: int, frames: int = 1) -> Engine:
    return compiled(small_design(tokens_parallel=lanes, frames_per_pass=frames, **MAPS))


def program_of(design: Design, doubles: bool = True, frames: int = 1) -> Program:
    case = decoded_case()
    tasks = [task for task in case.model.spec.task_names for _ in range(frames)]
    decoders = dict.fromkeys(case.model.spec.task_names, doubles)
    formats = case.formats(design.knobs.widths)
    return compile_network(design, case.model, case.network, formats, tasks, decoders=decoders)


def check(engine: Engine, doubles: bool = True, frames: int = 1) -> Program:
    """Runs both tasks, and holds what their decoders leave against the reference of the very tokens that they had."""
    case, design = decoded_case(), engine.design
    program = program_of(design, doubles, frames)
    images = [case.images[i % len(case.images)] for i in range(len(program.frames))]
    run = engine.run_program(program, pack_image(program, case.model.spec, images))
    for frame in program.frames:
        assert frame.decoded is not None
        reference = IntegerDecoder.of(design, case.network, case.formats(design.knobs.widths), frame.task)
        maps = reference(reference.tokens(stored_matrix(run, frame.regions["tokens"])))
        found = frame.decoded.unpack(run.result)
        if doubles:
            np.testing.assert_array_equal(found, maps.result)
            assert len(np.unique(found)) >= 2
        else:
            np.testing.assert_array_equal(found, maps.logits << design.knobs.residual_tail_bits)
    return program


@pytest.mark.parametrize("rows", [(1,), (2, 1), (3, 1), (4, 2, 1), rings.ROWS])
def test_classes_and_values_are_the_reference_s_whatever_rows_are_made_at_a_time(
    monkeypatch: pytest.MonkeyPatch, rows: tuple[int, ...]
) -> None:
    monkeypatch.setattr(rings, "ROWS", rows)
    check(engine(2))


def test_logits_leave_before_the_last_doubling() -> None:
    check(engine(2), doubles=False)


@pytest.mark.parametrize("lanes", [3, 5])
def test_other_lanes_give_the_reference_s_bytes(lanes: int) -> None:
    check(engine(lanes))


@pytest.mark.parametrize("router", ["single", pytest.param("none", marks=pytest.mark.nightly)])
def test_tasks_of_one_backbone_get_the_bytes_of_their_own_runs(router: str) -> None:
    case, design = shared_case(router), engine(2).design
    tasks, formats = case.model.spec.task_names, case.formats(design.knobs.widths)
    decoders = dict.fromkeys(tasks, True)
    shared, alone = (
        compile_network(design, case.model, case.network, formats, tasks, decoders=decoders, one_picture=one)
        for one in (True, False)
    )
    images = case.images[:1] * len(tasks)
    runs = [engine(2).run_program(one, pack_image(one, case.model.spec, images)) for one in (shared, alone)]
    assert len(shared.pictures) == 1 and runs[0].traffic.total < runs[1].traffic.total
    for a, b in zip(shared.frames, alone.frames, strict=True):
        assert a.decoded is not None and b.decoded is not None
        tokens = stored_matrix(runs[0], a.regions["tokens"])
        np.testing.assert_array_equal(tokens, stored_matrix(runs[1], b.regions["tokens"]))
        found = a.decoded.unpack(runs[0].result)
        np.testing.assert_array_equal(found, b.decoded.unpack(runs[1].result))
        reference = IntegerDecoder.of(design, case.network, formats, a.task)
        np.testing.assert_array_equal(found, reference(reference.tokens(tokens)).result)
        assert len(np.unique(found)) >= 2


@pytest.mark.nightly
def test_frames_that_share_a_pass_of_the_backbone_are_decoded_one_by_one() -> None:
    check(engine(2, frames=2), frames=2)


@pytest.mark.nightly
@pytest.mark.skipif(importlib.util.find_spec("hls4ml") is None, reason="the open ap_types headers are not installed")
@pytest.mark.parametrize("doubles", [True, False])
def test_exact_widths_give_the_same_bytes(doubles: bool) -> None:
    check(compiled(engine(2).design, Build(ap_types=True)), doubles)
