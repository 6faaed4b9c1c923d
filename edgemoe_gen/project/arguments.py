"""A caller's arguments of a project: the keywords that the verbs share, and the `Config` that they make.

The TypedDicts are the types of those keywords, each the part of `ProjectKeywords` that a verb needs. The field of
`Config` holds all other facts of a keyword.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from os import PathLike, fspath
from pathlib import Path
from typing import Any, TypedDict

from edgemoe_gen.base.arguments import ARGUMENT, Argument, argument, several
from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.base.names import word
from edgemoe_gen.model.spec import SpecOptions
from edgemoe_gen.project.config import Config

PathText = str | PathLike[str]
Paths = Sequence[PathText] | PathText  # one path may stand alone
Names = Sequence[str]  # a text that stands alone is one name
Values = Mapping[str, int | float]


class NetworkKeywords(TypedDict, total=False):
    """Facts of the network that the checkpoint does not tell."""

    spec: PathText | None
    options: SpecOptions | None


class BoardKeywords(TypedDict, total=False):
    """The board, and the design on it."""

    board: str | None
    knobs: Values | None


class PictureKeywords(TypedDict, total=False):
    """Pictures and tasks."""

    image: Paths
    calibrate: Paths
    augment: int | None
    task: Names


class NewProjectKeywords(NetworkKeywords, BoardKeywords, PictureKeywords, total=False):
    """Keywords for writing a project's file."""

    labels: PathText | None
    class_names: Mapping[str, Sequence[str]] | None
    output: PathText | None


class DesignKeywords(NetworkKeywords, BoardKeywords, total=False):
    """A network and a design, by options or by the project's file."""

    config: PathText | None


class ProjectKeywords(NewProjectKeywords, DesignKeywords, total=False):
    """All keywords of a project except its checkpoint."""

    name: str | None
    hls: str | None


@dataclass(frozen=True, kw_only=True)
class ProjectArguments:
    """A project by a caller's arguments.

    Attributes:
        config: the caller's own arguments.
        spec_file: file with more facts of the network, .toml or .yml.
        project_file: file with the rest; None takes `edgemoe.toml` of the current folder where there is one.
    """

    config: Config = field(default_factory=Config)
    spec_file: Path | None = argument(
        None,
        "path",
        "Spec file: our .toml, or the authors' .yml.",
        keyword="spec",
        meaning="spec file, .toml of ours or .yml of the authors'.",
    )
    project_file: Path | None = argument(
        None,
        "path",
        "Project file [default: ./edgemoe.toml where there is one].",
        keyword="config",
        meaning="the project's file; default: `edgemoe.toml` of the current folder where there is one.",
    )


PROJECT: tuple[type, ...] = (ProjectArguments, Config)  # whose fields are all that there is to say of a project


def _path(value: PathText | None) -> Path | None:
    return None if value is None else Path(value)


def _names(value: Sequence[str] | None) -> tuple[str, ...] | None:
    names = tuple(value or ())
    if not all(isinstance(name, str) for name in names):
        raise TypeError
    return names or None


def _text(value: str | None) -> str | None:
    if not isinstance(value, str | None):
        raise TypeError
    return value


def _whole(value: int | None) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | None):
        raise TypeError
    if value is not None and value < 0:
        raise ValueError
    return value


def _options(value: SpecOptions | None) -> SpecOptions:
    if not isinstance(value, SpecOptions | None):
        raise TypeError
    return value or SpecOptions()


# What becomes of a keyword, by kind: where it says nothing, that is what a field of `Config` has that is not said. A
# value of another type raises a TypeError, or what Python raises of itself.
_AS_SAID: Mapping[str, Callable[[Any], object]] = {
    "path": _path,
    "paths": lambda paths: tuple(Path(path) for path in paths or ()) or None,
    "names": _names,
    "str": _text,
    "int": _whole,
    "knobs": lambda values: dict(values or {}),
    "class_names": lambda names: {task: tuple(each) for task, each in (names or {}).items()},
    "network": _options,
}
_MUST_BE: Mapping[str, str] = {
    "path": "a path: a text or a pathlib.Path",
    "paths": "a path, or a list of paths",
    "names": "a name, or a list of names",
    "str": "a text",
    "int": "a whole number, 0 or more",
    "knobs": "a dictionary of values by name, such as {'tokens_parallel': 6}",
    "class_names": "a dictionary of lists of names by task",
    "network": "a SpecOptions of edgemoe_gen.model, such as SpecOptions(heads=3)",
}


def _as_said(about: Argument, keyword: str, value: object) -> Any:
    """A keyword's value in the form of a `Config`.

    Raises:
        ConfigError: it is of another type.
    """
    try:
        return _AS_SAID[about.kind](several(about, value))
    except (TypeError, ValueError, AttributeError) as error:
        hint = "" if keyword != "spec" else "; what a spec file would say goes into options=SpecOptions(...)"
        raise ConfigError(
            f"{keyword} is {word(repr(value))}, of type {type(value).__name__}",
            f"it must be {_MUST_BE[about.kind]}{hint}",
        ) from error


def project_arguments(keywords: Mapping[str, object], checkpoint: PathText | None = None) -> ProjectArguments:
    """The project of a verb's keywords.

    Args:
        keywords: keywords of `ProjectKeywords`; a missing one is not given.
        checkpoint: a verb's first argument, beside the keywords.

    Raises:
        ConfigError: the name or the output folder is empty, which would mean no name, or the current folder.
    """
    for keyword in ("name", "output"):
        value = keywords.get(keyword)
        if isinstance(value, str | PathLike) and fspath(value) == "":
            raise ConfigError(f"--{keyword} is empty", "leave it out to take the default")
    left = {**keywords, "checkpoint": checkpoint}
    files = _fields_of(ProjectArguments, left)
    arguments = ProjectArguments(config=Config(**_fields_of(Config, left)), **files)
    if left:
        raise TypeError(f"a project has no argument '{next(iter(left))}'")
    return arguments


def _fields_of(kind: type, left: dict[str, object]) -> dict[str, Any]:
    """Takes out the keywords of a dataclass' fields."""
    found: dict[str, Any] = {}
    for each in fields(kind):
        about: Argument | None = each.metadata.get(ARGUMENT)
        if about is not None and (keyword := about.keyword or each.name) in left:
            found[each.name] = _as_said(about, keyword, left.pop(keyword))
    return found
