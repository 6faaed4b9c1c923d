"""Ground truth of pictures: the file of each picture, and its contents.

In: pictures, and NAME.npz beside NAME.png or in a folder of its own. Out, by name: `labels` and arrays of tasks with
classes as int64 [H, W], -1 where a pixel does not count; `depth` and arrays of tasks with values as float64 [H, W], NaN
where a pixel does not count.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.base.errors import ImageError
from edgemoe_gen.base.files import absolute
from edgemoe_gen.base.reading import open_regular
from edgemoe_gen.model import ModelSpec
from edgemoe_gen.pictures.masks import known_depth, known_values

SUFFIX = ".npz"
LABELS, DEPTH, IGNORE = "labels", "depth", "ignore_index"
IGNORED = -1
# Of a task with one channel, 0 is a value like any other (no edge, nothing salient), but for what these words name.
_NOTHING_AT_ZERO = ("depth", "disparity")
_NAMED = 5  # names that a note lists at most
Truth = Mapping[str, NDArray[np.generic]]


_MOST_IGNORED = 1000  # numbers of classes


def find_truth(pictures: Sequence[Path], labels: Path | None) -> dict[Path, Path]:
    """The file of ground truth of each picture that has one.

    Below `labels` a file has the same path below some folder as its picture. That folder is the outermost one at which
    any picture finds its file, the same for all. Where there is none, the picture's bare name counts.

    Args:
        pictures: files.
        labels: folder of ground truth; None looks beside each picture.

    Raises:
        ImageError: `labels` is no folder, or holds nothing for any picture; or two pictures would share one file.
    """
    if labels is None:
        found = _there({picture: picture.with_name(picture.stem + SUFFIX) for picture in pictures})
    elif not labels.is_dir():
        raise ImageError(f"there is no folder of ground truth at {labels}", "check --labels, or [project] labels")
    else:
        found = next(filter(None, map(_there, _guesses(pictures, labels))), {})
        if pictures and not found:
            which = "the picture" if len(pictures) == 1 else f"any of the {len(pictures)} pictures"
            raise ImageError(
                f"the folder of ground truth {labels} holds nothing for {which}",
                f"ground truth of {pictures[0].name} is {pictures[0].stem}{SUFFIX}",
            )
    owners: dict[Path, Path] = {}
    for picture, file in found.items():
        if file in owners:
            raise ImageError(
                f"{owners[file]} and {picture} would both take {file} as their ground truth",
                "give each its own: under --labels in folders named like those of the pictures, or other names",
            )
        owners[file] = picture
    return found


def _there(wanted: Mapping[Path, Path]) -> dict[Path, Path]:
    return {picture: file for picture, file in wanted.items() if file.is_file()}


def _guesses(pictures: Sequence[Path], labels: Path) -> Iterator[dict[Path, Path]]:
    """Where the files may lie, the longest paths first."""
    whole = {picture: absolute(picture) for picture in pictures}
    if not whole:
        return
    common = Path(os.path.commonpath([path.parent for path in whole.values()]))
    for folder in (*reversed(common.parents), common):
        yield {
            picture: labels / path.relative_to(folder).with_name(path.stem + SUFFIX) for picture, path in whole.items()
        }
    yield {picture: labels / (picture.stem + SUFFIX) for picture in pictures}


def without_truth(pictures: Sequence[str], known: Sequence[bool], of: str = "") -> str:
    """Says which pictures have no ground truth; "" where all have it, or none has.

    Args:
        pictures: their names.
        known: whether each has it.
        of: task that is meant, as "task: ".
    """
    names = [name for name, there in zip(pictures, known, strict=True) if not there]
    if not names or not any(known):
        return ""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{of}no ground truth for {len(names)} of {len(pictures)} pictures: {', '.join(names[:_NAMED])}{more}"


def read_truth(path: Path, spec: ModelSpec) -> Truth:
    """What a file holds for a network: `labels`, `depth`, and arrays named after its tasks; other arrays are not read.

    Raises:
        ImageError: damaged, or an array is of another size or kind; names file and array.
    """
    kinds = {LABELS: True, DEPTH: False} | {task.name: task.classes != 1 for task in spec.tasks}
    size = (spec.image.height, spec.image.width)
    found: dict[str, NDArray[np.generic]] = {}
    try:
        with open_regular(path) as stream, zipfile.ZipFile(stream) as archive:
            held = {name.removesuffix(".npy") for name in archive.namelist()}
            ignored = _ignored(path, archive) if IGNORE in held else ()
            for name, of_classes in kinds.items():
                if name in held:
                    values = _array(path, archive, name, size)
                    found[name] = _classes(path, name, values, ignored) if of_classes else _values(name, values)
    except ImageError:
        raise
    except Exception as error:  # what zipfile and NumPy raise on damaged files is of no one family
        raise ImageError(
            f"{path} is truncated, damaged or not an archive of plain arrays: {error}", "write it with numpy.savez"
        ) from error
    return found


def _array(path: Path, archive: zipfile.ZipFile, name: str, size: tuple[int, int]) -> NDArray[Any]:
    with archive.open(f"{name}.npy") as stream:
        shape, dtype = _header(stream)
    if shape != size:
        raise ImageError(
            f"{path}: '{name}' has the shape {list(shape)}, the picture {list(size)}",
            "ground truth must have the size of the network's input, [height, width]",
        )
    if dtype.kind not in "biuf" or (dtype.kind == "b" and name == DEPTH):
        raise ImageError(f"{path}: '{name}' holds {dtype}, but must hold numbers", "write plain numbers")
    with archive.open(f"{name}.npy") as stream:
        values: NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
    return values


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of an array, before it is read: a small file may claim a huge one."""
    old = np.lib.format.read_magic(stream) == (1, 0)
    shape, _, dtype = (np.lib.format.read_array_header_1_0 if old else np.lib.format.read_array_header_2_0)(stream)
    return shape, dtype


def _ignored(path: Path, archive: zipfile.ZipFile) -> Sequence[int]:
    with archive.open(f"{IGNORE}.npy") as stream:
        shape, dtype = _header(stream)
    if len(shape) > 1 or max(shape, default=1) > _MOST_IGNORED or dtype.kind not in "iu":
        raise ImageError(
            f"{path}: '{IGNORE}' is {dtype} {list(shape)}", f"give a whole number, or a list of at most {_MOST_IGNORED}"
        )
    with archive.open(f"{IGNORE}.npy") as stream:
        return [int(one) for one in np.lib.format.read_array(stream, allow_pickle=False).reshape(-1)]


def _classes(path: Path, name: str, values: NDArray[Any], ignored: Sequence[int]) -> NDArray[np.int64]:
    if values.dtype.kind == "f":
        values = np.where(np.isfinite(values), values.astype(np.float64), IGNORED)
        if (values != np.round(values)).any():
            raise ImageError(f"{path}: '{name}' holds numbers that are not whole", "labels are numbers of classes")
        values = np.clip(values, IGNORED, np.iinfo(np.int32).max)  # beyond these ends nothing is a class
    labels = values.astype(np.int64)
    return np.where((labels < 0) | np.isin(labels, ignored), IGNORED, labels)


def _values(name: str, values: NDArray[Any]) -> NDArray[np.float64]:
    numbers = values.astype(np.float64)
    measured = any(word in name.lower() for word in _NOTHING_AT_ZERO)
    return np.where(known_depth(numbers) if measured else known_values(numbers), numbers, np.nan)
