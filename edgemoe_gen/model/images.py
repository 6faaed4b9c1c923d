"""Reads a picture into a network's input.

In: PNG or JPEG, or .npy with 8-bit pixels or a ready input. Out: float32 [3, height, width]. Greyscale is copied to
three channels; an alpha channel is dropped if it is opaque everywhere and refused else; EXIF orientation is not
applied.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from edgemoe_gen.arrays import read_array
from edgemoe_gen.errors import ImageError
from edgemoe_gen.model.safe import Array
from edgemoe_gen.model.spec import ImageSpec
from edgemoe_gen.reading import UnfitFileError, open_regular

_PICTURE_LIMIT = 256 << 20  # bytes
_PIXELS = 50_000_000  # of a picture, which take 7 bytes each while it is decoded
_EIGHT_BIT = ("1", "L", "P", "RGB", "YCbCr", "CMYK", "HSV", "LAB")
# A ready input may be so many times as large as what pixels give: noise is larger, but not as pixels are.
FAR_BEYOND = 8.0
_ALPHA = ("RGBA", "LA", "PA", "La", "RGBa")


def load_image(path: Path, spec: ImageSpec) -> Array:
    """A picture as network input.

    Args:
        path: .npy: uint8 [height, width, 3] or [3, height, width] pixels, or floats [3, height, width] taken as they
            are; any other name: a picture that Pillow reads.
        spec: size and normalisation: `(pixel * scale - mean) / std`; pixels of another size are resized if
            `spec.resize` is "bilinear". A ready input is never resized.

    Returns:
        float32 [3, height, width].

    Raises:
        ImageError: unreadable, of another size or kind, holding NaN, or a ready input far beyond what pixels give.
    """
    path = Path(path)
    if path.is_dir() or not path.exists():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise ImageError(f"{path} {what}.", "Give one picture.")
    if path.suffix != ".npy":
        return _normalised(_fitted(path, _read_picture(path), spec), spec)
    values = _read_npy(path)
    if values.dtype == np.uint8:
        return _normalised(_fitted(path, _channels_last(path, values), spec), spec)
    if values.dtype.kind != "f":
        raise ImageError(f"{path} holds {values.dtype}.", "Give uint8 pixels or a float32 network input.")
    wanted = (3, spec.height, spec.width)
    if values.shape != wanted:
        raise ImageError(
            f"{path} has the shape {list(values.shape)}, the model takes {list(wanted)}.", "Resize it first."
        )
    if not np.isfinite(values).all():
        raise ImageError(f"{path} holds NaN or infinite values.", "Check where it comes from.")
    with np.errstate(over="ignore"):
        result = np.ascontiguousarray(values, np.float32)
    if not np.isfinite(result).all():
        raise ImageError(f"{path} holds values out of the range of float32.", "Check where it comes from.")
    _refuse_pixels(path, result, spec)
    return result


def _refuse_pixels(path: Path, values: Array, spec: ImageSpec) -> None:
    """Refuses floats far beyond what any pixel gives, which are most often pixels that nobody has normalised."""
    ends = np.concatenate([_normalised(np.full((1, 1, 3), level, np.uint8), spec).reshape(-1) for level in (0, 255)])
    if values.size and np.abs(values).max() > FAR_BEYOND * np.abs(ends).max():
        raise ImageError(
            f"{path} holds values from {values.min():.4g} to {values.max():.4g}, but pixels of this network, "
            f"normalised, lie in {ends.min():.4g} to {ends.max():.4g}.",
            "If these are pixels, save them as uint8; then they are normalised.",
        )


def _read_picture(path: Path) -> npt.NDArray[np.uint8]:
    try:
        with warnings.catch_warnings(), open_regular(path, _PICTURE_LIMIT) as stream, Image.open(stream) as opened:
            warnings.simplefilter("ignore")  # of large pictures, which are refused, and of damage that Pillow mends
            if opened.width * opened.height > _PIXELS:
                raise ImageError(f"{path} has more than {_PIXELS:,} pixels.", "Make it smaller first.")
            opened.load()
            picture: Image.Image = opened
            if picture.mode == "P" and "transparency" in picture.info:
                picture = picture.convert("RGBA")
            if picture.mode in _ALPHA:
                picture = picture.convert("RGBA")
                if np.asarray(picture)[..., 3].min() < 255:
                    raise ImageError(f"{path} has transparent pixels.", "Save it without an alpha channel.")
            elif picture.mode not in _EIGHT_BIT:
                raise ImageError(
                    f"{path} does not have 8 bits a channel (mode {picture.mode}).", "Save it as 8-bit RGB."
                )
            return np.array(picture.convert("RGB"), dtype=np.uint8)
    except ImageError:
        raise
    except UnfitFileError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror}.", "Give one picture.") from error
    except Exception as error:  # what decoders raise on damaged files is of no one family
        raise ImageError(f"{path} is truncated, damaged or not a picture.", "Give a PNG, JPEG or .npy.") from error


def _read_npy(path: Path) -> npt.NDArray[Any]:
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


def _fitted(path: Path, pixels: npt.NDArray[np.uint8], spec: ImageSpec) -> npt.NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    if (height, width) == (spec.height, spec.width):
        return pixels
    if spec.resize != "bilinear":
        raise ImageError(
            f"{path} is {width} x {height} pixels, the model takes {spec.width} x {spec.height}.",
            'Resize it, or set resize = "bilinear" under [model.image].',
        )
    if not pixels.size:
        raise ImageError(f"{path} holds no pixels.", "Give a picture.")
    # Across first, then down, as the driver does: Pillow would choose the order by the sizes, and rounds between.
    picture = Image.fromarray(np.ascontiguousarray(pixels)).resize((spec.width, height), Image.Resampling.BILINEAR)
    return np.array(picture.resize((spec.width, spec.height), Image.Resampling.BILINEAR), dtype=np.uint8)


def _normalised(pixels: npt.NDArray[np.uint8], spec: ImageSpec) -> Array:
    channels = pixels.transpose(2, 0, 1).astype(np.float32)
    mean = np.array(spec.mean, np.float32)[:, None, None]
    std = np.array(spec.std, np.float32)[:, None, None]
    return np.ascontiguousarray((channels * np.float32(spec.scale) - mean) / std, np.float32)
