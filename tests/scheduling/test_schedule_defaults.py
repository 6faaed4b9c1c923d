"""The clock of the default designs: every recurrence of their kernels fits it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edgemoe_gen.design import make_design
from edgemoe_gen.fitting.defaults import default_knobs
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.scheduling import missing
from edgemoe_gen.scheduling.run import schedule_design
from tests.design.specs import make_spec

TINY, SQUARE, SMALL = (192, 3, (128, 256)), (192, 3, (224, 224)), (384, 6, (512, 512))
MAPS = {"max_map_width": 128, "source_words": 2832, "result_words": 2048}
CASES = [
    pytest.param("zcu104", TINY, {}, id="tiny-zcu104"),
    pytest.param("zcu104", TINY, MAPS, id="tiny-zcu104-decoders", marks=pytest.mark.slow),
    *(
        pytest.param(board, TINY, {}, id=f"tiny-{board}", marks=pytest.mark.nightly)
        for board in ("kv260", "ultra96v2", "zcu102")
    ),
    pytest.param("zcu104", SQUARE, {}, id="tiny-of-197-tokens-zcu104", marks=pytest.mark.nightly),
    pytest.param("zcu104", (*SQUARE, 0), {}, id="deit-tiny-zcu104", marks=pytest.mark.nightly),
    pytest.param("zcu104", SMALL, {}, id="small-zcu104", marks=pytest.mark.slow),
]


@pytest.mark.skipif(bool(missing()), reason="the compiler of [schedule] is not installed")
@pytest.mark.parametrize(("board", "network", "said"), CASES)
def test_every_recurrence_of_a_default_design_fits_its_clock(
    board: str, network: tuple[Any, ...], said: dict[str, int]
) -> None:
    spec, on = make_spec(*network), load_board(board)
    schedule = schedule_design(make_design(replace(default_knobs(spec, on), **said), on))
    assert not [f"{loop.label}: {loop.ns} ns {loop.fault}" for loop in schedule.failed], schedule.headline
