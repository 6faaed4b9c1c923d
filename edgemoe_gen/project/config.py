"""`edgemoe.toml`: what a project says about its network, board, knobs and numerics, every key explained in the file.

`read_config` turns a file into a `Config`, `config_to_toml` a `Config` into a file. Every field is optional, so that
what a command line says is a `Config` too, and `over` lays one upon the other.
"""

from __future__ import annotations

import os
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from edgemoe_gen.base.errors import ConfigError, KnobError
from edgemoe_gen.base.parsing import parse_toml, read_settings
from edgemoe_gen.base.tomltext import toml_value
from edgemoe_gen.design.knobs import Knobs, knob_fields, meaning
from edgemoe_gen.flow.hooks import HOOKS, NAMES
from edgemoe_gen.model.images import KINDS
from edgemoe_gen.model.spec import ModelSpec, SpecOptions
from edgemoe_gen.model.specfile import read_spec_toml, spec_to_toml

FILE_NAME = "edgemoe.toml"
DEFAULT_BOARD = "zcu104"
DEFAULT_OUTPUT = "build"
CALIBRATION_IMAGES = 8


@dataclass(frozen=True)
class Config:
    """What is said about a project; None or empty = not said.

    Attributes:
        checkpoint: file or folder of the trained network.
        images: pictures, or folders of them, that the build simulates and reports.
        labels: folder of the pictures' ground truth; None = beside each picture.
        tasks: tasks to build for; None = all of the network.
        class_names: names of a task's classes, for legends.
        output: folder that a build writes to.
        name: of the overlay.
        model: what is said of the network.
        board: name, or path of a board file.
        knobs: values by knob.
        calibrate: pictures, or folders, that the binary points are chosen from; None = `images`.
        calibration_images: how many of them at most.
        pinned: fractional bits by tensor name, where the user fixes them.
        fifo_depths: depths of FIFOs by name, where they are not the design's own.
        hooks: files of Tcl that the flow's scripts source, by name of the hook.
        source: the file that this was read from.
    """

    checkpoint: Path | None = None
    images: tuple[Path, ...] | None = None
    labels: Path | None = None
    tasks: tuple[str, ...] | None = None
    class_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    output: Path | None = None
    name: str | None = None
    model: SpecOptions = field(default_factory=SpecOptions)
    board: str | None = None
    knobs: Mapping[str, int | float] = field(default_factory=dict)
    calibrate: tuple[Path, ...] | None = None
    calibration_images: int | None = None
    pinned: Mapping[str, int] = field(default_factory=dict)
    fifo_depths: Mapping[str, int] = field(default_factory=dict)
    hooks: Mapping[str, Path] = field(default_factory=dict)
    source: Path | None = None

    def over(self, other: Config) -> Config:
        """This where it says something, else `other`; knobs, pins, depths and the model's keys one by one."""
        own = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) is not None}
        own["model"] = self.model.over(other.model)
        for key in ("knobs", "pinned", "class_names", "fifo_depths", "hooks"):
            own[key] = {**getattr(other, key), **getattr(self, key)}
        return replace(other, **own)


# Table, key, kind, comment. The order is that of the file.
_KEYS: tuple[tuple[str, str, str, str], ...] = (
    ("", "board", "str", "Board: a name that `edgemoe-gen boards` lists, or the path of a board file (.toml)."),
    ("project", "checkpoint", "path", "Trained network: a checkpoint file, or a folder of rank shards."),
    (
        "project",
        "images",
        "paths",
        f"Pictures that the build simulates and shows in its report: files, or folders of {KINDS}.",
    ),
    (
        "project",
        "labels",
        "path",
        "Folder of ground truth: for picture NAME.png a NAME.npz with `labels` [H, W] (class numbers) and/or `depth` "
        "[H, W] (in the unit of the output); pictures of one name in several folders have it in folders of the same "
        'names. "" looks beside each picture; pictures without it are shown too.',
    ),
    ("project", "tasks", "names", "Tasks to build for, one frame each in the program; [] takes all of the network."),
    ("project", "output", "path", "Folder that `edgemoe-gen build` writes to."),
    (
        "project",
        "name",
        "str",
        'Name of the overlay, by which Python on the board imports it; "" takes m3vit_BOARD.',
    ),
    (
        "numerics",
        "calibrate",
        "paths",
        "Pictures that binary points are chosen from: the float network runs on them, and each tensor's format gets "
        "the fewest integer bits that hold 1.25 times the largest value seen. [] takes those under [project] images.",
    ),
    ("numerics", "calibration_images", "int", "Use so many of them at most (the first ones); at least 1."),
)
_TABLES = ("project", "model", "knobs", "numerics", "fifo_depths", "flow")
_INNER = {"project": ("class_names",), "numerics": ("pinned",), "flow": ("hooks",)}
_CLASS_NAMES = "Names of a task's classes in the order of their channels; they win over those of [model.class_names]."
_KNOBS = (
    "Knobs of the accelerator. Those behind a # follow from network and board at every build, with the value that is "
    "shown for the board above; take the # away to set one yourself. Every value is checked."
)
_PINNED = (
    "Fractional bits by tensor name, where you want to fix them yourself; the width stays what the knobs say. A value "
    "v is stored as round(v * 2^bits), saturated. The names are those of the table of formats in report.html; a tensor "
    "that is not pinned is chosen by calibration. Example: with 18-bit activations, 12 fractional bits hold -32 to 32 "
    "in steps of 0.00024:"
)
_FIFO_DEPTHS = (
    "Depths of FIFOs between processes, in elements, where they are not the design's own; "
    "`edgemoe-gen simulate --size-fifos` writes the smallest that cost no cycle."
)
_HOOKS = (
    'Tcl of your own, which the scripts of Vitis HLS and Vivado source at these points: NAME = "FILE.tcl". The files '
    "are copied into the scripts' folder; a change of one makes the stage that it belongs to run again."
)
_PINNED_EXAMPLE = '"blocks.0.query" = 12'


