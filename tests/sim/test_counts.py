"""The counts of control loops (hls/count.h) against plain arithmetic, and their widths against programs."""

from __future__ import annotations

import ctypes
import subprocess
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgemoe_gen.codegen import write_sources
from edgemoe_gen.codegen.context import source_sizes
from edgemoe_gen.program.compile import compile_network
from edgemoe_gen.sim.compiler import ap_types_folder, find_compiler
from tests.sim.engines import random_case, small_design

MOVES, RESTARTS, RETURNS = 1, 2, 4
DESIGN = small_design(tokens_parallel=5, score_rows=2, out_parallel=16)


@pytest.fixture(scope="module", params=["plain", pytest.param("ap_int", marks=pytest.mark.slow)])
def counts(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    folder = tmp_path_factory.mktemp("counts")
    write_sources(DESIGN, folder)
    types = ["-DEDGEMOE_PLAIN_INTEGERS"]
    if request.param == "ap_int":
        pytest.importorskip("hls4ml")
        types = ["-isystem", str(ap_types_folder())]
    command = [find_compiler(), "-std=c++14", "-O0", "-shared", "-fPIC", "-Wno-unknown-pragmas", *types, "-Isrc"]
    command += [str(Path(__file__).with_name("counts.cpp")), "-o", "counts.so"]
    subprocess.run(command, cwd=folder, check=True, timeout=300)
    return ctypes.CDLL(str(folder / "counts.so"))


def array(values: list[int]) -> ctypes.Array[ctypes.c_int]:
    return (ctypes.c_int * len(values))(*values)


@settings(deadline=None)
@given(st.data())
def test_a_count_knows_that_it_is_at_its_last_value(counts: ctypes.CDLL, data: st.DataObject) -> None:
    limit = data.draw(st.integers(1, 200))
    start = data.draw(st.integers(0, limit - 1))
    # Mostly plain steps, so that long counts come round.
    what = data.draw(st.lists(st.sampled_from([MOVES] * 6 + [0, MOVES | RESTARTS, MOVES | RETURNS]), max_size=500))
    home = data.draw(st.integers(0, 20))
    got_at, got_last = array([0] * len(what)), array([0] * len(what))
    counts.run_wrapping(limit, start, len(what), array(what), home, got_at, got_last)
    at, kept = start, start
    for i, step in enumerate(what):
        if step & MOVES:
            at = kept if step & RETURNS else 0 if step & RESTARTS else (at + 1) % limit
        kept = at if i == home else kept
        assert (got_at[i], got_last[i]) == (at, at == limit - 1)


@settings(deadline=None)
@given(first=st.integers(1, 30), second=st.integers(1, 30))
def test_a_count_takes_another_limit_where_it_begins_anew(counts: ctypes.CDLL, first: int, second: int) -> None:
    steps = first + 3 * second
    at, last = array([0] * steps), array([0] * steps)
    counts.run_limits(first, second, steps, at, last)
    wanted = [*range(1, first), *list(range(second)) * 4][:steps]
    assert list(at) == wanted
    assert list(last[first - 1 :]) == [place == second - 1 for place in wanted[first - 1 :]]


@settings(deadline=None)
@given(
    first=st.integers(0, 40),
    steps=st.lists(st.tuples(st.booleans(), st.sampled_from([0, 0, 0, 1, 1, 2, 17])), max_size=100),
)
def test_a_credit_knows_whether_some_are_left(counts: ctypes.CDLL, first: int, steps: list[tuple[bool, int]]) -> None:
    some = array([0] * len(steps))
    counts.run_credit(first, len(steps), array([asks for asks, _ in steps]), array([n for _, n in steps]), some)
    left = first
    for i, (asks, given_back) in enumerate(steps):
        left += given_back - (asks and left > 0)
        assert some[i] == (left > 0)


@pytest.mark.parametrize("blocks", [1, 2, 7])
def test_places_of_scores_step_group_by_group(counts: ctypes.CDLL, blocks: int) -> None:
    tiles = 3
    wanted = list(product(range(tiles), range(blocks), range(DESIGN.out_words), range(DESIGN.score_groups)))
    places = array([0] * 4 * len(wanted))
    counts.run_scores(blocks, len(wanted), places)
    assert np.array_equal(np.array(places).reshape(-1, 4), wanted)


@pytest.mark.slow
@pytest.mark.parametrize("knobs", [{}, {"tokens_parallel": 3, "frames_per_pass": 2}], ids=["a frame", "two frames"])
def test_every_count_of_a_program_fits_its_width(knobs: dict[str, int]) -> None:
    pytest.importorskip("torch")
    design = small_design(**knobs)
    sizes = source_sizes(design)
    case = random_case(seed=1)
    program = compile_network(design, case.model, case.network, case.formats(design), case.model.spec.task_names)

    def fits(largest: int, width: str) -> bool:
        return largest < 1 << sizes[width] - 1

    for op in program.operations:
        assert fits(max(op.in_words, op.gather_words), "word_bits")
        assert fits(op.blocks, "pass_bits")
        assert fits(max(op.tokens, op.blocks * design.knobs.tokens_parallel), "row_bits")
        assert fits(op.out_tiles, "tile_bits")
        assert fits(op.ring_word, "ring_bits")
        assert fits(design.bias_steps + op.in_words * design.operand_parts, "step_bits")
