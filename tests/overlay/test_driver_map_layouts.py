"""Maps in a result buffer: every layout is read back, and what is left to the host is quick."""

from __future__ import annotations

import time

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edgemoe_gen.overlay.driver.layouts import ResultLayout
from edgemoe_gen.overlay.driver.maps import CLASSES, LOGITS, TYPES, VALUES, MapFinisher, MapLayout, pixels_of
from edgemoe_gen.overlay.driver.result import tokens_of

TINY = (128, 256)  # picture of M3ViT-tiny
HOST_SECONDS = 3e-3


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from((CLASSES, VALUES, LOGITS)),
    height=st.integers(1, 5), width=st.integers(1, 9), channels=st.integers(1, 7),
    spare=st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)), seed=st.integers(0, 99),
)  # fmt: skip
def test_pixels_are_those_that_were_laid_out(
    kind: str, height: int, width: int, channels: int, spare: tuple[int, int, int], seed: int
) -> None:
    size = np.dtype(TYPES[kind]).itemsize
    channels = 1 if kind == CLASSES else channels
    before, beside, behind = spare
    deep, wide = (1 if kind == CLASSES else channels + beside), width + behind
    rng = np.random.default_rng(seed)
    low, high = (0, 256) if kind == CLASSES else (-(1 << 15), 1 << 15)
    whole = rng.integers(low, high, (height, wide, deep)).astype(TYPES[kind])
    buffer = np.concatenate([np.full(before * size, 0xEE, np.uint8), whole.reshape(-1).view(np.uint8)])
    layout = MapLayout(kind, before * size, wide * deep * size, deep * size, height, width, channels, 3)
    found = pixels_of(buffer, layout)
    wanted = whole[:, :width, :channels]
    assert np.array_equal(found, wanted[:, :, 0] if kind == CLASSES else wanted)
    assert not np.shares_memory(found, buffer)
    if kind == VALUES:
        output = MapFinisher((height, width))(found, layout)
        assert np.array_equal(output, wanted.transpose(2, 0, 1).astype(np.float32) / 8)


def test_host_time_of_a_tiny_frame_is_below_its_bar() -> None:
    """Tokens and map out of the buffer, scaled: the least of some tries, since machines are busy."""
    height, width = TINY
    tokens = ResultLayout(0, 192 * 4, 129, 192, 12, 0)
    maps = {
        CLASSES: MapLayout(CLASSES, 0, width, 1, height, width, 1, 0),
        VALUES: MapLayout(VALUES, 0, 2 * width, 2, height, width, 1, 8),
    }
    buffer = np.random.default_rng(0).integers(0, 256, 129 * 192 * 4, np.uint8)
    finish = MapFinisher(TINY)
    for kind, layout in maps.items():
        took = []
        for _ in range(20):
            start = time.perf_counter()
            tokens_of(buffer, tokens)
            pixels = pixels_of(buffer, layout)
            if kind != CLASSES:
                finish(pixels, layout)
            took.append(time.perf_counter() - start)
        assert min(took) < HOST_SECONDS, kind
