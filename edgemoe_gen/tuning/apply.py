"""Writes a point into a project's file: the knobs that it chose, and FIFO depths; all else in the file stays."""

from __future__ import annotations

from pathlib import Path

from edgemoe_gen.config import Config, config_to_toml
from edgemoe_gen.files import write_text_whole
from edgemoe_gen.model import ModelSpec
from edgemoe_gen.tomltext import read_text, with_values
from edgemoe_gen.tuning.space import FIFO, FRAMES
from edgemoe_gen.tuning.trial import Point


def apply_point(point: Point, path: Path, config: Config, spec: ModelSpec) -> None:
    """Writes a point's choices into `edgemoe.toml`; a file that is not there is written whole.

    Args:
        point: the choices.
        path: of the file.
        config: the project, for a new file.
        spec: the network, likewise.

    Raises:
        ConfigError: the file cannot be read or written.
    """
    text = read_text(path) if path.exists() else config_to_toml(config, path.parent, spec)
    values = point.as_dict()
    knobs = {name: value for name, value in values.items() if not name.startswith(FIFO) and name != FRAMES}
    depths = {name.removeprefix(FIFO): value for name, value in values.items() if name.startswith(FIFO)}
    text = with_values(text, "knobs", knobs)
    if depths:
        text = with_values(text, "fifo_depths", depths)
    write_text_whole(path, text)
