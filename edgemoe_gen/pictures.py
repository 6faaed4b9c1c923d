"""Pictures of a project: finds them in files and folders, loads them as network input, and their ground truth.

Ground truth of NAME.png is NAME.npz with `labels` [H, W] (class numbers), `depth` [H, W], or an array named after a
task; it lies beside the picture or in a folder of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.errors import ImageError
from edgemoe_gen.model import ImageSpec, load_image

SUFFIXES = (".png", ".jpg", ".jpeg", ".npy")


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture.

    Attributes:
        name: file name without suffix.
        path: the file.
        values: network input [3, height, width] float32.
        truth: ground truth by name (`labels`, `depth` or a task), each [height, width]; {} without any.
    """

    name: str
    path: Path
    values: NDArray[np.float32]
    truth: Mapping[str, NDArray[np.generic]]


def find_pictures(paths: Iterable[Path]) -> list[Path]:
    """Files among `paths` and in the folders among them, folders in natural order of names.

    Raises:
        ImageError: a path does not exist, or a folder holds no picture.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted((p for p in path.iterdir() if p.suffix.lower() in SUFFIXES), key=_natural)
            if not inside:
                raise ImageError(f"the folder {path} holds no picture", f"a picture ends with {', '.join(SUFFIXES)}")
            found += inside
        elif path.exists():
            found.append(path)
        else:
            raise ImageError(f"there is no picture at {path}", "check the path")
    return list(dict.fromkeys(found))


def _natural(path: Path) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path.name)]


def check_labels(labels: Path | None, pictures: Sequence[Path]) -> None:
    """Refuses a folder of ground truth that has nothing for any of the pictures.

    Raises:
        ImageError: it does not exist, or holds no NAME.npz.
    """
    if labels is None:
        return
    if not labels.is_dir():
        raise ImageError(f"there is no folder of ground truth at {labels}", "check --labels, or [project] labels")
    if pictures and not any((labels / f"{path.stem}.npz").is_file() for path in pictures):
        which = "the picture" if len(pictures) == 1 else f"any of the {len(pictures)} pictures"
        raise ImageError(
            f"the folder of ground truth {labels} holds nothing for {which}",
            f"ground truth of {pictures[0].name} is {pictures[0].stem}.npz",
        )


def open_picture(path: Path, spec: ImageSpec, labels: Path | None = None) -> Picture:
    """A picture with its ground truth.

    Args:
        path: picture file.
        spec: size and normalisation.
        labels: folder of ground truth; None = beside the picture.

    Raises:
        ImageError: the picture or its ground truth is unreadable or of another size.
    """
    values = load_image(path, spec)
    truth_path = (labels or path.parent) / f"{path.stem}.npz"
    truth = _read_truth(truth_path, spec) if truth_path.is_file() else {}
    return Picture(path.stem, path, values, truth)


def _read_truth(path: Path, spec: ImageSpec) -> dict[str, NDArray[np.generic]]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, KeyError, TypeError) as error:
        raise ImageError(f"{path} is not an archive of plain arrays: {error}", "write it with numpy.savez") from error
    maps = {name: values for name, values in arrays.items() if values.ndim == 2 and values.dtype.kind in "iufb"}
    for name, values in maps.items():
        if values.shape != (spec.height, spec.width):
            raise ImageError(
                f"{path}: '{name}' has the shape {list(values.shape)}, the picture {[spec.height, spec.width]}",
                "ground truth must have the size of the network's input",
            )
    return maps


def pixels(values: NDArray[np.float32], spec: ImageSpec) -> NDArray[np.uint8]:
    """The picture [height, width, 3] that a network input [3, height, width] was made of."""
    mean, std = (np.array(part, np.float64)[:, None, None] for part in (spec.mean, spec.std))
    raw = (values.astype(np.float64) * std + mean) / spec.scale
    return np.clip(np.round(raw), 0, 255).astype(np.uint8).transpose(1, 2, 0)
