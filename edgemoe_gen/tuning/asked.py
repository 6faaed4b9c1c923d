"""The command that builds a point, for the folder of the search.

In: the arguments that named the search's project. Out: a line for a shell, with checkpoint, network, pictures and tasks
as given, and every knob of the point. `build` has no option for depths of FIFOs; a project's file takes them.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edgemoe_gen.model import SpecOptions, option_name
from edgemoe_gen.model.spec import option_fields
from edgemoe_gen.project.config import Config
from edgemoe_gen.tuning.space import is_knob
from edgemoe_gen.tuning.trial import Point, Value


@dataclass(frozen=True)
class Asked:
    """Arguments that named a search's project.

    Attributes:
        said: the caller's arguments, without those of a spec file.
        spec: spec file.
        file: the project's file, where one was used.
        whole: all of the project as the text of such a file.
    """

    said: Config = field(default_factory=Config)
    spec: Path | None = None
    file: Path | None = None
    whole: str = ""


def build_command(asked: Asked, project: Config, board: str, chosen: Mapping[str, Value], point: Point) -> str:
    """The command that builds a point; without a checkpoint the one that renders its sources.

    Args:
        asked: arguments that named the project.
        project: all arguments of the project.
        board: name of its board.
        chosen: knobs that the project fixes.
        point: choices.
    """
    said = asked.said
    words = ["edgemoe-gen", "generate" if project.checkpoint is None else "build"]
    if project.checkpoint is not None:
        words += [str(said.checkpoint)] if said.checkpoint is not None else []
        words += _option("--spec", asked.spec) + _network(said.model)
    words += _option("--config", asked.file) + _option("--board", project.board or board)
    if project.checkpoint is not None:
        for option, values in (("--image", said.images), ("--calibrate", said.calibrate), ("--task", said.tasks)):
            words += [word for value in values or () for word in _option(option, value)]
    fixed = {} if asked.file is not None else dict(chosen)
    for name, value in {**fixed, **point.as_dict()}.items():
        if is_knob(name):
            words += ["--knob", f"{name}={value}"]
    return shlex.join(words)


def _option(name: str, value: object) -> list[str]:
    return [] if value is None else [name, str(value)]


def _network(options: SpecOptions) -> list[str]:
    """Facts of the network as options of the command line; names of classes come only from files."""
    words: list[str] = []
    for each in option_fields():
        value, name = getattr(options, each.name), option_name(each.name)
        if value is None or each.name == "class_names":
            continue
        if isinstance(value, bool):
            words.append(name if value else f"--no-{name[2:]}")
        else:
            words += [name, ",".join(map(str, value)) if isinstance(value, tuple) else str(value)]
    return words
