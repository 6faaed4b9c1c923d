"""Default knobs: they hold the network, keep what the user has chosen, and fit the board where anything does."""

from __future__ import annotations

import pytest

from edgemoe_gen.boards import board_names, load_board
from edgemoe_gen.design import make_design
from edgemoe_gen.design.defaults import default_knobs
from edgemoe_gen.errors import CapacityError
from edgemoe_gen.estimate import check_fits
from edgemoe_gen.program.compile import check_capacity
from tests.design.specs import make_spec

SPECS = {
    "tiny": make_spec(192, 3, (128, 256)),
    "tiny at 224": make_spec(192, 3, (224, 224)),
    "DeiT-tiny": make_spec(192, 3, (224, 224), experts=0),
    "small": make_spec(384, 12, (512, 512), top_k=4),
    "small for NYUD": make_spec(384, 12, (480, 640), top_k=4),
    "base": make_spec(768, 12, (512, 512), top_k=4),
    "odd": make_spec(40, 5, (48, 80), experts=3, top_k=1),
    "128 experts": make_spec(192, 3, (128, 256), experts=128),
}
FITTING = [
    (board, name)
    for board in ("zcu102", "zcu104", "kv260", "ultra96v2")
    for name in ("tiny", "tiny at 224", "DeiT-tiny", "odd", "128 experts")
] + [("zcu104", "small")]


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


def test_chosen_knobs_stay_as_they_are() -> None:
    board = load_board("zcu104")
    turned = {"tokens_parallel": 3, "out_parallel": 32, "max_hidden": 512, "weight_fifo_beats": 1024, "weight_ports": 2}
    knobs = default_knobs(SPECS["tiny"], board, dict(turned))
    assert {name: getattr(knobs, name) for name in turned} == turned


def test_memories_shrink_only_where_they_must() -> None:
    tiny = default_knobs(SPECS["tiny"], load_board("zcu104"))
    assert (tiny.max_tokens, tiny.max_dim, tiny.max_hidden, tiny.max_cache) == (129, 192, 768, 384)
    assert tiny.weight_fifo_beats == 32768
    small = default_knobs(SPECS["tiny"], load_board("ultra96v2"))
    assert small.weight_fifo_beats < tiny.weight_fifo_beats
