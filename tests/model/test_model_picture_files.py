"""Files of pictures: which formats, upright, nothing reduced or chosen without a word, and damage of every kind."""

from __future__ import annotations

import io
import os
import struct
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from edgemoe_gen.base.errors import ImageError
from edgemoe_gen.model import ImageSpec, load_image
from edgemoe_gen.model.images import FORMATS, PICTURE_SUFFIXES, open_rgb

SPEC = ImageSpec.named(6, 10, "none")
ORIENTATION = 0x112
# What a viewer does with each value of EXIF's orientation, undone: how the stored pixels come from the upright ones.
STORED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, -1),
}
LOSSLESS = {"PNG": {}, "TIFF": {}, "WEBP": {"lossless": True}}


def pixels(seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, 256, (6, 10, 3), dtype=np.uint8)


def encoded(values: np.ndarray[Any, Any], kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(values)).save(stream, kind, **options)
    return stream.getvalue()


def refused(path: Path, *parts: str, spec: ImageSpec = SPEC) -> ImageError:
    with pytest.raises(ImageError) as caught:
        load_image(path, spec)
    for part in (path.name, *parts):
        assert part in caught.value.message, caught.value.message
    assert caught.value.hint
    return caught.value


def png(depth: int, colour: int, rows: bytes, width: int, height: int) -> bytes:
    """A PNG of any bit depth and kind of colour; Pillow writes no RGB of 16 bits."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("suffix", PICTURE_SUFFIXES)
def test_every_format_is_read_under_every_of_its_names(suffix: str, tmp_path: Path) -> None:
    kind = next(kind for kind, suffixes in FORMATS.items() if suffix in suffixes)
    (tmp_path / f"a{suffix}").write_bytes(encoded(np.full((6, 10, 3), 77, np.uint8), kind))
    # A uniform colour passes JPEG and WebP to within their colour transform's rounding.
    np.testing.assert_allclose(load_image(tmp_path / f"a{suffix}", SPEC), 77, atol=3)


@pytest.mark.parametrize("kind", LOSSLESS)
@pytest.mark.parametrize("orientation", STORED)
def test_exif_orientation_is_obeyed(kind: str, orientation: int, tmp_path: Path) -> None:
    upright, exif = pixels(), Image.Exif()
    exif[ORIENTATION] = orientation
    path = tmp_path / "a.png"
    path.write_bytes(encoded(STORED[orientation](upright), kind, exif=exif, **LOSSLESS[kind]))
    np.testing.assert_array_equal(load_image(path, SPEC), upright.transpose(2, 0, 1))


def test_the_upright_size_counts(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    (tmp_path / "a.jpg").write_bytes(encoded(pixels(), "JPEG", exif=exif))
    refused(tmp_path / "a.jpg", "6 x 10", "10 x 6")
    assert load_image(tmp_path / "a.jpg", replace(SPEC, resize="bilinear")).shape == (3, 6, 10)


@pytest.mark.parametrize(("colour", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_sixteen_bits_a_channel_of_a_png_are_refused(colour: int, channels: int, tmp_path: Path) -> None:
    rows = b"".join(b"\0" + (np.full(10 * channels, 4095, ">u2")).tobytes() for _ in range(6))
    (tmp_path / "a.png").write_bytes(png(16, colour, rows, 10, 6))
    refused(tmp_path / "a.png", "8 bits a channel", "16")


def test_sixteen_bits_a_channel_of_a_tiff_are_refused(tmp_path: Path) -> None:
    data = np.full((6, 10, 3), 4095, "<u2").tobytes()
    tags = [(256, 3, 1, 10), (257, 3, 1, 6), (258, 3, 3, 8), (259, 3, 1, 1), (262, 3, 1, 2), (273, 4, 1, 200),
            (277, 3, 1, 3), (278, 3, 1, 6), (279, 4, 1, len(data))]  # fmt: skip
    head = b"II*\0" + struct.pack("<I", 16) + struct.pack("<3H", 16, 16, 16) + b"\0\0"
    body = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)
    (tmp_path / "a.tif").write_bytes((head + body).ljust(200, b"\0") + data)
    refused(tmp_path / "a.tif", "8 bits a channel", "16")


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_fewer_bits_span_the_whole_range(depth: int, tmp_path: Path) -> None:
    """Grey of few bits: the largest value is white."""
    rows = b"".join(b"\0" + b"\xff" * (-(-10 * depth // 8)) for _ in range(6))
    (tmp_path / "a.png").write_bytes(png(depth, 0, rows, 10, 6))
    np.testing.assert_array_equal(load_image(tmp_path / "a.png", SPEC), 255)


@pytest.mark.parametrize("kind", ["WEBP", "TIFF", "PNG"])
def test_several_frames_are_refused(kind: str, tmp_path: Path) -> None:
    first, second = (Image.fromarray(pixels(seed)) for seed in (0, 1))
    first.save(tmp_path / "a", kind, save_all=True, append_images=[second])
    refused(tmp_path / "a", "2 pictures")


def test_a_transparent_colour_is_refused(tmp_path: Path) -> None:
    values = pixels()
    (tmp_path / "a.png").write_bytes(encoded(values, "PNG", transparency=tuple(int(v) for v in values[0, 0])))
    refused(tmp_path / "a.png", "transparent")


@pytest.mark.parametrize(
    "text", [b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 6\nshowpage\n", b"GIF89a" + bytes(40), b"P6 10 6 255\n"]
)
def test_formats_that_are_not_listed_are_no_pictures_whatever_their_name(text: bytes, tmp_path: Path) -> None:
    """Postscript would start another program."""
    (tmp_path / "a.png").write_bytes(text)
    assert "TIFF" in refused(tmp_path / "a.png", "not a picture").hint


def test_a_huge_picture_is_one_sentence(tmp_path: Path) -> None:
    rows = zlib.compress(b"")  # never decoded
    (tmp_path / "a.png").write_bytes(png(1, 0, rows, 20000, 12000))
    refused(tmp_path / "a.png", "240,000,000 pixels", "at most 50,000,000")
    refused(tmp_path / "a.png", "240,000,000 pixels", spec=replace(SPEC, resize="bilinear"))


def test_a_picture_of_another_size_is_not_decoded(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(8, 2, b"no pixels", 9000, 9000))
    refused(tmp_path / "a.png", "9000 x 9000")


def test_what_is_no_regular_file_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    os.mkfifo(tmp_path / "a.npy")
    refused(tmp_path / "a.png", "regular file")
    refused(tmp_path / "a.npy", "regular file")


def test_the_hint_of_a_wrong_layout_says_how_to_mend_it(tmp_path: Path) -> None:
    for shape, part in (((6, 10, 3), "transpose"), ((1, 3, 6, 10), "values[0]"), ((3, 10, 6), "[3, height, width]")):
        np.save(tmp_path / "a.npy", np.zeros(shape, np.float32))
        assert part in refused(tmp_path / "a.npy", str(list(shape))).hint


@settings(deadline=None, max_examples=150)
@given(
    kind=st.sampled_from(sorted(FORMATS)),
    cut=st.floats(0, 1),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=4),
)
def test_a_damaged_file_is_a_sentence_or_a_picture(
    tmp_path_factory: pytest.TempPathFactory, kind: str, cut: float, changes: list[tuple[float, int]]
) -> None:
    data = bytearray(encoded(pixels(), kind))
    for place, value in changes:
        data[min(int(place * len(data)), len(data) - 1)] = value
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(bytes(data[: int(cut * len(data))]))
    try:
        picture = open_rgb(path, (10, 6))
    except ImageError as error:
        assert str(path) in error.message and error.hint
    else:
        assert picture.mode == "RGB" and picture.size == (10, 6)
