"""Several frames and tasks in one program, traffic, and programs that an engine must refuse."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.hardware.descriptor import HEADER_DESIGN, HEADER_MAGIC, bit, number
from edgemoe_gen.program.compile import compile_network, pack_image
from edgemoe_gen.program.file import WeightFile, program_words
from edgemoe_gen.sim.engine import Engine, FrameResult, run_frames
from tests.sim.engines import Case, compiled, random_case, run_case, small_design

pytest.importorskip("torch")


@pytest.fixture(scope="module")
def engine() -> Engine:
    return compiled(small_design())


@pytest.fixture(scope="module")
def case() -> Case:
    return random_case(seed=40, frames=2)


def same(a: FrameResult, b: FrameResult) -> bool:
    """Whether two frames hold the same bits."""
    assert a.blocks is not None and b.blocks is not None
    assert a.experts is not None and b.experts is not None
    assert a.scores is not None and b.scores is not None
    pairs = ((a.tokens, b.tokens), (a.blocks, b.blocks), (a.experts, b.experts), (a.scores, b.scores))
    return all(np.array_equal(x, y) for x, y in pairs)


def test_frames_of_one_program_are_those_of_separate_programs(engine: Engine, case: Case) -> None:
    together = run_case(engine, case, ("semseg", "depth", "depth", "semseg"), (0, 0, 1, 1)).frames
    for frame, (task, image) in zip(together, (("semseg", 0), ("depth", 0), ("depth", 1), ("semseg", 1)), strict=True):
        assert frame.task == task
        assert same(frame, run_case(engine, case, (task,), (image,)).frames[0])
    assert not same(together[0], together[1]) and not same(together[0], together[3])


def test_another_task_costs_no_operation_and_no_byte(engine: Engine, case: Case) -> None:
    alike = run_case(engine, case, ("semseg", "semseg"), (0, 1))
    switched = run_case(engine, case, ("semseg", "depth"), (0, 1))
    assert len(switched.program.operations) == len(alike.program.operations)
    assert switched.program.weight_bytes_per_run == alike.program.weight_bytes_per_run
    assert switched.traffic == alike.traffic
    # Stored are only the other task's routers in addition: two blocks of 4 x 32 weights, padded to tiles.
    router = 2 * (2 * 8 * 8 * 4 * 2)
    assert 0 < switched.program.weights.nbytes - alike.program.weights.nbytes <= 2 * router


def test_nothing_is_left_of_a_frame_in_the_next_ones(engine: Engine, case: Case) -> None:
    frames = run_case(engine, case, ("semseg", "depth", "semseg"), (0, 1, 0)).frames
    assert same(frames[0], frames[2])


def test_nothing_is_left_of_a_program_in_the_next_ones(engine: Engine, case: Case) -> None:
    before = run_case(engine, case).frames
    run_case(engine, random_case(seed=41, dim=48, experts=16, router="single", top_k=4))
    run_case(engine, random_case(seed=42, image=(16, 32)))
    after = run_case(engine, case).frames
    assert all(same(a, b) for a, b in zip(before, after, strict=True))


def test_taps_change_nothing(engine: Engine, case: Case) -> None:
    with_taps, without = run_case(engine, case), run_case(engine, case, taps=False)
    assert [frame.blocks for frame in without.frames] == [None, None]
    for a, b in zip(with_taps.frames, without.frames, strict=True):
        assert np.array_equal(a.tokens, b.tokens)
        assert a.blocks is not None and np.array_equal(a.tokens, a.blocks[-1])


def test_a_prefix_of_the_network_ends_at_its_block(engine: Engine, case: Case) -> None:
    whole = run_case(engine, case, ("depth",)).frames[0]
    assert whole.blocks is not None
    spec = case.model.spec
    for depth in (1, 2, 3):
        program = compile_network(
            engine.design, case.model, case.network, case.formats(engine.design), ("depth",), depth=depth
        )
        frames, _ = run_frames(engine, program, spec, case.images[:1])
        assert np.array_equal(frames[0].tokens, whole.blocks[depth - 1])


@pytest.mark.parametrize("taps", [False, True])
def test_counted_traffic_is_what_the_program_says(engine: Engine, case: Case, taps: bool) -> None:
    outcome = run_case(engine, case, taps=taps)
    program, beat = outcome.program, engine.design.beat_bytes
    loads = [op for op in program.operations if op.kind == number("LOAD")]
    constants = sum(op.transfer_beats for op in loads if op.flags & bit("CONSTANT"))
    stores = [op for op in program.operations if op.kind in (number("STORE"), number("STORE_ROUTES"))]
    assert outcome.traffic.program == program_words(program).nbytes
    assert outcome.traffic.weights == program.weight_bytes_per_run
    assert outcome.traffic.constants == constants * beat
    assert outcome.traffic.image == program.image_beats * beat
    assert outcome.traffic.result == program.result_beats * beat == sum(op.transfer_beats for op in stores) * beat
    assert outcome.traffic.total == sum(vars(outcome.traffic).values())
    # Without taps nothing leaves the chip but each frame's tokens.
    assert taps or len(stores) == 2


def test_every_weight_of_a_frame_is_fetched_once(engine: Engine, case: Case) -> None:
    program = run_case(engine, case, ("semseg",)).program
    spans = sorted((op.weight_first, op.weight_first + op.weight_beats) for op in program.operations if op.weight_beats)
    assert all(stop <= start for (_, stop), (start, _) in pairwise(spans))
    assert spans[0][0] == 0 and spans[-1][1] == program.weights.shape[1]


@pytest.mark.parametrize("word", [HEADER_MAGIC, HEADER_DESIGN, HEADER_DESIGN + 1])
def test_a_program_of_another_design_is_refused_and_nothing_runs(engine: Engine, case: Case, word: int) -> None:
    program = run_case(engine, case).program
    image = pack_image(program, case.model.spec, case.images)
    words = program_words(program)
    words[word] ^= 1
    with pytest.raises(SimulationError, match="WRONG_DESIGN"):
        engine.run(words, WeightFile(program.weights, program.constants), image, program.result_beats)


def test_a_program_that_reaches_beyond_its_weights_is_refused(engine: Engine, case: Case) -> None:
    program = run_case(engine, case).program
    image = pack_image(program, case.model.spec, case.images)
    short = WeightFile(np.ascontiguousarray(program.weights[:, :-1]), program.constants)
    with pytest.raises(SimulationError, match="beyond its buffer"):
        engine.run(program_words(program), short, image, program.result_beats)
    # The engine is whole afterwards.
    assert engine.run_program(program, image).result.any()