def read_config(path: Path) -> Config:
    """What a file says; paths in it are relative to the file.

    Raises:
        ConfigError: unreadable, not TOML, an unknown key, or a value of the wrong kind; names file and key.
        SpecError: the same of the table [model].
        KnobError: a knob is unknown or out of its range.
    """
    try:
        text = read_settings(path)
    except FileNotFoundError as error:
        raise ConfigError(f"there is no file {path}", "write one: edgemoe-gen init CHECKPOINT") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read as text: {error}") from error
    return parse_config(text, path)


def parse_config(text: str, path: Path) -> Config:
    """What a file's text says, as `read_config`.

    Args:
        text: TOML.
        path: of the file, which paths are relative to; it need not be there.
    """
    try:
        document = parse_toml(text)
    except ValueError as error:
        raise ConfigError(
            f"{path} is not TOML: {error}", "mend the line, or write the file anew with --force"
        ) from error
    values: dict[str, Any] = {"source": path}
    _refuse_unknown(path, "", document, (*(key for table, key, _, _ in _KEYS if not table), *_TABLES))
    for table in ("", "project", "numerics"):
        part = document if not table else _table(path, document, table)
        known = {key: kind for where, key, kind, _ in _KEYS if where == table}
        if table:
            _refuse_unknown(path, f"{table}.", part, (*known, *_INNER.get(table, ())))
        for key, kind in known.items():
            if key in part and part[key] not in ("", []):
                values[key] = _value(path, f"{table}.{key}".lstrip("."), kind, part[key])
    if values.get("calibration_images", 1) < 1:
        raise ConfigError(f"{path}: numerics.calibration_images is {values['calibration_images']}", "give 1 or more")
    values["class_names"] = {
        task: _value(path, f"project.class_names.{task}", "names", names)
        for task, names in _table(path, _table(path, document, "project"), "class_names", "project.").items()
    }
    values["pinned"] = {
        name: _value(path, f"numerics.pinned.{name}", "int", bits)
        for name, bits in _table(path, _table(path, document, "numerics"), "pinned", "numerics.").items()
    }
    values["fifo_depths"] = {
        name: _value(path, f"fifo_depths.{name}", "int", depth)
        for name, depth in _table(path, document, "fifo_depths").items()
    }
    _refuse_unknown(path, "flow.", _table(path, document, "flow"), _INNER["flow"])
    hooks = _table(path, _table(path, document, "flow"), "hooks", "flow.")
    _refuse_unknown(path, "flow.hooks.", hooks, NAMES)
    values["hooks"] = {name: _value(path, f"flow.hooks.{name}", "path", file) for name, file in hooks.items()}
    if "model" in document:
        values["model"] = read_spec_toml(path, _model_part(_table(path, document, "model")))
    values["knobs"] = _table(path, document, "knobs")
    try:
        Knobs().turned(dict(values["knobs"]))
    except KnobError as error:
        raise KnobError(f"{path}: {error.message}", error.hint) from error
    return Config(**values)


def _table(path: Path, document: Mapping[str, Any], name: str, prefix: str = "") -> Mapping[str, Any]:
    table = document.get(name, {})
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: '{prefix}{name}' is {table!r}, but must be a table", f"write [{prefix}{name}]")
    return table


