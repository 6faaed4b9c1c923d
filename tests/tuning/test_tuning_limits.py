"""Limits that a search has without being told: room for placement and routing."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from edgemoe_gen.design import Knobs, make_design
from edgemoe_gen.design.storage import ROOM
from edgemoe_gen.estimate import estimate_resources
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.tuning.limits import parse_limit, with_room

ZCU104 = load_board("zcu104")


def test_resources_that_no_limit_names_keep_room_and_named_ones_are_as_given() -> None:
    small = estimate_resources(make_design(Knobs(tokens_parallel=1, weight_fifo_beats=64), ZCU104))
    given = (parse_limit("uram=1"), parse_limit("latency_ms=3"))
    limits = {limit.name: limit.bound for limit in with_room(given, small, ZCU104)}
    assert {limit.name for limit in with_room(given, small, ZCU104) if not limit.default} == {"uram", "latency_ms"}
    assert limits == {"uram": 1.0, "latency_ms": 3.0, "dsp": ROOM, "bram36": ROOM, "lut": ROOM}


@pytest.mark.parametrize("name", ["dsp", "bram36", "uram", "lut"])
def test_a_default_design_that_takes_more_is_the_limit_up_to_the_whole_board(name: str) -> None:
    default = estimate_resources(make_design(Knobs(), ZCU104))
    used = getattr(default, name)
    for there, least, most in ((math.ceil(used / 0.93), 0.92, 0.931), (used // 2, 1.0, 1.0)):
        board = replace(ZCU104, **{name: there})
        limit = next(limit for limit in with_room((), default, board) if limit.name == name)
        assert least <= limit.bound <= most
        assert used <= limit.allowed(board) or used > there


def test_a_board_without_a_resource_has_no_limit_on_it() -> None:
    default = estimate_resources(make_design(Knobs(), ZCU104))
    board = replace(ZCU104, uram=0)
    assert "uram" not in {limit.name for limit in with_room((), default, board)}
