"""Default knobs where decoders run on the engine: their rings fit, and count in the choice of the unit."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from edgemoe_gen.design import Design, make_design
from edgemoe_gen.design.knobs import Knobs
from edgemoe_gen.estimate import CycleEstimate, estimate_cycles, estimate_resources
from edgemoe_gen.fitting.defaults import default_knobs
from edgemoe_gen.fitting.maps import ONE_ROW, DecoderFit, largest_decoder
from edgemoe_gen.fitting.workload import compute_cycles, steps, weight_beats
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.model import ModelSpec
from edgemoe_gen.model.macs import decoder_macs, total
from edgemoe_gen.program.counts import decoder_bytes, program_macs
from edgemoe_gen.program.outline import outline_network
from tests.design.specs import make_spec

BOARD = load_board("zcu104")


def with_decoders(spec: ModelSpec, *classes: int, channels: int = 256) -> ModelSpec:
    tasks = (
        replace(task, classes=count, map_channels=channels) for task, count in zip(spec.tasks, classes, strict=True)
    )
    return replace(spec, tasks=tuple(tasks))


TINY = with_decoders(make_spec(192, 3, (128, 256)), 7, 1)
# By network: its spec, the widest map, and the most milliseconds of a decoder.
NETWORKS: dict[str, tuple[ModelSpec, int, float]] = {
    "tiny": (TINY, 128, 18.0),
    "small": (with_decoders(make_spec(384, 12, (512, 512), top_k=4), 21, 1), 256, 145.0),
    "small for NYUD": (with_decoders(make_spec(384, 12, (480, 640), top_k=4), 40, 1), 320, 275.0),
}


@cache
def design_of(name: str) -> Design:
    spec, width, _ = NETWORKS[name]
    design = make_design(default_knobs(spec, BOARD), BOARD)
    assert design.knobs.max_map_width == width
    return design


def estimate_of(design: Design, spec: ModelSpec, *tasks: str) -> CycleEstimate:
    return estimate_cycles(outline_network(design, spec, tasks))


def test_decoders_stay_on_the_host_where_the_user_says_so() -> None:
    knobs = default_knobs(TINY, BOARD, {"max_map_width": 0})
    assert knobs == default_knobs(make_spec(192, 3, (128, 256)), BOARD)
    assert (knobs.max_map_width, knobs.source_words, knobs.result_words) == (0, 0, 0)
    program = outline_network(make_design(knobs, BOARD), TINY, ["semseg"])
    assert all(frame.decoded is None for frame in program.frames)
    assert not any(decoder_bytes(program).values())


@pytest.mark.parametrize(
    ("board", "on_engine"),
    [("ultra96v2", False), pytest.param("kv260", True, marks=pytest.mark.slow),
     pytest.param("zcu104", True, marks=pytest.mark.slow), pytest.param("zcu102", True, marks=pytest.mark.slow)],
)  # fmt: skip
def test_decoders_run_on_the_engine_where_they_fit(board: str, on_engine: bool) -> None:
    there = load_board(board)
    design = make_design(default_knobs(TINY, there), there)
    assert design.has_decoders == on_engine
    assert estimate_resources(design).fits(there, 0.85)
    outline_network(design, TINY, TINY.task_names)


@pytest.mark.parametrize(
    "spec",
    [replace(TINY, align_corners=True), with_decoders(make_spec(192, 3, (128, 256)), 7, 1, channels=2048)],
    ids=["aligned corners", "more channels than a design can have"],
)
def test_decoders_that_no_engine_can_run_change_nothing(spec: ModelSpec) -> None:
    assert default_knobs(spec, BOARD) == default_knobs(make_spec(192, 3, (128, 256)), BOARD)


@pytest.mark.parametrize(
    ("spec", "width"),
    [(replace(TINY, align_corners=True), 128), (TINY, 127), (make_spec(192, 3, (128, 256)), 128)],
    ids=["aligned corners", "maps that are too wide", "no decoders"],
)
def test_decoders_that_cannot_run_on_the_engine_get_no_memory(spec: ModelSpec, width: int) -> None:
    shape = {"tokens_parallel": 5, "out_parallel": 16, "in_parallel": 16}
    knobs = default_knobs(spec, BOARD, {"max_map_width": width, **shape})
    assert (knobs.source_words, knobs.result_words) == (0, 0)


@pytest.mark.parametrize("rows", [ONE_ROW, (2, 1, 1, 2), (8, 3, 4, 6)])
@pytest.mark.parametrize("patch", [8, 16])
def test_a_decoder_is_counted_as_the_compiler_writes_it(rows: tuple[int, ...], patch: int) -> None:
    image = (64 * patch // 8, 96 * patch // 8)
    spec = replace(with_decoders(make_spec(48, 3, image), 7, 1, channels=40), patch=patch)
    spec = replace(spec, image=replace(spec.image, height=8 * patch, width=12 * patch), tokens=97)
    turned = {"tokens_parallel": 5, "out_parallel": 16, "in_parallel": 8, "max_map_width": 96, "max_map_channels": 40}
    knobs = Knobs(max_tokens=97, max_dim=48).turned(turned)
    decoder = largest_decoder(spec, knobs)
    assert decoder is not None and decoder.doubles == (patch == 16)
    fit = DecoderFit(spec, Design(knobs, BOARD), decoder)
    hidden, query = fit.depths(rows)
    design = make_design(replace(knobs, source_words=hidden, result_words=query), BOARD)
    program = outline_network(design, spec, ["semseg"])
    found, plain = steps(spec, design, rows), steps(spec, Design(replace(design.knobs, max_map_width=0), BOARD))
    # With memories of this depth the compiler takes these rows, or others with no more traffic.
    own = zip(program.operations, program.layers, strict=True)
    moved = sum(
        op.weight_beats for op, layer in own if layer.startswith(("decoders.semseg.conv", "decoders.semseg.logits"))
    )
    assert 0 < moved <= weight_beats(found) - weight_beats(plain)
    work = [what for what, _, _ in fit.work(rows)]
    assert work.count("norm") == 8 and work.count("resize") == 16 + 32 + 64
    assert sum(count for what, level, count in fit.work(rows) if what == "convolution") == 8 + 16 + 32 + 64
    assert compute_cycles(found) > compute_cycles(plain)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("tiny", marks=pytest.mark.slow),
        pytest.param("small", marks=pytest.mark.slow),
        pytest.param("small for NYUD", marks=pytest.mark.nightly),
    ],
)
def test_defaults_hold_decoders_and_leave_a_seventh_of_the_zcu104_free(name: str) -> None:
    spec, _, most = NETWORKS[name]
    design = design_of(name)
    assert estimate_resources(design).fits(BOARD, 0.85)
    program = outline_network(design, spec, ["semseg"])
    whole = estimate_cycles(program)
    backbone = estimate_of(Design(replace(design.knobs, max_map_width=0), BOARD), spec, "semseg")
    assert (whole.total - backbone.total) / (design.knobs.clock_mhz * 1e3) <= most
    # Convolutions use 93 % of the unit or more.
    last = 64 * spec.grid[0] * spec.grid[1] * 256 * (spec.tasks[0].classes or 1)  # of the layer behind them
    convolved = total(decoder_macs(spec, "semseg")) - last
    assert convolved / design.macs_per_cycle >= 0.93 * whole.by_kind["convolution"]
    assert program_macs(program, spec) <= design.macs_per_cycle * whole.total


@pytest.mark.slow
def test_decoders_count_in_the_choice_of_the_unit_of_tiny() -> None:
    design = design_of("tiny")
    k = design.knobs
    assert (k.tokens_parallel, k.out_parallel, k.in_parallel) == (11, 16, 8)
    assert estimate_of(design, TINY, "semseg").milliseconds(k.clock_mhz) <= 21
    assert estimate_of(design, TINY, "semseg", "depth").milliseconds(k.clock_mhz) <= 42


@pytest.mark.nightly
def test_what_memory_is_left_makes_rings_deeper_and_traffic_less() -> None:
    turned: dict[str, Any] = {"max_map_width": 128, "tokens_parallel": 11, "out_parallel": 16, "in_parallel": 8}
    deep = design_of("tiny")
    decoder = largest_decoder(TINY, deep.knobs)
    assert decoder is not None
    fit = DecoderFit(TINY, Design(replace(deep.knobs, source_words=0, result_words=0), BOARD), decoder)
    hidden, query = fit.depths(ONE_ROW)
    shallow = make_design(default_knobs(TINY, BOARD, {**turned, "source_words": hidden, "result_words": query}), BOARD)
    moved = [decoder_bytes(outline_network(design, TINY, ["semseg"]))["weights"] for design in (deep, shallow)]
    assert moved[0] < 0.5 * moved[1]
    assert deep.knobs.weight_fifo_beats < shallow.knobs.weight_fifo_beats
