"""The kernels of whole designs against float64, and how `run_kernels` reports them."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.codegen import render_sources
from edgemoe_gen.design import Design, Knobs, make_design
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.numerics.tables import softmax_error_bound
from edgemoe_gen.sim.cases_maps import OF_DECODERS
from edgemoe_gen.sim.checks import Case, CaseResult, Deviation, compare, compare_exactly, worst
from edgemoe_gen.sim.compiler import compile_library
from edgemoe_gen.sim.engine import Engine
from edgemoe_gen.sim.kernels import KERNELS, NOTHING_RECORDED, design_kernels, run_case, run_kernels

SMALL = {"max_tokens": 17, "max_dim": 24, "max_query": 32, "max_cache": 64, "max_hidden": 48, "max_experts": 3}
DESIGNS: dict[str, dict[str, int]] = {
    "default": {},
    "8-bit experts": {"expert_weight_bits": 8, "max_tokens": 45},
    "20-bit activations, 16-bit keys and values": SMALL
    | {"tokens_parallel": 3, "activation_bits": 20, "cache_bits": 16, "out_parallel": 16, "in_parallel": 8,
       "max_cache": 128, "max_top_k": 2},
    "8-bit keys and values": SMALL | {"cache_bits": 8, "weight_bits": 8, "max_top_k": 1},
    "odd parallelism, 16 by 8 bits": SMALL
    | {"tokens_parallel": 3, "out_parallel": 8, "in_parallel": 8, "activation_bits": 16, "weight_bits": 8,
       "weight_ports": 3, "max_top_k": 2, "expert_weight_bits": 4},
    "8 by 4 bits, one token at a time, no tail": SMALL
    | {"tokens_parallel": 1, "out_parallel": 8, "in_parallel": 8, "activation_bits": 8, "weight_bits": 4,
       "weight_ports": 1, "max_top_k": 3, "residual_tail_bits": 0},
    "decoders": SMALL
    | {"tokens_parallel": 3, "out_parallel": 16, "in_parallel": 8, "max_map_width": 20, "max_map_channels": 32,
       "source_words": 300, "result_words": 300, "max_top_k": 2},
    "decoders of 8 by 4 bits": SMALL
    | {"tokens_parallel": 2, "out_parallel": 8, "in_parallel": 8, "activation_bits": 8, "weight_bits": 4,
       "residual_tail_bits": 0, "max_map_width": 16, "max_map_channels": 16, "source_words": 300,
       "result_words": 300, "max_top_k": 2},
    "wide output tiles, coarse tables": SMALL
    | {"tokens_parallel": 2, "out_parallel": 32, "weight_bits": 12, "expert_weight_bits": 5, "max_top_k": 1,
       "exp_segments": 16, "gelu_segments": 8, "reciprocal_segments": 16, "rsqrt_segments": 16},
}  # fmt: skip


def build(knobs: dict[str, int]) -> Engine:
    return Engine.compile(make_design(Knobs(**knobs), load_board("zcu104")))


@pytest.fixture(scope="module")
def engine() -> Engine:
    return build({})


@pytest.mark.parametrize("kernel", KERNELS)
def test_every_result_of_the_default_design_lies_within_its_bound(engine: Engine, kernel: str) -> None:
    results = run_kernels(engine.design, [kernel], engine=engine)
    assert [result for result in results if not result.passed] == []
    if kernel in OF_DECODERS:
        assert all(result.skipped for result in results)
    else:
        assert {"random", "extreme"} <= {result.inputs for result in results if result.skipped is None}


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in DESIGNS if name != "default"])
def test_every_result_of_other_designs_lies_within_its_bound(name: str) -> None:
    other = build(DESIGNS[name])
    for seed in range(2):
        results = run_kernels(other.design, engine=other, seed=seed)
        assert [result for result in results if not result.passed] == []


@pytest.mark.slow
def test_a_probability_of_a_row_of_1201_scores_is_within_a_16384th_before_rounding() -> None:
    long = build({"max_tokens": 1201, "max_dim": 32, "max_query": 32, "max_cache": 64, "max_hidden": 64})
    design = long.design
    assert softmax_error_bound(design.exp2_table, design.reciprocal_table, 1201) <= 2.0**-14
    results = run_kernels(design, ["softmax"], engine=long)
    assert [result for result in results if not result.passed] == []
    rounding = 2.0**-17  # half a step of a probability with 16 fractional bits
    longest = [result for result in results if result.case.startswith("longest")]
    assert len(longest) == 3
    assert max(result.largest_error for result in longest) - rounding <= 2.0**-14


@pytest.mark.slow
def test_the_design_for_images_of_512_by_512_passes_too() -> None:
    pascal = build({"max_tokens": 1025, "max_dim": 384, "max_query": 384, "max_cache": 64, "max_hidden": 1536})
    results = run_kernels(pascal.design, engine=pascal)
    assert [result for result in results if not result.passed] == []


@pytest.mark.slow
def test_a_design_without_room_for_a_head_skips_attention_with_a_reason() -> None:
    tiny = build(SMALL | {"max_cache": 16, "max_top_k": 1})
    results = run_kernels(tiny.design, engine=tiny)
    assert [result for result in results if not result.passed] == []
    skipped = [result for result in results if result.kernel in ("softmax", "attention")]
    assert skipped and all(result.skipped is not None for result in skipped)


def test_results_do_not_depend_on_what_ran_before(engine: Engine) -> None:
    alone = run_kernels(engine.design, ["layernorm"], engine=engine)
    after = run_kernels(engine.design, ["linear", "layernorm"], engine=engine)
    errors = [(result.case, result.largest_error) for result in alone]
    assert errors == [(result.case, result.largest_error) for result in after if result.kernel == "layernorm"]


def test_another_seed_gives_other_random_inputs(engine: Engine) -> None:
    first, second = (run_kernels(engine.design, ["linear"], engine=engine, seed=seed) for seed in (0, 1))
    assert [result.largest_error for result in first] != [result.largest_error for result in second]


def test_progress_sees_every_result_in_order(engine: Engine) -> None:
    seen: list[CaseResult] = []
    results = run_kernels(engine.design, ["router", "softmax"], engine=engine, progress=seen.append)
    assert seen == results
    assert list(dict.fromkeys(result.kernel for result in results)) == ["router", "softmax"]


def test_case_names_are_unique_within_a_kernel(engine: Engine) -> None:
    results = run_kernels(engine.design, engine=engine)
    names = [(result.kernel, result.case, result.inputs) for result in results]
    assert len(set(names)) == len(names)
    assert {result.kernel for result in results} == set(KERNELS) - set(OF_DECODERS)


def test_a_design_without_experts_has_no_cases_of_them(engine: Engine) -> None:
    without = make_design(engine.design.knobs.turned({"max_experts": 0, "max_top_k": 0}), engine.design.board)
    assert set(design_kernels(engine.design)) - set(design_kernels(without)) == {"router", "moe"}
    (skipped,) = run_kernels(without, ["moe"], engine=engine)
    assert skipped.skipped == "the design has no router (max_experts is 0)"


def test_without_a_checkpoint_recorded_inputs_are_skipped_with_a_reason(engine: Engine) -> None:
    skipped = [r for r in run_kernels(engine.design, ["gelu"], engine=engine) if r.inputs == "recorded"]
    assert [result.skipped for result in skipped] == [NOTHING_RECORDED]


def test_an_unknown_kernel_is_refused_by_name(engine: Engine) -> None:
    with pytest.raises(SimulationError, match="'pooling'"):
        run_kernels(engine.design, ["pooling"], engine=engine)


def test_a_failing_simulation_is_a_failed_case_that_says_why(engine: Engine) -> None:
    def check(*_: object) -> list[Deviation]:
        raise SimulationError("a process reads from an empty FIFO")

    result = run_case("linear", Case("broken", "random", check), engine)
    assert not result.passed
    assert "empty FIFO" in result.where


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], Design]:
    """Adds an error to every activation that leaves the engine."""

    def plant(steps: float) -> Design:
        from edgemoe_gen.sim.checks import Bench

        values = Bench.values
        monkeypatch.setattr(Bench, "values", lambda bench, name: values(bench, name) + steps * 2.0**-14)
        return make_design(Knobs(), load_board("zcu104"))

    return plant


def test_an_error_of_half_a_step_more_than_stated_fails(engine: Engine, broken: Callable[[float], Design]) -> None:
    results = run_kernels(broken(0.5), ["linear"], engine=engine)
    failed = next(result for result in results if result.case == "all tokens, largest layer")
    assert not failed.passed
    assert failed.largest_error > failed.bound > 0
    assert "instead of" in failed.where


def test_a_comparison_reports_the_place_closest_to_its_bound() -> None:
    got, wanted = np.array([[1.0, 2.0], [3.0, 4.5]]), np.array([[1.0, 2.1], [3.0, 4.0]])
    deviation = compare("y", got, wanted, np.array([[1.0, 0.1], [1.0, 1.0]]))
    assert deviation.error == pytest.approx(0.1)
    assert deviation.bound == pytest.approx(0.1)
    assert deviation.where.startswith("y[0, 1]")


def test_a_comparison_without_bound_fails_at_any_difference() -> None:
    assert compare("y", [1.0], [1.0 + 1e-12], 0.0).use == float("inf")
    assert compare_exactly("y", np.array([1, 2]), np.array([1, 3])).use == float("inf")
    assert compare_exactly("y", np.array([1, 2]), np.array([1, 2])).use == 0.0


def test_the_worst_deviation_is_the_one_that_uses_most_of_its_bound() -> None:
    large, close = Deviation(1.0, 10.0, "large"), Deviation(0.01, 0.011, "close")
    assert worst([large, close]) is close


def test_a_reference_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        compare("y", [1.0], [float("nan")], 1.0)


def test_a_library_of_the_same_design_can_be_given(engine: Engine) -> None:
    library = compile_library(render_sources(engine.design))
    assert isinstance(library, Path) and ctypes.CDLL(str(library))
    assert all(r.passed for r in run_kernels(engine.design, ["router"], engine=Engine(engine.design, library)))


@pytest.mark.slow
def test_designs_of_different_sizes_run_side_by_side_in_one_process() -> None:
    small, large = build(DESIGNS["odd parallelism, 16 by 8 bits"]), build({"max_tokens": 301})
    for engine in (small, large, small):
        results = run_kernels(engine.design, ["softmax", "attention", "router"], engine=engine)
        assert [result for result in results if not result.passed] == []
