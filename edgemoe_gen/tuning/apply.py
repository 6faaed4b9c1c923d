"""Writes a point into a project's file: the knobs that it chose, and FIFO depths; all else in the file stays."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from edgemoe_gen.config import Config, config_to_toml, toml_value
from edgemoe_gen.errors import ConfigError
from edgemoe_gen.files import write_text_whole
from edgemoe_gen.model import ModelSpec
from edgemoe_gen.tuning.space import FIFO, FRAMES
from edgemoe_gen.tuning.trial import Point, Value

NEXT_TABLE = re.compile(r"^\[", re.MULTILINE)


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
    if not path.exists():
        text = config_to_toml(config, path.parent, spec)
    else:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path} cannot be read as text: {error}") from error
    values = point.as_dict()
    knobs = {name: value for name, value in values.items() if not name.startswith(FIFO) and name != FRAMES}
    depths = {name.removeprefix(FIFO): value for name, value in values.items() if name.startswith(FIFO)}
    text = with_values(text, "knobs", knobs)
    if depths:
        text = with_values(text, "fifo_depths", depths)
    write_text_whole(path, text)


def with_values(text: str, table: str, values: Mapping[str, Value]) -> str:
    """A TOML text whose table has these values; a line that is there, or stands there as a comment, is replaced."""
    if not values:
        return text
    header = re.search(rf"^\[{table}\][ \t]*(?:#.*)?$", text, re.MULTILINE)
    if header is None:
        made = "\n".join(f"{name} = {toml_value(value)}" for name, value in values.items())
        return f"{text.rstrip()}\n\n[{table}]\n{made}\n"
    following = NEXT_TABLE.search(text, header.end())
    end = len(text) if following is None else following.start()
    body, rest = text[header.end() : end], text[end:]
    added = []
    for name, value in values.items():
        line = f"{name} = {toml_value(value)}"
        body, count = re.subn(rf"^(?:# ?)?{name}[ \t]*=.*$", line, body, count=1, flags=re.MULTILINE)
        if not count:
            added.append(line)
    if added:
        # Comments at the end of a table are about the next one.
        lines = body.rstrip("\n").split("\n")
        place = next((i + 1 for i in range(len(lines) - 1, -1, -1) if lines[i] and lines[i][0] not in "#"), 1)
        body = "\n".join([*lines[:place], *added, *lines[place:]]) + "\n" * (len(body) - len(body.rstrip("\n")) or 1)
    return text[: header.end()] + body + rest
