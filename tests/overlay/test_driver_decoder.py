"""The driver's decoder in NumPy, against the float reference in PyTorch; and its tensors on their way to the board."""

from __future__ import annotations

import io
import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgemoe_gen.base.errors import OverlayError
from edgemoe_gen.model.reference import decode
from edgemoe_gen.overlay.decoders import archive, decoder_facts, decoder_kind, model_decoder
from edgemoe_gen.overlay.driver import decoder as module
from edgemoe_gen.overlay.driver.bilinear import sampling
from edgemoe_gen.overlay.driver.decoder import Decoder, decoders_of
from tests.overlay.decoder_networks import decoder_model, random_decoder, random_head

# Both are float32; a term of a convolution is rounded to 6e-8 of itself, and of 9 x 256 terms in four layers the sum of
# all that stays below this part of the largest value.
TOLERANCE = 1e-4


def random_tokens(tokens: int, dim: int, seed: int = 0) -> NDArray[np.float32]:
    return (4 * np.random.default_rng(seed).standard_normal((tokens, dim))).astype(np.float32)


def check(model: Any, task: str, seed: int = 0) -> NDArray[np.float32]:
    tokens = random_tokens(model.spec.tokens, model.spec.dim, seed)
    wanted = decode(model, tokens, task)
    decoder = model_decoder(model, task)
    assert decoder is not None and wanted is not None
    got: NDArray[np.float32] = decoder(tokens)
    assert got.dtype == np.float32 and got.shape == wanted.shape and got.flags.c_contiguous
    assert np.abs(got - wanted).max() <= TOLERANCE * np.abs(wanted).max()
    return got


@settings(max_examples=60, deadline=None)
@given(
    dim=st.integers(1, 40),
    width=st.integers(1, 24),
    classes=st.integers(1, 21),
    grid=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    patch=st.sampled_from((1, 4, 8, 14, 16, 20, 32)),
    class_token=st.booleans(),
    align_corners=st.booleans(),
    seed=st.integers(0, 99),
)
@pytest.mark.slow
def test_decoder_is_the_reference_for_every_size(
    dim: int,
    width: int,
    classes: int,
    grid: tuple[int, int],
    patch: int,
    class_token: bool,
    align_corners: bool,
    seed: int,
) -> None:
    model = decoder_model(
        {"task": random_decoder(dim, width, classes, seed)}, {}, dim=dim, grid=grid, patch=patch,
        class_token=class_token, align_corners=align_corners,
    )  # fmt: skip
    got = check(model, "task", seed)
    assert got.shape == (classes, grid[0] * patch, grid[1] * patch)


@settings(max_examples=30, deadline=None)
@given(dim=st.integers(1, 64), classes=st.integers(1, 50), class_token=st.booleans(), seed=st.integers(0, 99))
def test_head_of_a_plain_vit_is_the_reference(dim: int, classes: int, class_token: bool, seed: int) -> None:
    model = decoder_model(
        {}, random_head(dim, classes, seed), dim=dim, grid=(3, 5), patch=4, class_token=class_token,
        align_corners=False,
    )  # fmt: skip
    assert check(model, "classes", seed).shape == (classes,)


def test_batch_norm_of_tiny_variance_stays_within_the_bound() -> None:
    tensors = random_decoder(16, 12, 5)
    for place in range(4):
        tensors[f"syncbn_fc_{place}.running_var"] = np.full(12, 1e-4, np.float32)
    model = decoder_model({"task": tensors}, {}, dim=16, grid=(4, 6), patch=16, class_token=True, align_corners=False)
    check(model, "task")


@settings(max_examples=60, deadline=None)
@given(size=st.integers(1, 70), wanted=st.integers(1, 140), align_corners=st.booleans())
def test_sampling_is_that_of_pytorch(size: int, wanted: int, align_corners: bool) -> None:
    values = np.random.default_rng(size).standard_normal(size).astype(np.float32)
    low, high, share = sampling(size, wanted, align_corners)
    got = values[low] + (values[high] - values[low]) * share
    exact = torch.nn.functional.interpolate(
        torch.from_numpy(values)[None, None, :, None], size=(wanted, 1), mode="bilinear", align_corners=align_corners
    )
    # PyTorch reckons places in float32, which are 1e-7 of the size off, and a value changes by what a place does.
    assert np.abs(got - exact.numpy().reshape(-1)).max() <= 1e-6 * size * np.abs(values).max()


def test_strips_of_an_image_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    model = decoder_model(
        {"task": random_decoder(8, 6, 3)}, {}, dim=8, grid=(5, 3), patch=16, class_token=True, align_corners=False
    )
    tokens = random_tokens(model.spec.tokens, 8)
    whole = model_decoder(model, "task")
    monkeypatch.setattr(module, "STRIP_BYTES", 3 * 48 * 9 * 8 * 4)
    cut = model_decoder(model, "task")
    assert whole is not None and cut is not None
    assert np.allclose(whole(tokens), cut(tokens), rtol=0, atol=1e-5)


def test_same_tokens_give_the_same_bits_in_every_thread() -> None:
    model = decoder_model(
        {"task": random_decoder(16, 16, 4)}, {}, dim=16, grid=(4, 4), patch=16, class_token=False, align_corners=True
    )
    decoder = model_decoder(model, "task")
    assert decoder is not None
    inputs = [random_tokens(16, 16, seed) for seed in range(4)]
    wanted = [decoder(tokens) for tokens in inputs]
    wrong: list[int] = []

    def work(place: int) -> None:
        wrong.extend(place for _ in range(20) if not np.array_equal(decoder(inputs[place]), wanted[place]))

    threads = [threading.Thread(target=work, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_archive_brings_every_tensor_to_the_board_and_is_the_same_every_time() -> None:
    decoders = {"seg.1": random_decoder(8, 6, 3), "depth": random_decoder(8, 6, 1, seed=1)}
    model = decoder_model(decoders, {}, dim=8, grid=(2, 3), patch=8, class_token=True, align_corners=False)
    names = model.spec.task_names
    data = archive(names, decoders, {})
    assert data == archive(names, dict(reversed(decoders.items())), {})
    with np.load(io.BytesIO(data), allow_pickle=False) as opened:
        assert all(opened[name].dtype == np.float32 for name in opened)
        kinds = {task: decoder_kind(task, names, decoders, {}) for task in names}
        on_board = decoders_of(decoder_facts(model.spec), kinds, opened)
    tokens = random_tokens(model.spec.tokens, 8)
    for task in names:
        host = model_decoder(model, task)
        assert host is not None and np.array_equal(on_board[task](tokens), host(tokens))


def test_network_without_decoders_has_no_archive() -> None:
    assert archive(("a", "b"), {}, {}) == b""
    model = decoder_model({}, {}, dim=8, grid=(2, 3), patch=8, class_token=True, align_corners=False)
    assert model_decoder(model, "classes") is None


def test_missing_tensor_is_named() -> None:
    tensors = random_decoder(8, 6, 3)
    del tensors["syncbn_fc_2.running_var"]
    model = decoder_model({"task": tensors}, {}, dim=8, grid=(2, 3), patch=8, class_token=True, align_corners=False)
    with pytest.raises(OverlayError, match=r"no tensor 'syncbn_fc_2\.running_var'"):
        Decoder(replace(decoder_facts(model.spec)), "up_head", tensors)
