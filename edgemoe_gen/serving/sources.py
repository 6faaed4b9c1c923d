"""Sources of pictures: a camera, a video file, or a folder of pictures that is shown over and over.

Each gives frames of the network's size, uint8 [height, width, 3], red first. Pictures are stretched to this size, as
`edgemoe-gen run` does; camera and video are first cut to its shape. Camera and video need OpenCV.
"""

from __future__ import annotations

import importlib
import time
from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgemoe_gen.base.errors import EdgeMoEError, ImageError
from edgemoe_gen.model.images import PICTURE_SUFFIXES, open_rgb

Frame = NDArray[np.uint8]
PICTURES_A_SECOND = 2.0  # of a folder, so that a viewer can look at them
MOST_FRAMES_A_SECOND = 120.0
_INSTALL_OPENCV = "pip install opencv-python-headless, on the board: apt-get install python3-opencv"


class SourceError(EdgeMoEError):
    """A source is missing, or can't be read any more."""


@dataclass(frozen=True, eq=False)
class Shot:
    """A frame and when it was there, in seconds of `time.perf_counter`."""

    frame: Frame
    taken: float


class Source(Protocol):
    """A source of pictures.

    Attributes:
        name: name for the page.
        live: whether frames become stale when they are not taken, as those of a camera.
        interval: seconds between two frames; 0 = as they come.
    """

    name: str
    live: bool
    interval: float

    def frames(self) -> Generator[Shot, None, None]:
        """Opens the source and reads it to its end; closing the generator closes it. Raises SourceError."""


def make_sources(texts: Sequence[str], size: tuple[int, int], fps: float | None = None) -> tuple[Source, ...]:
    """Sources from words as on the command line: `camera:0`, a video file, a picture, or a folder of pictures.

    Args:
        texts: at least one.
        size: height and width of the network's picture.
        fps: most frames a second.

    Raises:
        SourceError: one is not there, or OpenCV is missing.
    """
    made = tuple(_make(text, size, fps) for text in texts)
    names = [source.name for source in made]
    seen: Counter[str] = Counter()
    for source, text in zip(made, texts, strict=True):
        if names.count(source.name) > 1 and Path(text).exists():
            source.name = f"{Path(text).resolve().parent.name}/{source.name}"
        seen[source.name] += 1
        if seen[source.name] > 1:
            source.name = f"{source.name} ({seen[source.name]})"
    return made


def _make(text: str, size: tuple[int, int], fps: float | None) -> Source:
    kind, colon, number = text.partition(":")
    if kind == "camera":
        if (colon and not number.isdecimal()) or len(number) > 4:
            raise SourceError(f"the source '{text}' is no camera", "cameras are camera:0, camera:1 ...")
        return VideoSource(text, int(number or 0), size, fps, _opencv(text))
    path = Path(text)
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.suffix.lower() in PICTURE_SUFFIXES and not p.name.startswith("."))
        if not files:
            endings = ", ".join(PICTURE_SUFFIXES)
            raise SourceError(f"the source {path} holds no picture", f"a picture ends with {endings}")
        return FolderSource(path.resolve().name, files, size, fps)
    if not path.exists():
        raise SourceError(
            f"there is no source at {path}", "give camera:0, a video file, or a folder of pictures with --source"
        )
    if path.suffix.lower() in PICTURE_SUFFIXES:
        return FolderSource(path.name, [path], size, fps)
    return VideoSource(path.name, path, size, fps, _opencv(text))


class FolderSource:
    """Pictures in the order of their names, again and again. A damaged one is left out."""

    live = False

    def __init__(self, name: str, files: Sequence[Path], size: tuple[int, int], fps: float | None) -> None:
        self.name = name
        self.interval = 1 / (fps or PICTURES_A_SECOND)
        self._files, self._size = tuple(files), size

    def frames(self) -> Generator[Shot, None, None]:
        """All pictures that can be read, without end."""
        while True:
            good, problem = 0, ""
            for path in self._files:
                taken = time.perf_counter()
                try:
                    frame = _resized(open_rgb(path), self._size)
                except ImageError as error:
                    problem = problem or error.message.replace(str(path), path.name).rstrip(".")
                    continue
                good += 1
                yield Shot(frame, taken)
            if not good:
                raise SourceError(f"{self.name} holds no picture that can be read ({problem})", "look at its files")


class VideoSource:
    """A camera by number, or a video file by path, read by OpenCV.

    A camera gives frames when it has them, a file at its own rate; `fps` slows both down.
    """

    live = True

    def __init__(self, name: str, where: int | Path, size: tuple[int, int], fps: float | None, opencv: Any) -> None:
        self.name = name
        self.interval = 1 / fps if fps else 0.0
        self._where, self._size, self._fps, self._opencv = where, size, fps, opencv

    def frames(self) -> Generator[Shot, None, None]:
        """Frames of the camera as long as it gives any, or of the file to its end."""
        is_camera = isinstance(self._where, int)
        capture = self._opencv.VideoCapture(self._where if is_camera else str(self._where))
        try:
            if not capture.isOpened():
                hint = "is it plugged in, and free?" if is_camera else "is it a video that OpenCV reads?"
                raise SourceError(f"{self.name} can't be opened", hint)
            if is_camera:
                # A driver's queue of old frames would only add to the delay.
                capture.set(self._opencv.CAP_PROP_BUFFERSIZE, 1)
            else:
                rate = float(capture.get(self._opencv.CAP_PROP_FPS))
                own = rate if 0 < rate <= MOST_FRAMES_A_SECOND else 25.0
                self.interval = 1 / min(own, self._fps or own)
            count = 0
            while True:
                good, pixels = capture.read()
                taken = time.perf_counter()
                if not good or pixels is None:
                    break
                count += 1
                rgb = Image.fromarray(np.ascontiguousarray(pixels[:, :, 2::-1]))
                yield Shot(_resized(_cut(rgb, self._size), self._size), taken)
            if is_camera:
                raise SourceError(f"{self.name} gives no pictures any more", "is it still plugged in?")
            if not count:
                raise SourceError(f"{self.name} holds no frame that can be read", "is it a video that OpenCV reads?")
        finally:
            capture.release()


def _cut(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The middle of a picture, in the shape of `size`."""
    height, width = size
    scale = min(picture.width / width, picture.height / height)
    wide, high = max(1, round(width * scale)), max(1, round(height * scale))
    left, top = (picture.width - wide) // 2, (picture.height - high) // 2
    return picture.crop((left, top, left + wide, top + high))


def _resized(picture: Image.Image, size: tuple[int, int]) -> Frame:
    if (picture.height, picture.width) != size:
        picture = picture.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return np.array(picture, np.uint8)


def _opencv(source: str) -> Any:
    try:
        return importlib.import_module("cv2")
    except ImportError as error:
        raise SourceError(
            f"the source {source} needs OpenCV, which is not there", f"{_INSTALL_OPENCV}; or give a folder of pictures"
        ) from error
