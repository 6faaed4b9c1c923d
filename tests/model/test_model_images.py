"""Pictures into network inputs: kinds of files, sizes, normalisation, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgemoe_gen.base.errors import ImageError
from edgemoe_gen.model import ImageSpec, load_image

SPEC = ImageSpec.named(4, 6, "unit256")
RESIZED = replace(SPEC, resize="bilinear")


def pixels(height: int = 4, width: int = 6, channels: int = 3) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)


def refused(path: Path, spec: ImageSpec, *parts: str) -> None:
    with pytest.raises(ImageError) as caught:
        load_image(path, spec)
    for part in (path.name, *parts):
        assert part in caught.value.message, caught.value.message
    assert caught.value.message.endswith(".") and caught.value.hint


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.npy"])
def test_pixels_are_scaled_by_a_power_of_two_exactly(name: str, tmp_path: Path) -> None:
    rgb = pixels()
    if name == "a.npy":
        np.save(tmp_path / name, rgb)
    else:
        Image.fromarray(rgb).save(tmp_path / name)
    values = load_image(tmp_path / name, SPEC)
    assert values.dtype == np.float32 and values.shape == (3, 4, 6) and values.flags.c_contiguous
    np.testing.assert_array_equal(values, rgb.transpose(2, 0, 1) / 256)


def test_channels_may_stand_first_in_an_array(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", pixels().transpose(2, 0, 1))
    np.testing.assert_array_equal(load_image(tmp_path / "a.npy", SPEC), pixels().transpose(2, 0, 1) / 256)


def test_mean_and_std_apply_after_scaling(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", pixels())
    spec = ImageSpec(4, 6, scale=1 / 255, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    wanted = (pixels() / 255.0 - np.array(spec.mean)) / np.array(spec.std)
    np.testing.assert_allclose(load_image(tmp_path / "a.npy", spec), wanted.transpose(2, 0, 1), atol=1e-6)


def test_a_jpeg_is_read(tmp_path: Path) -> None:
    Image.new("RGB", (6, 4), (64, 128, 192)).save(tmp_path / "a.jpg", quality=95)
    values = load_image(tmp_path / "a.jpg", SPEC)
    # JPEG keeps a uniform colour to within the rounding of its colour transform.
    np.testing.assert_allclose(values[:, 2, 3] * 256, [64, 128, 192], atol=3)


def test_a_ready_input_is_taken_as_it_is(tmp_path: Path) -> None:
    ready = np.random.default_rng(0).standard_normal((3, 4, 6)).astype(np.float32)
    np.save(tmp_path / "a.npy", ready)
    spec = replace(RESIZED, mean=(9.0, 9.0, 9.0))
    np.testing.assert_array_equal(load_image(tmp_path / "a.npy", spec), ready)


def test_grey_is_copied_to_three_channels(tmp_path: Path) -> None:
    grey = pixels()[..., 0]
    Image.fromarray(grey).save(tmp_path / "a.png")
    np.testing.assert_array_equal(load_image(tmp_path / "a.png", SPEC), np.stack([grey / 256] * 3))


def test_an_opaque_alpha_channel_is_dropped_and_a_transparent_one_refused(tmp_path: Path) -> None:
    rgba = pixels(channels=4)
    rgba[..., 3] = 255
    Image.fromarray(rgba).save(tmp_path / "a.png")
    np.testing.assert_array_equal(load_image(tmp_path / "a.png", SPEC), rgba[..., :3].transpose(2, 0, 1) / 256)
    rgba[1, 2, 3] = 254
    Image.fromarray(rgba).save(tmp_path / "a.png")
    refused(tmp_path / "a.png", SPEC, "transparent")


@pytest.mark.parametrize("name", ["a.png", "a.npy"])
def test_another_size_is_refused_with_both_or_resized(name: str, tmp_path: Path) -> None:
    big = np.full((8, 12, 3), 200, np.uint8)
    if name == "a.npy":
        np.save(tmp_path / name, big)
    else:
        Image.fromarray(big).save(tmp_path / name)
    refused(tmp_path / name, SPEC, "12 x 8", "6 x 4")
    values = load_image(tmp_path / name, RESIZED)
    np.testing.assert_array_equal(values, np.full((3, 4, 6), 200 / 256))


@pytest.mark.parametrize(
    ("array", "part"),
    [
        (np.zeros((3, 4, 7), np.float32), "[3, 4, 7]"),
        (np.zeros((4, 6, 3), np.float32), "[4, 6, 3]"),
        (np.full((3, 4, 6), np.nan, np.float32), "NaN"),
        (np.full((3, 4, 6), np.inf), "infinite"),
        (np.full((3, 4, 6), 1e300), "float32"),
        (np.linspace(0, 255, 72, dtype=np.float32).reshape(3, 4, 6), "from 0 to 255, but pixels of this network"),
        (np.zeros((4, 6, 3), np.int64), "int64"),
        (np.zeros((4, 6), np.uint8), "[4, 6]"),
        (np.zeros((4, 6, 4), np.uint8), "[4, 6, 4]"),
    ],
)
def test_an_unfit_array_is_refused(array: Any, part: str, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", array)
    refused(tmp_path / "a.npy", SPEC, part)


def test_an_array_of_objects_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{"x": 1}], object), allow_pickle=True)
    refused(tmp_path / "a.npy", SPEC)


def test_an_archive_of_arrays_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=pixels())
    (tmp_path / "a.npz").rename(tmp_path / "a.npy")
    refused(tmp_path / "a.npy", SPEC, "archive")


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.npy"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.8])
def test_a_truncated_picture_is_one_sentence(name: str, share: float, tmp_path: Path) -> None:
    path = tmp_path / name
    rgb = pixels(64, 64)
    if name == "a.npy":
        np.save(path, rgb)
    else:
        Image.fromarray(rgb).save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    refused(path, ImageSpec.named(64, 64, "unit256"))


def test_sixteen_bits_a_channel_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 6), 40000, np.uint16)).save(tmp_path / "a.png")
    refused(tmp_path / "a.png", SPEC, "8 bits")


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    refused(tmp_path / "no.png", SPEC)
    (tmp_path / "dir.png").mkdir()
    refused(tmp_path / "dir.png", SPEC, "folder")
