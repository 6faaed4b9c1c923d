"""Arguments of a project: its network, board, knobs and numerics, by `edgemoe.toml` or by a caller.

`read_config` turns a file into a `Config`, `writing.config_to_toml` a `Config` into a file. Every field is optional. So
the options of a command line are a `Config` too, and `over` puts one `Config` over another.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from edgemoe_gen.base.arguments import KEY, Key, argument
from edgemoe_gen.base.errors import ConfigError, KnobError
from edgemoe_gen.base.names import near
from edgemoe_gen.base.parsing import parse_toml, read_settings
from edgemoe_gen.base.settings import unknown_key, value_of_kind
from edgemoe_gen.base.tomltext import toml_value
from edgemoe_gen.design.knobs import Knobs
from edgemoe_gen.flow.hooks import NAMES
from edgemoe_gen.flow.rtl_source import check_choice
from edgemoe_gen.model.images import KINDS
from edgemoe_gen.model.spec import SpecOptions
from edgemoe_gen.model.specfile import read_spec_toml
from edgemoe_gen.numerics.widths import NARROW, NEAREST, TOGETHER

FILE_NAME = "edgemoe.toml"
DEFAULT_BOARD = "zcu104"
DEFAULT_OUTPUT = "build"
CALIBRATION_IMAGES = 8
NARROW_CALIBRATION_IMAGES = (
    16  # where tensors are narrow: their weights are fitted to the pictures, and some are kept out
)
ROUNDINGS = (TOGETHER, NEAREST)


@dataclass(frozen=True, kw_only=True)
class Config:
    """Arguments of a project; None or empty: not given.

    A field holds all facts of an argument: its key in `edgemoe.toml`, its option, its keyword. The type of the
    keyword stands in `arguments.ProjectKeywords`.

    Attributes:
        checkpoint: file or folder of the trained network.
        model: facts of the network beside the checkpoint's.
        board: name, or path of a board file.
        knobs: values by knob.
        images: pictures, or folders of them, that the build simulates and reports.
        calibrate: pictures, or folders, for choosing binary points; None = `images`.
        labels: folder of the pictures' ground truth; None = beside each picture.
        tasks: tasks to build for; None = all of the network.
        class_names: names of a task's classes, for legends.
        output: folder that a build writes to.
        name: name of the overlay.
        hls: who makes the engine's RTL, "vitis" or "open"; None = "vitis".
        calibration_images: largest number of pictures for choosing binary points.
        rounding: rounding of narrow weights, "gptq" or "nearest".
        augment: least number of calibration pictures; missing ones are made of the given ones.
        pinned: fractional bits by tensor name, where the user fixes them.
        fifo_depths: depths of FIFOs by name, in place of the design's own.
        hooks: files of Tcl that the flow's scripts source, by name of the hook.
        source: the file of this `Config`.
    """

    checkpoint: Path | None = argument(
        None,
        "path",
        "The network [default: the project's].",
        meaning="file or folder of shards.",
        key=Key("project", "path", "Trained network: a checkpoint file, or a folder of rank shards."),
    )
    model: SpecOptions = argument(
        None,
        "network",
        "",
        factory=SpecOptions,
        keyword="options",
        meaning="facts of the network that neither checkpoint nor spec file tells.",
    )
    board: str | None = argument(
        None,
        "str",
        "Board: a name of `edgemoe-gen boards`, or a board file [default: zcu104].",
        meaning="name or file; the default is zcu104.",
        key=Key("", "str", "Board: a name that `edgemoe-gen boards` lists, or the path of a board file (.toml)."),
    )
    knobs: Mapping[str, int | float] = argument(
        None,
        "knobs",
        "Turn a knob, such as tokens_parallel=6; repeatable. `edgemoe-gen init` writes all, with their meaning.",
        factory=dict,
        option="--knob",
        metavar="NAME=VALUE",
        meaning="values by name, over those that suit network and board.",
    )
    images: tuple[Path, ...] | None = argument(
        None,
        "paths",
        "Picture or folder to simulate; repeatable.",
        keyword="image",
        meaning="pictures, or folders of them, to simulate and report on.",
        key=Key(
            "project",
            "paths",
            f"Pictures that the build simulates and shows in its report: files, or folders of {KINDS}.",
        ),
    )
    calibrate: tuple[Path, ...] | None = argument(
        None,
        "paths",
        "Picture or folder for choosing binary points [default: up to 8 of --image]; repeatable.",
        meaning="pictures for choosing binary points; default: those of `image`.",
        key=Key(
            "numerics",
            "paths",
            "Pictures for choosing binary points. The float network runs on them, and each tensor's format gets the "
            "fewest integer bits that hold 1.25 times the largest value. [] takes those under [project] images.",
        ),
    )
    labels: Path | None = argument(
        None,
        "path",
        "Folder of ground truth NAME.npz [default: beside the pictures].",
        meaning="folder of ground truth, if not beside the pictures.",
        key=Key(
            "project",
            "path",
            "Folder of ground truth: for picture NAME.png a NAME.npz with `labels` [H, W] (class numbers) and/or "
            "`depth` [H, W] (in the unit of the output); pictures of one name in several folders have it in folders of "
            'the same names. "" looks beside each picture; pictures without it are shown too.',
        ),
    )
    tasks: tuple[str, ...] | None = argument(
        None,
        "names",
        "Task to build for; repeatable [default: all].",
        keyword="task",
        meaning="tasks to build for; default: all.",
        key=Key("project", "names", "Tasks to build for, one frame each in the program; [] takes all of the network."),
    )
    class_names: Mapping[str, tuple[str, ...]] = argument(
        None,
        "class_names",
        "Names of a task's classes in the order of their numbers, for the report; repeatable.",
        factory=dict,
        metavar="TASK=A,B,...",
        meaning="names of a task's classes in the order of their numbers, by task, over those of the spec.",
    )
    output: Path | None = argument(
        None,
        "path",
        "Folder to write to [default: build].",
        meaning="folder that builds write to.",
        key=Key("project", "path", "Folder that `edgemoe-gen build` writes to."),
    )
    name: str | None = argument(
        None,
        "str",
        "Name of the overlay [default: NETWORK_BOARD, after the checkpoint's file].",
        meaning="name of the overlay; default: after the checkpoint's file and the board.",
        key=Key(
            "project",
            "str",
            'Name of the overlay, by which Python on the board imports it; "" takes NETWORK_BOARD, as in tiny_zcu104.',
        ),
    )
    hls: str | None = argument(
        None,
        "str",
        "Who makes the engine's RTL: Vitis HLS, or edgemoe-gen, so that Vivado alone is needed [default: vitis].",
        metavar="vitis|open",
        meaning='who makes the engine\'s RTL: "vitis", by C synthesis, or "open", by edgemoe-gen itself.',
        key=Key(
            "flow",
            "str",
            'Who makes the engine\'s RTL: "vitis", by C synthesis in Vitis HLS, or "open", by edgemoe-gen, so that '
            "Vivado alone is needed.",
        ),
    )
    calibration_images: int | None = field(
        default=None,
        metadata={
            KEY: Key(
                "numerics",
                "int",
                f"Use at most this many of them, from the first on; at least 1. 0 takes {CALIBRATION_IMAGES}, and "
                f"{NARROW_CALIBRATION_IMAGES} where tensors have fewer than {NARROW} bits.",
            )
        },
    )
    rounding: str | None = field(
        default=None,
        metadata={
            KEY: Key(
                "numerics",
                "str",
                "How weights of fewer than 16 bits are rounded. gptq: together, so that they compensate each other's "
                "errors on the calibration pictures, with corrected biases; every fourth picture is kept out and "
                "measured. nearest: each alone.",
            )
        },
    )
    augment: int | None = argument(
        None,
        "int",
        "Where tensors are narrow, make N calibration pictures of few: crops, mirrored, recoloured.",
        metavar="N",
        meaning="least number of calibration pictures where tensors are narrow; missing ones are made of others.",
        key=Key(
            "numerics",
            "int",
            "Where tensors have fewer than 16 bits, make this many calibration pictures of few: crops, mirrored, "
            "recoloured. 0 makes none.",
        ),
    )
    pinned: Mapping[str, int] = field(default_factory=dict)
    fifo_depths: Mapping[str, int] = field(default_factory=dict)
    hooks: Mapping[str, Path] = field(default_factory=dict)
    source: Path | None = None

    def over(self, other: Config) -> Config:
        """This `Config`'s values where they are given, else `other`'s; tables and the model's keys one by one."""
        mine = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) is not None}
        mine["model"] = self.model.over(other.model)
        for each in fields(self):
            if each.default_factory is dict:
                mine[each.name] = {**getattr(other, each.name), **getattr(self, each.name)}
        return replace(other, **mine)


