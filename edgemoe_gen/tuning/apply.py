"""Writes a point of a search's front into the project's file: knobs and FIFO depths change, all other lines stay.

In: `tune.json` of a search. Out: the file, and its changes. Nothing is searched, and no checkpoint is opened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgemoe_gen.base.errors import ConfigError, EdgeMoEError
from edgemoe_gen.base.files import check_writable, write_text_whole
from edgemoe_gen.base.parsing import read_json
from edgemoe_gen.base.tomltext import read_text, with_values
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.project.config import DEFAULT_BOARD, FILE_NAME, Config, parse_config, read_config
from edgemoe_gen.tuning.document import VERSION
from edgemoe_gen.tuning.space import FIFO, FRAMES, is_knob
from edgemoe_gen.tuning.trial import Outcome, Value

AGAIN = "run edgemoe-gen tune again: what it found before is not lost"


@dataclass(frozen=True)
class Applied:
    """A point that was written into a project's file.

    Attributes:
        number: number of the point on the front.
        outcome: outcome of the point.
        path: the file.
        new: whether the file did not exist before.
        changes: for each key that was written: name, value before (in the file, or the default of a build; None: not
            known), value now. Where both are equal, the value stays fixed when other knobs change.
        notes: notes for the user.
    """

    number: int
    outcome: Outcome
    path: Path
    new: bool
    changes: tuple[tuple[str, Value | None, Value], ...]
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "number": self.number,
            **self.outcome.as_dict(),
            "file": str(self.path),
            "new": self.new,
            "changes": [{"name": name, "before": before, "now": now} for name, before, now in self.changes],
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class _Search:
    """Facts of a search's document for a point of its front."""

    path: Path
    front: tuple[Outcome, ...]
    pins: tuple[frozenset[str], ...]
    defaults: Mapping[str, Value]
    chosen: Mapping[str, Value]
    board: str
    file: Path
    whole: str
    project: Config


def apply_point(number: int, document: Path, config: Path | None = None) -> Applied:
    """Writes a point of a front into the project's file; a missing file is written whole.

    Args:
        number: number of the point, from 1 on.
        document: `tune.json` of the search.
        config: the file; None: that of the search, or `edgemoe.toml` in this folder.

    Raises:
        ConfigError: there is no search, no such point, or the file is about another network or board.
    """
    search = _read(document)
    if not 1 <= number <= len(search.front):
        there = f"it has {len(search.front)}, from 1 on" if search.front else "it is empty: run edgemoe-gen tune"
        raise ConfigError(f"the front of {document} has no point {number}", there)
    outcome = search.front[number - 1]
    path = config or search.file
    check_writable(path)
    new = not path.exists()
    if new and path.parent.resolve() != search.file.parent.resolve():
        raise ConfigError(
            f"there is no {path}, and a new file belongs to where the search ran: {search.file.parent.resolve()}",
            "leave --config out, or write the file first: edgemoe-gen init CHECKPOINT",
        )
    checkpoint = search.project.checkpoint
    if new and checkpoint is not None and not checkpoint.exists():
        raise ConfigError(
            f"there is no {path} to write into, and a new one would name {checkpoint}, which is not there",
            "run this in the folder of the search",
        )
    before = search.project if new else read_config(path)
    if not new:
        _refuse_other(before, path, search)
    values = {**search.chosen, **outcome.point.as_dict()}
    every = {name: value for name, value in values.items() if is_knob(name)}
    # What a build would take anyway is not written: it would bind a build for another board, and the next search.
    pins = search.pins[number - 1]
    knobs = {
        name: value
        for name, value in every.items()
        if (name in pins and before.knobs.get(name) != value) or before.knobs.get(name, value) != value
    }
    depths = {name.removeprefix(FIFO): int(value) for name, value in values.items() if name.startswith(FIFO)}
    text = with_values(search.whole if new else read_text(path), "knobs", knobs)
    if depths:
        text = with_values(text, "fifo_depths", depths)
    changes = [(name, before.knobs.get(name, search.defaults.get(name)), value) for name, value in knobs.items()]
    rows = [
        *changes,
        *(
            (f"{FIFO}{name}", before.fifo_depths.get(name), value)
            for name, value in depths.items()
            if before.fifo_depths.get(name) != value
        ),
    ]
    notes = _notes(before, path, every, outcome)
    write_text_whole(path, text)
    return Applied(number, outcome, path, new, tuple(rows), notes)


def _read(path: Path) -> _Search:
    if not path.is_file():
        raise ConfigError(f"no search in {path.parent}/ yet", "run edgemoe-gen tune first, or name its --output")
    try:
        data = read_json(path)
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path} cannot be read as the result of a search: {error}", AGAIN) from error
    if not isinstance(data, dict) or data.get("version") != VERSION or "project" not in data:
        raise ConfigError(f"{path} is not the result of a search, or of one by another version", AGAIN)
    try:
        project, base = data["project"], data["default"]
        file = Path(FILE_NAME if project["file"] is None else project["file"])
        return _Search(
            path,
            tuple(Outcome.from_dict(entry) for entry in data["front"]),
            # A search of an earlier version does not say: then all of a point is written.
            tuple(frozenset(entry.get("pins", {**data["chosen"], **entry["point"]})) for entry in data["front"]),
            {} if base is None else dict(base["knobs"]),
            dict(data["chosen"]), str(data["board"]["name"]), file, str(project["toml"]),
            parse_config(project["toml"], file),
        )  # fmt: skip
    except (EdgeMoEError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path} is damaged: {type(error).__name__} {error}", AGAIN) from error


def _refuse_other(config: Config, path: Path, search: _Search) -> None:
    """Refuses a point of another board or network."""
    board = load_board(DEFAULT_BOARD if config.board is None else config.board).name
    if board != search.board:
        raise ConfigError(
            f"{path} is about the board {board}, the search in {search.path} about {search.board}",
            "change one to the other's board, or name another file with --config",
        )
    mine, theirs = config.checkpoint, search.project.checkpoint
    if mine is not None and (theirs is None or mine.resolve() != theirs.resolve()):
        raise ConfigError(
            f"{path} is about {mine}, the search in {search.path} about {theirs or 'random weights'}",
            "search again with that file, or name another one with --config",
        )
    for name in ("image_height", "image_width", "patch", "dim", "depth", "heads", "tokens", "top_k"):
        own, other = getattr(config.model, name), getattr(search.project.model, name)
        if own is not None and other is not None and own != other:
            raise ConfigError(
                f"{path} has {name} {own} in [model], the search in {search.path} {other}",
                "search again with that file, or name another one with --config",
            )


def _notes(config: Config, path: Path, knobs: Mapping[str, Value], outcome: Outcome) -> tuple[str, ...]:
    """Settings of the file beyond the point, which change its design from the searched one."""
    others = [
        f"{name} = {value:g} (the search: {outcome.knobs[name]:g})"
        for name, value in config.knobs.items()
        if name not in knobs and name in outcome.knobs and outcome.knobs[name] != value
    ]
    found = [f"{path} also sets {', '.join(others)}: the figures are not of that design"] if others else []
    frames = outcome.point.as_dict().get(FRAMES, 1)
    if frames != 1:
        found.append(f"{FRAMES}={frames:g} is no knob of a design: it is not written")
    if config.checkpoint is None and not path.exists():
        found.append(f"no checkpoint was searched for: name one in {path}, [project] checkpoint")
    return tuple(found)
