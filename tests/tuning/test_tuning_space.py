"""Spaces and limits: what the command line says becomes dimensions and bounds, or one clear sentence."""

from __future__ import annotations

import pytest

from edgemoe_gen.base.errors import KnobError
from edgemoe_gen.design import Knobs
from edgemoe_gen.design.knobs import NARROW_KNOBS
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.numerics.widths import OWN_WIDTH, WEIGHT_KINDS
from edgemoe_gen.tuning import Dimension, Figure, Limit, Space, default_space, parse_dimension, parse_limit

BOARD = load_board("zcu104")


def test_a_knob_takes_its_values_in_order_and_each_once() -> None:
    assert parse_dimension("tokens_parallel = 6,2,4,2") == Dimension("tokens_parallel", (2, 4, 6))
    assert parse_dimension("clock_mhz=200,250.5").values == (200.0, 250.5)
    assert parse_dimension("frames=1,4").values == (1, 4)
    assert parse_dimension("fifo_depths.tiles=4,16").name == "fifo_depths.tiles"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("tokens_parallel", "is not of the form"),
        ("tokens_paralel=2", "there is no knob 'tokens_paralel'"),
        ("tokens_parallel=", "has no value to try"),
        ("tokens_parallel=2,many", "holds a value that is not a number"),
        ("tokens_parallel=2,99", "outside its range of 1 to 16"),
        ("exp_segments=100", "not a power of two"),
        ("frames=0", "'frames' is 0, outside its range"),
    ],
)
def test_a_malformed_dimension_gets_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(KnobError) as error:
        parse_dimension(text)
    assert sentence in error.value.message
    assert "\n" not in error.value.message


def test_an_empty_space_and_a_knob_given_twice_are_refused() -> None:
    with pytest.raises(KnobError, match="the space is empty"):
        Space(())
    with pytest.raises(KnobError, match="'frames' is given twice"):
        Space((Dimension("frames", (1,)), Dimension("frames", (2,))))


def test_points_are_all_combinations_the_last_dimension_fastest() -> None:
    space = Space((Dimension("tokens_parallel", (1, 2)), Dimension("weight_bits", (8, 16))))
    points = [tuple(point.as_dict().values()) for point in space.points()]
    assert points == [(1, 8), (1, 16), (2, 8), (2, 16)]
    assert space.size == 4


def test_default_space_holds_the_default_design_and_keeps_what_the_project_fixes() -> None:
    knobs = Knobs().turned({"tokens_parallel": 7, "weight_bits": 11})
    space = default_space(knobs, BOARD, {"activation_bits": 16}, (Dimension("exp_segments", (64,)),))
    values = space.as_dict()
    assert 7 in values["tokens_parallel"]
    assert 11 in values["weight_bits"]
    assert "activation_bits" not in values
    assert values["exp_segments"] == [64]
    assert max(values["weight_ports"]) <= BOARD.ports


@pytest.mark.parametrize("knob", NARROW_KNOBS)
def test_widths_of_a_kind_of_weights_are_a_dimension_where_there_are_such_and_room_for_two_in_one(knob: str) -> None:
    kind = next(kind.name for kind in OWN_WIDTH if kind.knob == knob)

    def values(weight_bits: int | None = None, kinds: tuple[str, ...] = (kind,)) -> list[int | float] | None:
        given = () if weight_bits is None else (Dimension("weight_bits", (8, weight_bits)),)
        return default_space(Knobs(), BOARD, {}, given, kinds).as_dict().get(knob)

    assert values() == values(16) == [0, 8]
    assert values(14) == [0]
    assert values(kinds=tuple(set(WEIGHT_KINDS) - {kind})) is None
    assert default_space(Knobs(), BOARD, {"weight_bits": 12}).as_dict()[knob] == [0]


def test_limits_of_resources_are_shares_up_to_one_and_counts_above() -> None:
    assert parse_limit("dsp=0.5").allowed(BOARD) == BOARD.dsp / 2
    assert parse_limit("dsp=900").allowed(BOARD) == 900
    assert parse_limit("latency=3") == Limit("latency_ms", 3)
    assert parse_limit("error=1e-5").allowed(BOARD) == 1e-5


def test_a_limit_is_broken_by_more_and_of_throughput_by_less() -> None:
    figures = {"dsp": Figure(901, "estimate"), "throughput_fps": Figure(29, "estimate")}
    assert "dsp is 901" in parse_limit("dsp=900").broken(figures, BOARD)
    assert not parse_limit("dsp=901").broken(figures, BOARD)
    assert parse_limit("throughput=30").broken(figures, BOARD)
    assert not parse_limit("throughput=29").broken(figures, BOARD)
    assert not parse_limit("uram=1").broken(figures, BOARD), "a figure that is not known breaks nothing"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("dsp", "is not of the form"), ("dps=0.8", "there is no figure 'dps'"), ("dsp=-1", "is not a positive number"),
     ("dsp=much", "is not a positive number"), ("dsp=nan", "is not a positive number")],
)  # fmt: skip
def test_a_malformed_limit_gets_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(KnobError, match=sentence):
        parse_limit(text)


def test_frames_share_a_pass_where_that_is_what_is_wanted() -> None:
    def values(objective: str, *given: Dimension) -> list[int | float] | None:
        return default_space(Knobs(), BOARD, {}, given, objective=objective).as_dict().get("frames_per_pass")

    assert values("latency") is values("error") is values("dsp") is None
    assert values("throughput") == values("energy") == values("ddr_bytes") == [1, 2, 3, 4]
    assert values("latency", Dimension("frames_per_pass", (1, 8))) == [1, 8]
