"""Unknown names: what may have been meant."""

from __future__ import annotations

import pytest

from edgemoe_gen.base.errors import EdgeMoEError
from edgemoe_gen.base.names import meant, near
from edgemoe_gen.design import Knobs
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.pipeline.selection import Selection
from edgemoe_gen.tuning.limits import parse_limit


def test_case_hyphens_and_slips_are_seen_through() -> None:
    known = ("tokens_parallel", "in_parallel", "ZCU104")
    assert meant("tokens-paralel", known) == "did you mean 'tokens_parallel'? "
    assert meant("zcu10", known) == "did you mean 'ZCU104'? "
    assert meant("heads", known) == ""
    assert near("zcu_104", known, "boards") == "did you mean 'ZCU104'? boards: tokens_parallel, in_parallel, ZCU104"
    assert near("x", (), "boards") == "boards: "


@pytest.mark.parametrize(
    ("call", "wanted"),
    [
        (lambda: Knobs().turned({"tokens_paralel": 3}), "tokens_parallel"),
        (lambda: load_board("zcu-104"), "zcu104"),
        (lambda: Selection.of("rendr"), "render"),
        (lambda: parse_limit("dps=0.8"), "dsp"),
    ],
)
def test_hints_say_it_first(call: object, wanted: str) -> None:
    assert callable(call)
    with pytest.raises(EdgeMoEError) as raised:
        call()
    assert raised.value.hint.startswith(f"did you mean '{wanted}'? ")
