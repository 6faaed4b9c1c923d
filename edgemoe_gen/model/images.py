"""Reads a picture into a network's input.

In: a picture of `FORMATS`, upright as its EXIF orientation says, or .npy with 8-bit pixels or a ready input. Out:
float32 [3, height, width]. Greyscale is copied to three channels; an alpha channel is dropped if it is opaque
everywhere. Pictures that would need a guess are refused: more than 8 bits a channel, transparency, several frames.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from edgemoe_gen.base.arrays import read_array
from edgemoe_gen.base.errors import ImageError
from edgemoe_gen.base.reading import UnfitFileError, open_regular
from edgemoe_gen.model.safe import Array
from edgemoe_gen.model.spec import ImageSpec

# What a picture may be, by Pillow's names, and how its files are called. Pillow tries no other format, whatever a file
# is called: some of them run other programs.
FORMATS: Mapping[str, tuple[str, ...]] = {
    "PNG": (".png",),
    "JPEG": (".jpg", ".jpeg"),
    "BMP": (".bmp",),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
}
ARRAY = ".npy"
PICTURE_SUFFIXES = tuple(suffix for suffixes in FORMATS.values() for suffix in suffixes)
SUFFIXES = (*PICTURE_SUFFIXES, ARRAY)
KINDS = f"{', '.join(FORMATS)} or {ARRAY}"

_PICTURE_LIMIT = 256 << 20  # bytes of a file
_PIXELS = 50_000_000  # of a picture, which take 7 bytes each while it is decoded
_EIGHT_BIT = ("1", "L", "P", "RGB", "YCbCr", "CMYK", "HSV", "LAB")
_ALPHA = ("RGBA", "LA", "PA", "La", "RGBa")
_PNG_BIT_DEPTH = 24  # of the file's bytes: behind signature, length and name of IHDR, width and height
_TIFF_BITS_PER_SAMPLE = 258
# A ready input may be so many times as large as what pixels give: noise is larger, but not as pixels are.
FAR_BEYOND = 8.0


def load_image(path: Path, spec: ImageSpec) -> Array:
    """A picture as network input.

    Args:
        path: .npy: uint8 [height, width, 3] or [3, height, width] pixels, or floats [3, height, width] taken
            unchanged; any other name: a picture of `FORMATS`.
        spec: size and normalisation: `(pixel * scale - mean) / std`; pixels of another size are resized if
            `spec.resize` is "bilinear". A ready input is never resized.

    Returns:
        float32 [3, height, width].

    Raises:
        ImageError: unreadable, of another size or kind, holding NaN, or a ready input far beyond normalised pixels.
    """
    path = Path(path)
    if path.suffix.lower() != ARRAY:
        picture = open_rgb(path, None if spec.resize == "bilinear" else (spec.width, spec.height))
        return _normalised(_fitted(path, picture, spec), spec)
    values = _read_npy(path)
    if values.dtype == np.uint8:
        pixels = _channels_last(path, values)
        if not pixels.size:
            raise ImageError(f"{path} holds no pixels.", "Give a picture.")
        return _normalised(_fitted(path, Image.fromarray(np.ascontiguousarray(pixels)), spec), spec)
    if values.dtype.kind != "f":
        raise ImageError(f"{path} holds {values.dtype}.", "Give uint8 pixels or a float32 network input.")
    wanted = (3, spec.height, spec.width)
    if values.shape != wanted:
        raise ImageError(
            f"{path} has the shape {list(values.shape)}, the model takes {list(wanted)}.",
            _how_to_shape(values.shape, wanted),
        )
    if not np.isfinite(values).all():
        raise ImageError(f"{path} holds NaN or infinite values.", "Check where it comes from.")
    with np.errstate(over="ignore"):
        result = np.array(values, np.float32, order="C")
    if not np.isfinite(result).all():
        raise ImageError(f"{path} holds values out of the range of float32.", "Check where it comes from.")
    _refuse_pixels(path, result, spec)
    return result


def _refuse_pixels(path: Path, values: Array, spec: ImageSpec) -> None:
    """Refuses floats far beyond normalised pixels, which are in most cases raw pixels."""
    ends = np.concatenate([_normalised(np.full((1, 1, 3), level, np.uint8), spec).reshape(-1) for level in (0, 255)])
    if values.size and np.abs(values).max() > FAR_BEYOND * np.abs(ends).max():
        raise ImageError(
            f"{path} holds values from {values.min():.4g} to {values.max():.4g}, but pixels of this network, "
            f"normalised, lie in {ends.min():.4g} to {ends.max():.4g}.",
            "If these are pixels, save them as uint8; then they are normalised.",
        )


def open_rgb(path: Path, size: tuple[int, int] | None = None) -> Image.Image:
    """A picture, upright, in mode RGB.

    Args:
        path: a file of `FORMATS`, whatever its name.
        size: width and height that it must have; None takes any. A picture of another size is not decoded.

    Raises:
        ImageError: no such file, damaged, of another kind or size, or a picture that would need a guess.
    """
    _refuse_no_file(path)
    try:
        with warnings.catch_warnings(), open_regular(path, _PICTURE_LIMIT) as stream:
            # Pillow warns of large pictures, which `size` or its own limit refuse, and of damage that it can mend.
            warnings.simplefilter("ignore")
            with Image.open(stream, formats=tuple(FORMATS)) as opened:
                return _rgb(path, opened, size)
    except ImageError:
        raise
    except UnfitFileError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror}.", "Give one picture.") from error
    except UnidentifiedImageError as error:
        raise ImageError(
            f"{path} is truncated, damaged or not a picture.", f"Give one of {', '.join(FORMATS)}, or {ARRAY}."
        ) from error
    except Image.DecompressionBombError as error:
        found = re.search(r"\((\d+) pixels\)", str(error))
        raise _too_large(path, f"{int(found[1]):,}" if found else "too many") from error
    except Exception as error:  # what decoders raise on damaged files is of no one family
        if isinstance(error, OSError) and error.errno is not None:
            raise ImageError(f"{path} cannot be read: {error.strerror}.", "Check its permissions.") from error
        raise ImageError(f"{path} is truncated or damaged: {error}.", "Save the picture again.") from error


def _refuse_no_file(path: Path) -> None:
    if not path.is_file():  # a pipe or device might never end
        what = "is a folder" if path.is_dir() else "is no regular file" if path.exists() else "does not exist"
        raise ImageError(f"{path} {what}.", "Give one picture.")


def _rgb(path: Path, opened: Image.Image, size: tuple[int, int] | None) -> Image.Image:
    if size is not None and opened.size not in (size, size[::-1]):
        raise _wrong_size(path, opened.size, size)
    if opened.width * opened.height > _PIXELS:
        raise _too_large(path, f"{opened.width * opened.height:,}")
    bits = _bits(path, opened)
    if bits > 8 or opened.mode not in (*_EIGHT_BIT, *_ALPHA):
        found = f"it has {bits}" if bits > 8 else f"mode {opened.mode}"
        raise ImageError(f"{path} does not have 8 bits a channel ({found}).", "Save it as 8-bit RGB.")
    frames = getattr(opened, "n_frames", 1)
    if frames > 1 and opened.format != "MPO":  # a camera's JPEG with a preview behind it
        raise ImageError(f"{path} holds {frames} pictures (frames or pages).", "Save the one that you mean.")
    opened.load()
    picture = ImageOps.exif_transpose(opened)
    if size is not None and picture.size != size:
        raise _wrong_size(path, picture.size, size)
    if picture.mode in _ALPHA or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        if np.asarray(picture.getchannel("A")).min() < 255:
            raise ImageError(f"{path} has transparent pixels.", "Save it without an alpha channel.")
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _bits(path: Path, opened: Image.Image) -> int:
    """Bits a channel in the file: Pillow reduces 16 to 8 silently, which would darken 12-bit data."""
    if opened.format == "PNG":
        with open_regular(path, _PICTURE_LIMIT) as stream:
            return stream.read(_PNG_BIT_DEPTH + 1)[_PNG_BIT_DEPTH]
    if opened.format == "TIFF":
        said = opened.tag_v2.get(_TIFF_BITS_PER_SAMPLE, 1)  # type: ignore[attr-defined]
        return max(said) if isinstance(said, tuple) else int(said)
    return 8


def _too_large(path: Path, pixels: str) -> ImageError:
    return ImageError(f"{path} has {pixels} pixels, but at most {_PIXELS:,} are read.", "Make it smaller first.")


def _wrong_size(path: Path, found: tuple[int, int], wanted: tuple[int, int]) -> ImageError:
    return ImageError(
        f"{path} is {found[0]} x {found[1]} pixels, the model takes {wanted[0]} x {wanted[1]}.",
        'Resize it, or set resize = "bilinear" under [model.image].',
    )


def _read_npy(path: Path) -> npt.NDArray[Any]:
    _refuse_no_file(path)
    try:
        return read_array(path)
    except UnfitFileError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror}.", "Give one picture.") from error
    except (OSError, ValueError) as error:
        raise ImageError(
            f"{path} is truncated, damaged or not a .npy of plain numbers: {error}.", "Write it with numpy.save."
        ) from error


def _channels_last(path: Path, values: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    if values.ndim == 3 and values.shape[2] == 3:
        return values
    if values.ndim == 3 and values.shape[0] == 3:
        return values.transpose(1, 2, 0)
    raise ImageError(
        f"{path} has the shape {list(values.shape)}.", "Give uint8 pixels as [height, width, 3] or [3, height, width]."
    )


def _how_to_shape(found: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    """Hint how to make a ready input of an array, where its shape shows it."""
    if len(found) == 4 and found[0] == 1:
        return "Take the one picture out of its batch: values[0]." if found[1:] == wanted else "Give one picture."
    if found == (*wanted[1:], wanted[0]):
        return "Its channels are last: transpose it, values.transpose(2, 0, 1); or give pixels, as uint8."
    return "Give the network's input as [3, height, width], or pixels as uint8."


def _fitted(path: Path, picture: Image.Image, spec: ImageSpec) -> npt.NDArray[np.uint8]:
    wanted = (spec.width, spec.height)
    if picture.size != wanted:
        if spec.resize != "bilinear":
            raise _wrong_size(path, picture.size, wanted)
        # Across first, then down, as the driver does: Pillow would choose the order by the sizes, and rounds between.
        across = picture.resize((spec.width, picture.height), Image.Resampling.BILINEAR)
        picture = across.resize(wanted, Image.Resampling.BILINEAR)
    return np.array(picture, dtype=np.uint8)


def _normalised(pixels: npt.NDArray[np.uint8], spec: ImageSpec) -> Array:
    channels = pixels.transpose(2, 0, 1).astype(np.float32)
    mean = np.array(spec.mean, np.float32)[:, None, None]
    std = np.array(spec.std, np.float32)[:, None, None]
    return np.ascontiguousarray((channels * np.float32(spec.scale) - mean) / std, np.float32)
