"""Writes `edgemoe.toml`: every key of a `Config` with its comment, knobs that are not chosen as comments."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Mapping
from pathlib import Path

from edgemoe_gen.base.tomltext import toml_value
from edgemoe_gen.design.knobs import Knobs, knob_fields, meaning
from edgemoe_gen.flow.hooks import HOOKS
from edgemoe_gen.flow.rtl_source import VITIS
from edgemoe_gen.model.spec import ModelSpec
from edgemoe_gen.model.specfile import spec_to_toml
from edgemoe_gen.numerics.widths import TOGETHER
from edgemoe_gen.project.config import DEFAULT_BOARD, DEFAULT_OUTPUT, KEYS, Config

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


def config_to_toml(
    config: Config,
    folder: Path,
    spec: ModelSpec | None = None,
    knobs: Knobs | None = None,
    suits: str = "the typical network and board",
) -> str:
    """A file's text, every key with a comment.

    Only knobs that `config` chooses are set. The others are comments: they follow from network and board, and as values
    they would also bind a build for another board.

    Args:
        config: the arguments to write; missing ones get their default.
        folder: where the file will stand; paths are written relative to it.
        spec: the network; without it the file has no [model].
        knobs: all knobs; default: `Knobs()` turned by `config.knobs`.
        suits: network and board from which the other knobs follow.
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
        "hls": config.hls or VITIS,
        "calibrate": tuple(written(path) for path in config.calibrate or ()),
        "calibration_images": config.calibration_images or 0,
        "rounding": config.rounding or TOGETHER,
        "augment": config.augment or 0,
    }
    if (config.board or "").endswith(".toml"):
        values["board"] = written(Path(str(config.board)))
    lines = _comment("Project of edgemoe-gen: paths are relative to this file. `edgemoe-gen build` reads it.")

    def add(table: str) -> None:
        for name, key in KEYS.items():
            if key.table == table:
                lines.extend(["", *_comment(key.comment), f"{name} = {toml_value(values[name])}"])

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
    lines += ["", "[flow]"]
    add("flow")
    lines += ["", *_comment(_HOOKS), *(f"#   {hook.name:<16}  {hook.when}" for hook in HOOKS)]
    lines += ["[flow.hooks]", *(f"{name} = {toml_value(written(file))}" for name, file in config.hooks.items())]
    lines += [
        "",
        *_comment("Numerics: binary points and rounding. Widths are the knobs activation_bits and weight_bits."),
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
