"""The engine's functions over their whole input range, the arithmetic of fixed point, and packing.

Function bounds: the table's own error, plus half a unit of every rounding that follows; derived at each test.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edgemoe_gen.base.errors import KnobError
from edgemoe_gen.design import Design, Knobs, make_design
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.numerics import tables
from edgemoe_gen.numerics.fixed import Format, dequantise, fraction_for, quantise
from edgemoe_gen.program.pack import pack_fields, pack_linear, pack_words, unpack_words
from edgemoe_gen.sim.engine import Engine
from edgemoe_gen.sim.references import gelu as exact_gelu

GELU_BOUND = 2.0**-14
GELU_TABLE_BITS = 3894
BITS = st.integers(4, 32)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine.compile(make_design(Knobs(), load_board("zcu104")))


@pytest.fixture(scope="module")
def design(engine: Engine) -> Design:
    return engine.design


@pytest.mark.parametrize("fraction", [16, 15, 12, 8, 4, 0, -3])
def test_exponential_of_every_difference_of_scores(engine: Engine, design: Design, fraction: int) -> None:
    # Interpolation error, shrunk by the whole octaves; half a unit for the interpolated product and one for the shift.
    difference = np.arange(0, 1 << design.knobs.activation_bits, dtype=np.int64)
    got = engine.evaluate("exp2", difference, tables.EXP_POSITION_BITS - fraction)[0] * 2.0**-tables.EXP_FRACTION
    x = difference * 2.0**-fraction
    bound = design.exp2_table.error * np.exp2(-np.floor(x)) + 2.0**-tables.EXP_FRACTION
    assert (np.abs(got - np.exp2(-x)) <= bound).all()
    assert got[0] == 1.0
    assert (np.diff(got) <= 0).all()


def test_reciprocal_of_every_size_of_sum(engine: Engine, design: Design) -> None:
    # Relative to the sum's power of two, the reciprocal lies in (1/2, 1]: the table's error, half a unit of the
    # interpolated product, and the rounding of the argument, which may also be cut off just below the next power.
    one, largest = 1 << tables.EXP_FRACTION, (1 << design.exp_sum_bits - 1) - 1
    powers = [one << n for n in range(design.exp_sum_bits - tables.EXP_FRACTION - 1)]
    edges = [power + step for power in powers for step in range(-70, 71)]
    rng = np.random.default_rng(0)
    spread = np.exp2(rng.uniform(math.log2(one), math.log2(largest), 300_000))
    dense = np.arange(one, 2 * one, 97)
    total = np.clip(np.concatenate([edges, spread, dense]), one, largest).astype(np.int64)
    mantissa, exponent = engine.evaluate("reciprocal", total, outputs=2)
    wanted = np.exp2(exponent) * one / total
    bound = (
        design.reciprocal_table.error + 2.0 ** -(tables.MANTISSA_FRACTION + 1) + 2.0**-tables.RECIPROCAL_POSITION_BITS
    )
    assert np.abs(mantissa * 2.0**-tables.MANTISSA_FRACTION - wanted).max() <= bound
    assert (mantissa < 1 << tables.MANTISSA_FRACTION).all() and (mantissa > 0).all()


def test_reciprocal_root_of_every_size_of_variance(engine: Engine, design: Design) -> None:
    # Relative to its power of four the argument m lies in [1, 4), the root in (1/2, 1]: the table's error, half a unit
    # of the interpolated product, and half of what m loses, which is at most a unit.
    bits = min(design.variance_bits - 1, 62)
    edges = [(1 << n) + step for n in range(bits) for step in range(-20, 21)]
    rng = np.random.default_rng(0)
    spread = np.exp2(rng.uniform(0, bits, 300_000)).astype(np.int64)
    value = np.concatenate([np.array(edges, np.int64), spread, np.arange(1, 1 << 16)])
    value = np.clip(value, 1, (1 << bits) - 1)
    mantissa, half = engine.evaluate("reciprocal_root", value, outputs=2)
    wanted = np.exp2(half) / np.sqrt(value.astype(np.float64))
    bound = design.rsqrt_table.error + 2.0 ** -(tables.RSQRT_FRACTION + 1) + 2.0 ** -(tables.RSQRT_POSITION_BITS + 1)
    assert np.abs(mantissa * 2.0**-tables.RSQRT_FRACTION - wanted).max() <= bound


def test_gelu_is_within_a_16384th_with_a_small_table(engine: Engine, design: Design) -> None:
    assert design.gelu_table.bits <= GELU_TABLE_BITS
    assert tables.gelu_error_bound(design.gelu_table) <= GELU_BOUND
    x = np.arange(-6 << tables.GELU_FRACTION, (6 << tables.GELU_FRACTION) + 1, dtype=np.int64)
    got = engine.evaluate("gelu", x)[0] * 2.0**-tables.GELU_OUT_FRACTION
    assert np.abs(got - exact_gelu(dequantise(x, Format(32, tables.GELU_FRACTION)))).max() <= tables.gelu_error_bound(
        design.gelu_table
    )


@pytest.mark.slow
def test_gelu_beyond_its_table_is_the_larger_of_argument_and_zero_for_all_arguments(engine: Engine) -> None:
    # Beyond 6 GELU differs from that by less than 6 (1 - Phi(6)) < 6e-9.
    limit, step = 1 << 26, 1 << 22
    for start in range(-limit, limit, step):
        x = np.arange(start, start + step, dtype=np.int64)
        x = x[np.abs(x) > 6 << tables.GELU_FRACTION]
        if x.size:
            got = engine.evaluate("gelu", x)[0]
            assert np.array_equal(got, np.maximum(x, 0) << (tables.GELU_OUT_FRACTION - tables.GELU_FRACTION))


@pytest.mark.parametrize("scores", [1, 2, 129, 197, 1025, 1201])
def test_softmax_bound_holds_the_target_for_rows_of(design: Design, scores: int) -> None:
    assert tables.softmax_error_bound(design.exp2_table, design.reciprocal_table, scores) <= 2.0**-14


@given(bits=BITS, fraction=st.integers(-8, 24), value=st.floats(-1e6, 1e6))
def test_quantised_values_are_nearest_or_saturated(bits: int, fraction: int, value: float) -> None:
    form = Format(bits, fraction)
    back = float(dequantise(quantise(np.array([value]), form), form)[0])
    lowest = -math.ldexp(1.0, bits - 1 - fraction)
    limited = min(max(value, lowest), form.largest)
    assert abs(back - limited) <= form.step / 2
    assert lowest <= back <= form.largest


@given(bits=BITS, fraction=st.integers(-8, 24), data=st.data())
def test_values_of_a_format_survive_quantisation(bits: int, fraction: int, data: st.DataObject) -> None:
    form = Format(bits, fraction)
    integer = data.draw(st.integers(-(1 << (bits - 1)), (1 << (bits - 1)) - 1))
    assert quantise(dequantise(np.array([integer]), form), form)[0] == integer


@given(integer=st.integers(-1000, 1000), fraction=st.integers(-4, 12))
def test_ties_are_rounded_towards_positive_infinity(integer: int, fraction: int) -> None:
    assert quantise(np.array([(integer + 0.5) * 2.0**-fraction]), Format(16, fraction))[0] == integer + 1


@given(first=st.floats(-100, 100), second=st.floats(-100, 100), fraction=st.integers(0, 16))
def test_quantisation_keeps_the_order(first: float, second: float, fraction: int) -> None:
    low, high = quantise(np.array([min(first, second), max(first, second)]), Format(16, fraction))
    assert low <= high


@given(largest=st.floats(1e-4, 1e6), bits=BITS)
def test_the_chosen_fraction_is_the_largest_that_does_not_saturate(largest: float, bits: int) -> None:
    fraction = fraction_for(largest, bits, most=64)
    limit = (1 << (bits - 1)) - 1
    assert math.floor(math.ldexp(largest, fraction) + 0.5) <= limit
    assert math.floor(math.ldexp(largest, fraction + 1) + 0.5) > limit


@given(bits=BITS, most=st.integers(-3, 40))
def test_a_tensor_of_zeros_gets_the_most_fractional_bits(bits: int, most: int) -> None:
    assert fraction_for(0.0, bits, most) == most
    assert fraction_for(0.0, bits) == bits + 8


@given(bits=st.integers(1, 32), beat_bytes=st.sampled_from([8, 16, 32, 64]), data=st.data())
def test_fields_of_any_width_can_be_read_back_bit_by_bit(bits: int, beat_bytes: int, data: st.DataObject) -> None:
    count = beat_bytes * 8 // bits
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    values = np.array(data.draw(st.lists(st.integers(low, high), min_size=count, max_size=count)), np.int64)
    packed = pack_fields(values[None], bits, beat_bytes)
    assert packed.shape == (1, beat_bytes)
    assert [field(packed[0], bits, i) for i in range(count)] == values.tolist()


def field(beat: np.ndarray, bits: int, index: int) -> int:
    """Signed field `index` from the least significant end of a beat."""
    raw = int.from_bytes(beat.tobytes(), "little") >> (index * bits) & ((1 << bits) - 1)
    return raw - (1 << bits) if raw >> (bits - 1) else raw


@settings(max_examples=60, deadline=None)
@given(
    bits=st.sampled_from([4, 5, 7, 8, 11, 12, 13, 16, 18]),
    narrow_bits=st.one_of(st.just(0), st.integers(4, 9)),
    ports=st.integers(1, 5),
    fill=st.sampled_from([1, 2, 4]),
    outputs=st.integers(1, 37),
    inputs=st.integers(1, 37),
    bias=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_weights_come_back_in_the_order_in_which_the_engine_reads_them(
    bits: int, narrow_bits: int, ports: int, fill: int, outputs: int, inputs: int, bias: bool, seed: int
) -> None:
    narrow = 0 < 2 * narrow_bits <= bits
    knobs = Knobs(
        weight_bits=bits, expert_weight_bits=narrow_bits if narrow else 0, weight_ports=ports, fill_beats=fill,
        out_parallel=16, in_parallel=8,
    )  # fmt: skip
    try:
        design = make_design(knobs, load_board("zcu104"))
    except KnobError:  # a step of so many operands is no element of a stream
        assume(False)
        raise
    rng = np.random.default_rng(seed)
    width = narrow_bits if narrow else bits
    weight = rng.integers(-(1 << (width - 1)), 1 << (width - 1), (outputs, inputs))
    biases = rng.integers(-(1 << 31), 1 << 31, outputs) if bias else None
    packed = pack_linear(design, weight, biases, narrow)

    def value(step: int, width: int, index: int) -> int:
        """A field of what all ports bring in a step: port after port, `fill` neighbouring beats of each."""
        per_beat = 128 // width
        beat = index // per_beat
        return field(packed[beat // fill, step * fill + beat % fill], width, index % per_beat)

    def half(step: int, index: int, second: bool) -> int:
        """One of the two narrow weights in a field."""
        pair = value(step, bits, index) >> (width if second else 0) & ((1 << width) - 1)
        return pair - (1 << width) if pair >> (width - 1) else pair

    tiles, words = -(-outputs // 16), -(-inputs // 8)
    in_step = {size: ports * fill * (128 // size) for size in (bits, 32)}
    bias_steps, word_parts = (-(-16 // in_step[32]) if bias else 0), -(-16 * 8 // in_step[bits])
    parts = words * word_parts
    weight_steps = -(-parts // 2) if narrow else parts
    assert packed.shape == (ports, tiles * (bias_steps + weight_steps) * fill, 16)
    back = np.zeros((tiles * 16, words * 8), np.int64)
    bias_back = np.zeros(tiles * 16, np.int64)
    step = 0
    for tile in range(tiles):
        for out in range(16 if bias else 0):
            bias_back[tile * 16 + out] = value(step + out // in_step[32], 32, out % in_step[32])
        step += bias_steps
        for word in range(words):
            for place in range(16 * 8):
                part, lane = word * word_parts + place // in_step[bits], place % in_step[bits]
                found = half(step + part // 2, lane, part % 2 == 1) if narrow else value(step + part, bits, lane)
                back[tile * 16 + place % 16, word * 8 + place // 16] = found
        step += weight_steps
    assert np.array_equal(back[:outputs, :inputs], weight)
    assert not back[outputs:].any() and not back[:, inputs:].any()
    if biases is not None:
        assert np.array_equal(bias_back[:outputs], biases)


@given(tokens=st.integers(1, 9), columns=st.integers(1, 40), seed=st.integers(0, 1000))
def test_a_loaded_matrix_reads_back_as_a_stored_one(tokens: int, columns: int, seed: int) -> None:
    design = make_design(Knobs(), load_board("zcu104"))
    values = np.random.default_rng(seed).integers(-(1 << 23), 1 << 23, (tokens, columns))
    assert np.array_equal(unpack_words(pack_words(design, values, 32), tokens, columns), values)