def _refuse_unknown(path: Path, prefix: str, table: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for key in table:
        if key not in known:
            raise ConfigError(f"{path}: the key '{prefix}{key}' is unknown", f"known keys: {', '.join(known)}")


def _value(path: Path, key: str, kind: str, value: object) -> object:
    if kind == "str" and isinstance(value, str):
        return value
    if kind == "path" and isinstance(value, str):
        return _resolved(path, value)
    if kind == "int" and isinstance(value, int) and not isinstance(value, bool):
        return value
    if kind in ("names", "paths") and isinstance(value, list) and all(isinstance(v, str) and v for v in value):
        return tuple(_resolved(path, v) for v in value) if kind == "paths" else tuple(value)
    wanted = {
        "str": "a string",
        "path": "a path in quotes",
        "int": "a whole number",
        "names": "a list of names",
        "paths": "a list of paths",
    }
    raise ConfigError(f"{path}: '{key}' is {value!r}, but must be {wanted[kind]}")


def _resolved(file: Path, value: str) -> Path:
    return Path(os.path.normpath(file.parent / value))


def _model_part(table: Mapping[str, Any]) -> str:
    """The table [model] as TOML of its own, which the reader of spec files takes."""
    scalars = [f"{key} = {toml_value(value)}" for key, value in table.items() if not isinstance(value, dict)]
    lines = ["[model]", *scalars]
    for name, inner in table.items():
        if isinstance(inner, dict):
            lines += [f"[model.{toml_value(name)}]", *(f"{toml_value(k)} = {toml_value(v)}" for k, v in inner.items())]
    return "\n".join(lines)


def config_to_toml(
    config: Config,
    folder: Path,
    spec: ModelSpec | None = None,
    knobs: Knobs | None = None,
    suits: str = "the typical network and board",
) -> str:
    """A file's text, every key with a comment.

    Only knobs that `config` chooses are set; the others stand there as comments, because they follow from network and
    board and would bind a build for another board.

    Args:
        config: what to write; what it does not say gets its default.
        folder: where the file will stand; paths are written relative to it.
        spec: the network; without it the file has no [model].
        knobs: all knobs; default: `Knobs()` turned by `config.knobs`.
        suits: which network and board the knobs that are not chosen follow from.
    """

    def written(path: Path | None) -> str:
        return "" if path is None else Path(os.path.relpath(path, folder)).as_posix()

    values: dict[str, object] = {
        "board": config.board or DEFAULT_BOARD,
        "checkpoint": written(config.checkpoint),
        "images": tuple(written(path) for path in config.images or ()),
        "labels": written(config.labels),
        "tasks": config.tasks or (),
        "output": written(config.output or folder / DEFAULT_OUTPUT),
        "name": config.name or "",
        "calibrate": tuple(written(path) for path in config.calibrate or ()),
        "calibration_images": config.calibration_images or CALIBRATION_IMAGES,
    }
    if (config.board or "").endswith(".toml"):
        values["board"] = written(Path(str(config.board)))
    lines = _comment("Project of edgemoe-gen: paths are relative to this file. `edgemoe-gen build` reads it.")

    def add(table: str) -> None:
        for where, key, _, comment in _KEYS:
            if where == table:
                lines.extend(["", *_comment(comment), f"{key} = {toml_value(values[key])}"])

    add("")
    lines += ["", "[project]"]
    add("project")
    # The network's own names stand in its table; what the project says beyond them would say them twice.
    held = {} if spec is None else spec.class_names
    own_names = {task: names for task, names in config.class_names.items() if held.get(task) != names}
    if own_names:
        lines += ["", *_comment(_CLASS_NAMES), "[project.class_names]"]
        lines += [f"{toml_value(task)} = {toml_value(names)}" for task, names in own_names.items()]
    if spec is not None:
        lines += ["", spec_to_toml(spec, config.model).rstrip("\n")]
    lines += [
        "",
        *_comment(_KNOBS),
        "[knobs]",
    ]
    lines += _knob_lines(knobs or Knobs().turned(dict(config.knobs)), config.knobs, suits)
    lines += ["", *_comment(_HOOKS), *(f"#   {hook.name:<16}  {hook.when}" for hook in HOOKS)]
    lines += ["[flow.hooks]", *(f"{name} = {toml_value(written(file))}" for name, file in config.hooks.items())]
    lines += [
        "",
        *_comment("Numerics: binary points. Widths are the knobs activation_bits and weight_bits."),
        "[numerics]",
    ]
    add("numerics")
    lines += ["", *_comment(_PINNED), f"# {_PINNED_EXAMPLE}", "[numerics.pinned]"]
    lines += [f"{toml_value(name)} = {bits}" for name, bits in config.pinned.items()]
    if config.fifo_depths:
        lines += ["", *_comment(_FIFO_DEPTHS), "[fifo_depths]"]
        lines += [f"{name} = {depth}" for name, depth in config.fifo_depths.items()]
    return "\n".join(lines) + "\n"


def _knob_lines(knobs: Knobs, chosen: Mapping[str, int | float], suits: str) -> list[str]:
    lines = []
    for knob in knob_fields():
        data = knob.metadata
        power = ", a power of two" if data["power_of_two"] else ""
        text = f"{meaning(knob)[0].upper()}{meaning(knob)[1:]}. Range {data['low']} to {data['high']}{power}."
        value = f"{knob.name} = {getattr(knobs, knob.name)}"
        lines += ["", *_comment(text), value if knob.name in chosen else f"# {value}  # default for {suits}"]
    return lines


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, 110, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)
