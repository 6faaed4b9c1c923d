"""Default knobs: they hold the network, keep what the user has chosen, and fit the board where anything does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edgemoe_gen.base.errors import CapacityError, KnobError
from edgemoe_gen.design import knob_fields, make_design
from edgemoe_gen.estimate import check_fits, estimate_resources
from edgemoe_gen.fitting.defaults import default_knobs
from edgemoe_gen.fitting.workload import beats_per_cycle, expert_beats, frame_cycles, steps
from edgemoe_gen.hardware.boards import board_names, load_board
from edgemoe_gen.model import ModelSpec
from edgemoe_gen.program.compile import check_capacity
from tests.design.specs import make_spec


def narrow_experts(spec: ModelSpec) -> ModelSpec:
    """The same with experts as wide as a token, as the authors' command for the small network has them."""
    return replace(spec, blocks=tuple(replace(b, hidden=spec.dim) if b.experts else b for b in spec.blocks))


SPECS = {
    "tiny": make_spec(192, 3, (128, 256)),
    "tiny at 224": make_spec(192, 3, (224, 224)),
    "DeiT-tiny": make_spec(192, 3, (224, 224), experts=0),
    "small": make_spec(384, 12, (512, 512), top_k=4),
    "small, ratio 1": narrow_experts(make_spec(384, 12, (512, 512), top_k=4)),
    "small for NYUD": make_spec(384, 12, (480, 640), top_k=4),
    "base": make_spec(768, 12, (512, 512), top_k=4),
    "odd": make_spec(40, 5, (48, 80), experts=3, top_k=1),
    "128 experts": make_spec(192, 3, (128, 256), experts=128),
}
FITTING = [
    (board, name)
    for board in ("zcu102", "zcu104", "kv260", "ultra96v2")
    for name in ("tiny", "tiny at 224", "DeiT-tiny", "odd", "128 experts")
] + [(board, name) for board in ("zcu104", "zcu102") for name in ("small", "small, ratio 1", "small for NYUD")]


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("board_name", board_names())
def test_defaults_keep_every_rule_and_hold_the_network(board_name: str, name: str) -> None:
    board = load_board(board_name)
    design = make_design(default_knobs(SPECS[name], board), board)
    check_capacity(design, SPECS[name])
    assert design.knobs.clock_mhz == board.clock_mhz
    assert design.knobs.weight_ports <= board.ports


@pytest.mark.parametrize(("board_name", "name"), FITTING)
def test_defaults_fit_where_a_design_can(board_name: str, name: str) -> None:
    board = load_board(board_name)
    assert check_fits(make_design(default_knobs(SPECS[name], board), board)).fits(board)


def test_a_network_too_large_for_a_board_is_refused_with_the_sizes() -> None:
    board = load_board("ultra96v2")
    with pytest.raises(CapacityError, match=r"does not fit the .*Ultra96.* it needs [\d,]+ of [\d,]+ ") as error:
        check_fits(make_design(default_knobs(SPECS["base"], board), board))
    assert f"of {board.bram36:,} BRAM36" in error.value.message
    assert "max_hidden" in error.value.hint


@pytest.mark.parametrize(
    "turned",
    [
        {"tokens_parallel": 3, "out_parallel": 32, "max_hidden": 512, "weight_fifo_beats": 1024, "weight_ports": 2},
        {"in_parallel": 8}, {"tokens_parallel": 1}, {"score_rows": 4}, {"cache_lanes": 16}, {"fill_beats": 4},
        {"weight_bits": 12}, {"residual_tail_bits": 1}, {"max_hidden": 96, "max_cache": 128},
        {"in_parallel": 4, "port_bits": 64},
    ],
)  # fmt: skip
def test_chosen_knobs_stay_as_they_are_and_the_others_suit_them(turned: dict[str, Any]) -> None:
    board = load_board("zcu104")
    knobs = default_knobs(SPECS["tiny"], board, dict(turned))
    assert {name: getattr(knobs, name) for name in turned} == turned
    assert check_fits(make_design(knobs, board)).fits(board)


@pytest.mark.parametrize(
    ("turned", "words"),
    [
        ({"out_parallel": 24, "in_parallel": 16}, "out_parallel is 24 and in_parallel 16"),
        ({"in_parallel": 20}, "in_parallel is 20"),
        ({"weight_ports": 7}, "weight_ports is 7"),
        ({"activation_bits": 19}, "activation_bits is 19"),
        ({"score_rows": 3, "tokens_parallel": 2}, "score_rows is 3"),
        ({"tokens": 3}, "no knob 'tokens'"),
        ({"tokens_parallel": 0}, "'tokens_parallel' is 0"),
    ],
)  # fmt: skip
def test_chosen_knobs_that_break_a_rule_are_told_by_that_rule(turned: dict[str, Any], words: str) -> None:
    board = load_board("zcu104")
    with pytest.raises(KnobError, match=words):
        make_design(default_knobs(SPECS["tiny"], board, turned), board)