KEYS: Mapping[str, Key] = {f.name: f.metadata[KEY] for f in fields(Config) if KEY in f.metadata}
_TABLES = ("project", "model", "knobs", "numerics", "fifo_depths", "flow")
_INNER = {"project": ("class_names",), "numerics": ("pinned",), "flow": ("hooks",)}


def read_config(path: Path) -> Config:
    """The `Config` of a file; paths in it are relative to the file.

    Raises:
        ConfigError: unreadable, not TOML, an unknown key, or a value of the wrong kind; names file and key.
        SpecError: the same in the table [model].
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
    """The `Config` of a file's text, as `read_config`.

    Args:
        text: TOML.
        path: path of the file, to which paths are relative; the file need not exist.
    """
    try:
        document = parse_toml(text)
    except ValueError as error:
        raise ConfigError(
            f"{path} is not TOML: {error}", "mend the line, or write the file anew with --force"
        ) from error
    values: dict[str, Any] = {"source": path}
    _refuse_unknown(path, "", document, (*(name for name, key in KEYS.items() if not key.table), *_TABLES))
    for table in ("", "project", "numerics", "flow"):
        part = document if not table else _table(path, document, table)
        known = {name: key.kind for name, key in KEYS.items() if key.table == table}
        if table:
            _refuse_unknown(path, f"{table}.", part, (*known, *_INNER.get(table, ())))
        for name, kind in known.items():
            if name in part and part[name] not in ("", []):
                values[name] = _value(path, f"{table}.{name}".lstrip("."), kind, part[name])
    if "hls" in values:
        check_choice(values["hls"], f"{path}: flow.hls")
    for name in ("calibration_images", "augment"):
        if values.get(name, 0) < 0:
            raise ConfigError(f"{path}: numerics.{name} is {values[name]}", "give 0 or more")
        values[name] = values.get(name) or None  # 0 says nothing
    if values.get("rounding", TOGETHER) not in ROUNDINGS:
        raise ConfigError(f"{path}: numerics.rounding is '{values['rounding']}'", f"give {' or '.join(ROUNDINGS)}")
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
    key = unknown_key(table, known)
    if key is not None:
        raise ConfigError(f"{path}: the key '{prefix}{key}' is unknown", near(key, known, "known keys"))


def _value(path: Path, key: str, kind: str, value: object) -> object:
    try:
        found = value_of_kind(value, kind)
    except ValueError as error:
        raise ConfigError(f"{path}: '{key}' is {value!r}, but must be {error}") from None
    if kind == "paths":
        return tuple(_resolved(path, each) for each in found)
    return _resolved(path, found) if kind == "path" else found


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
