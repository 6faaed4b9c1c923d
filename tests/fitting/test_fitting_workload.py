"""The rough cycles that defaults are chosen by: products counted by hand, and what a weight FIFO buys."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgemoe_gen.design import Design, Knobs
from edgemoe_gen.fitting.workload import (
    START,
    Step,
    beats_per_cycle,
    compute_cycles,
    frame_cycles,
    pieces,
    steps,
    weight_beats,
)
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.model.macs import macs, total, weights
from tests.design.specs import make_spec

TINY = make_spec(192, 3, (128, 256))
OPERATIONS = st.lists(st.tuples(st.integers(1, 10_000), st.integers(0, 5_000)), min_size=1, max_size=40)
RATES = st.sampled_from([0.3, 0.7, 1.0])


def design(**turned: int) -> Design:
    return Design(Knobs().turned(turned), load_board("zcu104"))


def test_one_dense_block_without_attention_is_counted_as_by_hand() -> None:
    # One token of 16 features, a head of 16, hidden 64, on a unit of 1 x 16 x 16 that loads a tile in four steps.
    spec = replace(make_spec(16, 1, (16, 16), experts=0), tokens=1, class_token=False)
    spec = replace(spec, blocks=spec.blocks[:1])
    small = design(tokens_parallel=1, score_rows=1, max_tokens=1, max_dim=16, max_query=16, max_cache=32)
    found = steps(spec, small)
    image = [(1 * 16 * 32 // 128, 0), (1 * 768 * 16 // 128, 0), (1 * 48 * 4 + START, (1 + 48 * 4) * 2)]
    assert found[: len(image)] == image
    # fc1: four tiles of one word, each four steps of operands; fc2: one tile of four words.
    assert found[-2:] == [(4 * 4 + START, 4 * (1 + 4) * 2), (1 * 16 + START, (1 + 16) * 2)]


def test_cycles_are_never_below_the_macs_and_weights_never_below_the_network_s() -> None:
    for shape in ((4, 16, 16), (5, 16, 16), (11, 16, 8), (3, 48, 8)):
        unit = design(**dict(zip(("tokens_parallel", "out_parallel", "in_parallel"), shape, strict=True)))
        operations = steps(TINY, unit)
        assert compute_cycles(operations) * unit.macs_per_cycle >= total(macs(TINY))
        values = weight_beats(operations) * unit.knobs.weight_ports * unit.weights_per_beat
        # Norms are folded into the weights behind them, but their shifts still come.
        assert values >= total(weights(TINY)) - weights(TINY)["norms"]
        assert values <= 1.1 * total(weights(TINY))


def test_a_block_that_is_not_full_costs_as_much_as_a_full_one() -> None:
    # On a unit of four tokens 128 are 32 blocks, and 129 to 132 are 33; nine tiles of sixteen keys hold 129 to 144.
    unit = design(max_tokens=132)
    cycles = {tokens: compute_cycles(steps(replace(TINY, tokens=tokens), unit)) for tokens in (128, 129, 132)}
    assert cycles[129] > 33 / 32 * cycles[128]
    assert cycles[132] < 1.01 * cycles[129]


def test_a_head_that_fills_no_tile_costs_as_much_as_one_that_does() -> None:
    # Heads of 20 and of 32 take two tiles and two words each; what differs is a third of the features elsewhere.
    unit = design(max_tokens=1025, max_hidden=1536)
    odd, even = (make_spec(dim, 3, (512, 512), experts=0) for dim in (60, 96))
    assert compute_cycles(steps(odd, unit)) > 0.75 * compute_cycles(steps(even, unit))


def test_fewer_heads_at_a_time_and_thinner_slices_take_no_fewer_cycles() -> None:
    large = compute_cycles(steps(TINY, design()))
    assert compute_cycles(steps(TINY, design(max_cache=128))) > large
    assert compute_cycles(steps(TINY, design(max_hidden=128))) > large


@given(st.integers(1, 5000), st.integers(16, 3000), st.sampled_from([8, 16, 24]))
def test_pieces_are_even_and_cover_all_columns(columns: int, most: int, multiple: int) -> None:
    most = max(most, multiple)
    found = pieces(columns, most, multiple)
    assert sum(found) == columns
    assert max(found) <= most
    assert all(size % multiple == 0 for size in found[:-1])


@settings(max_examples=200)
@given(OPERATIONS, RATES, st.integers(64, 50_000))
def test_a_frame_takes_at_least_its_computation_and_its_weights(
    operations: list[Step], rate: float, depth: int
) -> None:
    cycles = frame_cycles(operations, rate, depth)
    assert cycles >= compute_cycles(operations) - 1e-6
    # What lies in the FIFO when the frame begins is nothing.
    assert cycles >= weight_beats(operations) / rate - 1e-6
    assert cycles <= compute_cycles(operations) + weight_beats(operations) / rate + 1e-6


@settings(max_examples=200)
@given(OPERATIONS, RATES, st.integers(64, 50_000), st.integers(64, 50_000))
def test_a_deeper_fifo_is_never_slower(operations: list[Step], rate: float, a: int, b: int) -> None:
    assert frame_cycles(operations, rate, max(a, b)) <= frame_cycles(operations, rate, min(a, b)) + 1e-6


def test_a_fifo_that_holds_all_weights_hides_them_behind_what_computes_before() -> None:
    operations = [(1000, 0), (10, 700)]
    assert frame_cycles(operations, 0.7, 700) == pytest.approx(1010)
    # Half of them fit: the other half comes while nothing computes, but for the ten cycles.
    assert frame_cycles(operations, 0.7, 350) == pytest.approx(1000 + 350 / 0.7)


def test_memory_brings_at_most_a_beat_a_cycle_to_a_port() -> None:
    board = load_board("zcu104")
    # 13.6 GB/s at 300 MHz are 45.3 bytes a cycle, for four ports of 16.
    assert beats_per_cycle(Knobs(), board) == pytest.approx(13.6e9 / 300e6 / 64)
    assert beats_per_cycle(Knobs(weight_ports=1), board) == 1.0