def test_without_experts_there_is_no_router() -> None:
    board = load_board("zcu104")

    def router(name: str, **turned: int) -> tuple[int, int]:
        knobs = default_knobs(SPECS[name], board, dict(turned))
        assert make_design(knobs, board).has_experts == (knobs.max_experts > 0)
        return knobs.max_experts, knobs.max_top_k

    assert router("DeiT-tiny") == router("DeiT-tiny", max_top_k=0) == router("DeiT-tiny", max_experts=0) == (0, 0)
    assert router("DeiT-tiny", max_top_k=1) == (2, 1)
    assert router("DeiT-tiny", max_top_k=3) == (3, 3)
    assert router("DeiT-tiny", max_experts=8) == (8, 1)
    assert router("tiny") == (64, 4)
    assert router("tiny", max_experts=2) == (2, 2)
    assert router("tiny", max_experts=0) == (0, 0)  # which a network with experts then does not fit
    with pytest.raises(KnobError, match="max_top_k is 0, but max_experts is 64"):
        router("tiny", max_top_k=0)


def test_the_zcu104_gets_a_unit_of_1280_and_the_deepest_fifo_for_tiny() -> None:
    board = load_board("zcu104")
    for name, tokens in (("tiny", 129), ("tiny at 224", 197)):
        knobs = default_knobs(SPECS[name], board)
        assert (knobs.tokens_parallel, knobs.out_parallel, knobs.in_parallel) == (5, 16, 16)
        # A block of five rows takes four cycles of a head of 64: two rows of scores a cycle keep up.
        assert (knobs.score_rows, knobs.max_tokens, knobs.residual_tail_bits) == (2, tokens, 6)
        # Four ports of 256-bit elements are four UltraRAMs each: five times 4,096 elements are 80 of 81.
        assert knobs.weight_fifo_beats == 5 * 4096 * knobs.fill_beats == 40960
    assert default_knobs(SPECS["tiny"], board).max_hidden == 768


def test_the_zcu104_holds_the_activations_of_small_beside_a_unit_of_1408() -> None:
    board = load_board("zcu104")
    knobs = default_knobs(SPECS["small, ratio 1"], board)
    design = make_design(knobs, board)
    assert (knobs.tokens_parallel, knobs.out_parallel, knobs.in_parallel) == (11, 16, 8)
    # A block of eleven rows takes four cycles of a head of 32; a tile of keys is two words: six rows a cycle keep up.
    assert knobs.score_rows == 6
    assert design.storage.split == ("residual", "normed", "query")
    assert (design.split_depth, design.memory_depths["residual"]) == (4096, 4512)


@pytest.mark.parametrize("name", ["tiny", "tiny at 224", "DeiT-tiny", "128 experts", "small", "small, ratio 1"])
def test_a_seventh_of_the_zcu104_stays_free(name: str) -> None:
    board = load_board("zcu104")
    resources = estimate_resources(make_design(default_knobs(SPECS[name], board), board))
    assert resources.fits(board, 0.85)
    assert (resources.dsp <= 1468, resources.bram36 <= 265, resources.uram <= 81) == (True, True, True)


@pytest.mark.parametrize("name", ["tiny", "small, ratio 1"])
def test_no_other_shape_of_the_unit_that_fits_is_much_faster(name: str) -> None:
    board, spec = load_board("zcu104"), SPECS[name]

    def cycles(turned: dict[str, Any]) -> float:
        knobs = default_knobs(spec, board, turned)
        design = make_design(knobs, board)
        if not estimate_resources(design).fits(board, 0.85):
            return float("inf")
        return frame_cycles(steps(spec, design), beats_per_cycle(knobs, board), knobs.weight_fifo_beats)

    chosen = cycles({})
    for shape in ((4, 16, 16), (6, 16, 16), (10, 16, 8), (5, 32, 8), (7, 24, 8), (2, 32, 16), (16, 8, 8)):
        turned = dict(zip(("tokens_parallel", "out_parallel", "in_parallel"), shape, strict=True))
        assert chosen <= 1.01 * cycles(turned)


def test_a_board_without_ultraram_gets_a_shallower_fifo() -> None:
    tiny = default_knobs(SPECS["tiny"], load_board("zcu104"))
    small = default_knobs(SPECS["tiny"], load_board("ultra96v2"))
    assert small.weight_fifo_beats < tiny.weight_fifo_beats


def test_every_default_is_a_value_that_its_knob_allows() -> None:
    board = load_board("zcu104")
    for spec in SPECS.values():
        knobs = default_knobs(spec, board)
        for field in knob_fields():
            assert field.metadata["low"] <= getattr(knobs, field.name) <= field.metadata["high"]


@pytest.mark.parametrize("frames", [2, 4])
def test_defaults_hold_the_frames_of_a_pass_and_keep_an_experts_weights_ahead(frames: int) -> None:
    spec, board = SPECS["tiny"], load_board("zcu104")
    design = make_design(default_knobs(spec, board, {"frames_per_pass": frames}), board)
    check_capacity(design, spec)
    assert check_fits(design).fits(board)
    k = design.knobs
    assert design.blocks * k.tokens_parallel >= frames * spec.tokens
    assert design.memory_depths["residual"] * k.tokens_parallel >= frames * spec.tokens * design.dim_words
    assert k.weight_fifo_beats >= expert_beats(spec, design)
    # Two layers of 192 x 384 weights of 2 bytes over all ports, and their biases, 4 bytes each.
    assert expert_beats(spec, design) * k.weight_ports * k.port_bits // 8 >= 2 * 192 * 384 * 2 + (192 + 384) * 4


def test_more_frames_than_a_board_holds_are_refused_with_the_knob_to_lower() -> None:
    spec, board = SPECS["base"], load_board("zcu104")
    with pytest.raises(CapacityError, match="it needs") as error:
        check_fits(make_design(default_knobs(spec, board, {"frames_per_pass": 8}), board))
    assert "frames_per_pass" in error.value.hint
