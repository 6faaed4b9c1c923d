"""Lowered decoders: the same function as PyTorch's in float64, weights that fill their formats, and where each runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgemoe_gen.base.errors import ProgramError
from edgemoe_gen.design import Knobs, make_design
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.model import Model, Reference
from edgemoe_gen.model.layout import BATCH_NORM_EPS
from edgemoe_gen.numerics.decoder import FULL, by_tap, evaluate, even_out, lower_decoder
from edgemoe_gen.numerics.fixed import Format, finer_outputs
from edgemoe_gen.numerics.formats import HEADROOM, observe_ranges
from edgemoe_gen.numerics.lower import LoweredDecoder
from edgemoe_gen.numerics.placing import ENGINE, HOST, LOGITS, decoder_place
from edgemoe_gen.numerics.widths import CLASSIFIERS, DECODED, DECODERS, Widths, kind_of
from edgemoe_gen.program.capacity import check_widths
from tests.numerics.decoded import DecodedCase, decoded_case, decoder_tensors
from tests.overlay.decoder_networks import Tensors, decoder_model, random_decoder, random_head

torch = pytest.importorskip("torch")
Array = NDArray[np.float64]
EPS = 1e-6


def model_of(tensors: Tensors, dim: int, grid: tuple[int, int], patch: int = 16, **said: Any) -> Model:
    facts: dict[str, Any] = {"class_token": True, "align_corners": False} | said
    return decoder_model({"task": tensors}, {}, dim=dim, grid=grid, patch=patch, **facts)


def normed(tokens: Array, eps: float = EPS) -> Array:
    centred = tokens - tokens.mean(axis=1, keepdims=True)
    return np.asarray(centred / np.sqrt(np.square(centred).mean(axis=1, keepdims=True) + eps))


def doubled(x: Any) -> Any:
    return torch.nn.functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def pytorch(tensors: Tensors, tokens: Array, grid: tuple[int, int]) -> list[Array]:
    """Results [height, width, channels] of the convolutions behind their ReLUs, then of the last one; in float64."""
    f = torch.nn.functional
    t = {name: torch.from_numpy(np.asarray(values, np.float64)) for name, values in tensors.items()}
    x = f.layer_norm(torch.from_numpy(tokens), tokens.shape[1:], t["norm.weight"], t["norm.bias"], EPS)
    x = x.T.reshape(1, -1, *grid)
    found = []
    for i in range(4):
        x = f.conv2d(doubled(x) if i else x, t[f"conv_{i}.weight"], t[f"conv_{i}.bias"], padding=1)
        mean, var, gain, offset = (
            t[f"syncbn_fc_{i}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
        )
        x = f.relu(f.batch_norm(x, mean, var, gain, offset, eps=BATCH_NORM_EPS))
        found.append(x)
    found.append(f.conv2d(x, t["conv_4.weight"], t["conv_4.bias"]))
    return [y[0].permute(1, 2, 0).numpy() for y in found]


def lowered(decoder: LoweredDecoder, tokens: Array, grid: tuple[int, int]) -> list[Array]:
    """The same by the folded layers alone, tap by tap, each result with its factor taken out again."""
    x = (normed(tokens) * np.exp2(-decoder.shifts)).reshape(*grid, -1)
    x = np.concatenate([x, np.full((*grid, 1), decoder.ones)], axis=2)
    found = []
    for i, layer in enumerate(decoder.layers):
        if 0 < i < 4:
            x = (
                doubled(torch.from_numpy(np.ascontiguousarray(x.transpose(2, 0, 1)))[None])[0]
                .numpy()
                .transpose(1, 2, 0)
            )
        side = 3 if decoder.taps[i] == 9 else 1
        around = np.pad(x, ((side // 2,) * 2, (side // 2,) * 2, (0, 0)))
        rows, columns = x.shape[:2]
        taps = [around[dy : dy + rows, dx : dx + columns] for dy in range(side) for dx in range(side)]
        assert layer.bias is not None
        x = np.concatenate(taps, axis=2) @ layer.weight.T + layer.bias
        if i < 4:
            x = np.maximum(x, 0.0)
        found.append(x / decoder.scales[i] if i < 4 else x)
    return found


def evened(decoder: LoweredDecoder, seen: list[Array], tokens: Array) -> LoweredDecoder:
    largest = [y.reshape(-1, y.shape[2]).max(axis=0) for y in seen[:4]]
    return even_out(decoder, np.abs(normed(tokens)).max(axis=0), largest, HEADROOM)


@settings(max_examples=25, deadline=None)
@given(
    dim=st.integers(2, 24),
    width=st.integers(1, 12),
    classes=st.integers(1, 7),
    grid=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    outlier=st.sampled_from((1.0, 30.0)),
    seed=st.integers(0, 99),
)
def test_lowering_and_evening_out_are_pytorch_in_float64(
    dim: int, width: int, classes: int, grid: tuple[int, int], outlier: float, seed: int
) -> None:
    tensors = decoder_tensors(dim, width, classes, seed)
    tokens = np.random.default_rng(seed).standard_normal((grid[0] * grid[1], dim))
    tokens[:, 0] *= outlier
    wanted = pytorch(tensors, tokens, grid)
    model = model_of(tensors, dim, grid)
    decoder = lower_decoder(model, "task")
    for each in (decoder, evened(decoder, wanted, tokens)):
        assert (each.inputs(0), each.classes) == (dim + 1, classes)
        for got, exact in zip(lowered(each, tokens, grid), wanted, strict=True):
            # A dead channel's factor divides zeros; all else differs by float64's rounding.
            np.testing.assert_allclose(got, exact, rtol=0, atol=1e-9 * max(float(np.abs(exact).max()), 1e-9))
        whole = evaluate(each, model.spec, np.concatenate([np.zeros((1, dim)), tokens]))
        end = doubled(torch.from_numpy(wanted[-1]).permute(2, 0, 1)[None])[0].permute(1, 2, 0).numpy()
        np.testing.assert_allclose(whole, end, rtol=0, atol=1e-9 * float(np.abs(end).max()))


def test_an_offset_folded_into_the_bias_would_be_wrong_at_the_border_alone() -> None:
    # What the feature of ones is for: where all taps lie inside, its weights add up to a bias.
    tensors = decoder_tensors(8, 4, 3, 0)
    tokens = np.random.default_rng(1).standard_normal((12, 8))
    decoder = lower_decoder(model_of(tensors, 8, (3, 4)), "task")
    offsets = by_tap(decoder, 0)[:, :, -1]
    folded = lowered(decoder, tokens, (3, 4))[0]
    first = by_tap(decoder, 0).copy()
    first[:, :, -1] = 0.0
    bias = decoder.layers[0].bias + offsets.sum(axis=1)
    layer = replace(decoder.layers[0], weight=first.reshape(4, -1), bias=bias)
    wrong = lowered(replace(decoder, layers=(layer, *decoder.layers[1:])), tokens, (3, 4))[0]
    np.testing.assert_allclose(wrong[1, 1:3], folded[1, 1:3], rtol=0, atol=1e-12)
    inside = np.zeros((3, 4), bool)
    inside[1, 1:3] = True
    assert np.abs(wrong - folded)[~inside].max() > 0.01


@pytest.mark.parametrize("bits", [6, 8, 12, 16])
def test_every_output_of_a_3x3_convolution_fills_its_format_and_no_range_grows(bits: int) -> None:
    tensors = decoder_tensors(12, 9, 3, 5)
    tensors["conv_1.weight"][4] = 0.0  # an output that nothing goes into
    tokens = np.random.default_rng(2).standard_normal((12, 12))
    seen = pytorch(tensors, tokens, (3, 4))
    decoder = evened(lower_decoder(model_of(tensors, 12, (3, 4)), "task"), seen, tokens)
    form = Format(bits, bits - 4)
    for i in range(4):
        weight = decoder.layers[i].weight
        largest = np.abs(weight).max(axis=1)
        used = largest > 0
        assert used.all() == (i != 1)
        full = largest[used] * np.exp2(form.fraction + finer_outputs(weight, form, 15)[used])
        np.testing.assert_allclose(full, FULL * 2 ** (bits - 1), rtol=1e-12)
        assert (decoder.scales[i] > 0.49).all() and (decoder.scales[i] <= 2).all()
        before = np.log2(float(seen[i].max()) * HEADROOM)
        after = np.log2(float((seen[i] * decoder.scales[i]).max()) * HEADROOM)
        assert np.ceil(after) <= np.ceil(before)


@pytest.mark.parametrize("offset", [0.01, 1.0, 40.0])
def test_the_feature_of_ones_is_the_larger_the_larger_the_offsets_but_no_larger_than_the_norm(offset: float) -> None:
    tensors = random_decoder(12, 9, 3, 6) | {"norm.bias": np.full(12, offset, np.float32)}
    tokens = np.random.default_rng(3).standard_normal((12, 12))
    decoder = evened(lower_decoder(model_of(tensors, 12, (3, 4)), "task"), pytorch(tensors, tokens, (3, 4)), tokens)
    assert 1.0 <= decoder.ones <= max(1.0, float(np.abs(normed(tokens)).max()))
    assert (decoder.ones == 1.0) == (offset < 0.1)


@pytest.fixture(scope="module")
def case() -> DecodedCase:
    return decoded_case()


def test_decoders_have_formats_of_their_own_widths_in_the_order_of_the_data_path(case: DecodedCase) -> None:
    formats = case.formats(Widths(18, 16, decoders=8, decoded=12))
    names = [row.name for row in formats.rows() if row.name.startswith(DECODERS)]
    steps = [f"conv_{i}{part}" for i in range(4) for part in (".weight", "")]
    wanted = [f"{DECODERS}.{t}.{s}" for t in case.network.decoders for s in ("norm", *steps, "conv_4.weight", "logits")]
    assert names == wanted
    assert {formats[name].bits for name in names if kind_of(name) == DECODERS} == {8}
    assert {formats[name].bits for name in names if kind_of(name) == CLASSIFIERS} == {16}
    assert {formats[name].bits for name in names if kind_of(name) == DECODED} == {12}
    assert [kind_of(f"{DECODERS}.a.b.conv_{i}.weight") for i in (3, 4)] == [DECODERS, CLASSIFIERS]
    assert {row.form.bits for row in formats.rows() if row.name not in names} == {16, 18}
    # A value that leaves the chip has 16 bits; logits that only classes come from have all.
    wide = case.formats(Widths(18, 16))
    assert [wide[f"{DECODERS}.{task}.logits"].bits for task in ("semseg", "depth")] == [18, 16]


def test_formats_hold_what_calibration_saw_and_the_feature_of_ones(case: DecodedCase) -> None:
    formats = case.formats(Widths(18, 16))
    for task, decoder in case.network.decoders.items():
        assert formats[f"{DECODERS}.{task}.norm"].largest >= decoder.ones
        for i, scale in enumerate(decoder.scales):
            name = f"{DECODERS}.{task}.conv_{i}"
            assert formats[name].largest >= float((case.seen[name].columns * scale).max())
            assert formats.table[name].error < 2.0**-14 and formats.table[f"{name}.weight"].error < 2.0**-14


def test_a_network_whose_decoders_are_not_asked_for_is_calibrated_without_them(case: DecodedCase) -> None:
    seen = observe_ranges(case.model, case.images[:1], ["depth"])
    assert not any(name.startswith(DECODERS) for name in seen)
    with_them = observe_ranges(case.model, case.images[:1], ["depth"], decoders=True)
    assert set(seen) < set(with_them)
    for name, observation in seen.items():
        np.testing.assert_array_equal(observation.columns, with_them[name].columns)


def test_what_is_observed_before_the_last_doubling_becomes_the_output(case: DecodedCase) -> None:
    seen: dict[str, Any] = {}
    result = Reference(case.model).run(case.images[0], "semseg", observe=seen.__setitem__)
    rows, columns = case.model.spec.grid
    logits = torch.from_numpy(seen["decoders.semseg.logits"]).T.reshape(1, -1, 8 * rows, 8 * columns)
    assert result.output is not None
    np.testing.assert_allclose(doubled(logits)[0], result.output, rtol=0, atol=1e-5)
    assert float(seen["decoders.semseg.conv_3"].min()) >= 0.0


PLACES: dict[str, tuple[dict[str, Any], dict[str, int], str, str]] = {
    "all of it": ({}, {}, ENGINE, ""),
    "map of another size": ({"patch": 8}, {}, LOGITS, "give 48 × 64 pixels, but the picture has 24 × 32"),
    "corners": ({"align_corners": True}, {}, HOST, "align_corners is true"),
    "no decoders": ({}, {"max_map_width": 0}, HOST, "max_map_width 0"),
    "wide": ({}, {"max_map_width": 31}, HOST, "32 pixels wide, but the design's max_map_width is 31"),
    "many channels": ({}, {"max_map_channels": 2}, HOST, "3 channels, but the design's max_map_channels is 2"),
}


@pytest.mark.parametrize("name", PLACES)
def test_where_a_decoder_runs_is_said_in_a_sentence(name: str) -> None:
    said, design, where, why = PLACES[name]
    model = model_of(random_decoder(4, 3, 5), 4, (3, 4), **said)
    place = decoder_place(model, "task", **({"max_map_width": 32, "max_map_channels": 3} | design))
    assert place is not None
    assert place.where == where and why in place.reason
    assert (place.reason == "") == (where == ENGINE) and "\n" not in place.reason


def test_a_pixel_s_class_is_a_byte() -> None:
    places = [
        decoder_place(model_of(random_decoder(4, 3, classes), 4, (1, 1)), "task", 64, 256) for classes in (256, 257)
    ]
    assert [place.where for place in places if place] == [ENGINE, LOGITS]


def test_a_plain_head_stays_on_the_host_and_a_network_without_any_has_no_place() -> None:
    sizes: dict[str, Any] = {"dim": 4, "grid": (2, 2), "patch": 4, "class_token": True, "align_corners": False}
    place = decoder_place(decoder_model({}, random_head(4, 10), **sizes), "classes", 64, 256)
    assert place is not None and place.where == HOST and "one token's" in place.reason
    assert decoder_place(decoder_model({}, {}, **sizes), "classes", 64, 256) is None


def test_a_design_takes_every_decoder_that_is_no_wider_than_itself(case: DecodedCase) -> None:
    design = make_design(Knobs(decoder_weight_bits=8, decoder_activation_bits=10), load_board("zcu104"))
    for widths in (Widths(18, 16), Widths(18, 16, decoders=8, decoded=10), Widths(12, 8)):
        check_widths(design, case.formats(widths))
    with pytest.raises(ProgramError, match=r"decoders\.semseg\.norm has 20 bits, but the design's has 18"):
        check_widths(design, case.formats(Widths(18, 16, cache=18, decoded=20)))
