"""Pictures of a project: finds them in files and folders, names them, and loads them as network input."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.base.errors import ImageError
from edgemoe_gen.base.files import absolute
from edgemoe_gen.model import ImageSpec, load_image
from edgemoe_gen.model.images import SUFFIXES
from edgemoe_gen.pictures.truth import SUFFIX as TRUTH_SUFFIX
from edgemoe_gen.pictures.truth import Truth

_OF_THE_SYSTEM = ("thumbs.db", "desktop.ini")
_NAMED = 5  # names that a note lists at most


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture.

    Attributes:
        name: file name without suffix; with folders where several pictures have one name.
        path: the file.
        values: network input [3, height, width] float32.
        truth: ground truth by name, see `edgemoe_gen.pictures.truth`; {} without any.
    """

    name: str
    path: Path
    values: NDArray[np.float32]
    truth: Truth = field(default_factory=dict)


@dataclass(frozen=True)
class Contents:
    """Contents of a folder of pictures, each in natural order of names; hidden files are skipped."""

    pictures: tuple[Path, ...]
    others: tuple[str, ...]
    folders: tuple[str, ...]


def find_pictures(paths: Iterable[Path]) -> list[Path]:
    """Files among `paths` and in the folders among them, folders in natural order of names; each once.

    Raises:
        ImageError: a path does not exist, or a folder holds no picture.
    """
    found: dict[Path, Path] = {}
    for path in paths:
        if path.is_dir():
            inside = contents(path)
            if not inside.pictures:
                hint = f"a picture ends with {', '.join(SUFFIXES)}"
                if inside.folders:
                    hint += f"; folders in it are not searched, name them: {_listed(inside.folders)}"
                raise ImageError(f"the folder {path} holds no picture", hint)
            files = inside.pictures
        elif path.exists():
            files = (path,)
        else:
            raise ImageError(f"there is no picture at {path}", "check the path")
        for one in files:
            found.setdefault(absolute(one), one)
    return list(found.values())


def contents(folder: Path) -> Contents:
    """Contents of a folder, one level deep. Names that begin with a dot are hidden, also those that macOS adds."""
    visible = sorted((p for p in folder.iterdir() if not p.name.startswith(".")), key=_natural)
    files = [p for p in visible if not p.is_dir() and p.name.lower() not in _OF_THE_SYSTEM]
    pictures = {p: None for p in files if p.suffix.lower() in SUFFIXES and p.is_file()}
    others = (p.name for p in files if p not in pictures and p.suffix.lower() != TRUTH_SUFFIX)
    return Contents(tuple(pictures), tuple(others), tuple(p.name for p in visible if p.is_dir()))


def left_out(paths: Iterable[Path]) -> list[str]:
    """Other contents of the folders among `paths`, beside pictures and ground truth; one sentence for each folder."""
    said = []
    for folder in dict.fromkeys(path for path in paths if path.is_dir()):
        inside = contents(folder)
        parts = [f"not taken as pictures: {_listed(inside.others)}"] if inside.others else []
        parts += [f"folders in it are not searched: {_listed(inside.folders)}"] if inside.folders else []
        if parts:
            said.append(f"{folder}: {'; '.join(parts)}")
    return said


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _natural(path: Path) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", path.name)]


def picture_names(paths: Sequence[Path]) -> dict[Path, str]:
    """Names of pictures in tables: file names without suffix, with folders where several names would be equal."""
    if not paths:
        return {}
    common = os.path.commonpath([absolute(path).parent for path in paths])
    below = {path: absolute(path).relative_to(common) for path in paths}
    stems, bare = Counter(path.stem for path in paths), Counter(path.with_suffix("") for path in below.values())

    def name(path: Path) -> str:
        if stems[path.stem] == 1:
            return path.stem
        short = below[path].with_suffix("")
        return (short if bare[short] == 1 else below[path]).as_posix()

    return {path: name(path) for path in paths}


def open_picture(path: Path, spec: ImageSpec, name: str = "", truth: Truth | None = None) -> Picture:
    """A picture.

    Args:
        path: picture file.
        spec: size and normalisation.
        name: for tables; default: the file's name without suffix.
        truth: its ground truth.

    Raises:
        ImageError: the picture is unreadable or of another size.
    """
    return Picture(name or path.stem, path, load_image(path, spec), truth or {})


def pixels(values: NDArray[np.float32], spec: ImageSpec) -> NDArray[np.uint8]:
    """The picture [height, width, 3] that a network input [3, height, width] was made of."""
    mean, std = (np.array(part, np.float64)[:, None, None] for part in (spec.mean, spec.std))
    raw = (values.astype(np.float64) * std + mean) / spec.scale
    return np.clip(np.round(raw), 0, 255).astype(np.uint8).transpose(1, 2, 0)
