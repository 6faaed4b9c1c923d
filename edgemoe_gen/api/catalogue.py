"""The known boards, and the cache: verbs that need hardly anything else of the package."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.base.files import check_writable, write_text_whole
from edgemoe_gen.hardware.boards import Board, board_file, board_names, load_board
from edgemoe_gen.sim.cached import Cache, look
from edgemoe_gen.sim.cached import clean as clean_cache


def boards(name: str | None = None, *, write: str | PathLike[str] | None = None) -> tuple[Board, ...]:
    """The board of a name or file; without a name, all boards of the package.

    Args:
        name: of the board, or path of a board file.
        write: path for a copy of the board's file, as the start of a new board.

    Raises:
        BoardError: there is no such board.
        ConfigError: `write` goes without a name, or the file is there already.
    """
    found = tuple(load_board(known) for known in ([name] if name else board_names()))
    if write is not None:
        if not name:
            raise ConfigError("no board is named to be written", f"name one of {', '.join(board_names())}")
        target = Path(write)
        if target.suffix != ".toml":
            raise ConfigError(f"--write is '{target}', but a board file is a .toml", "end its name with .toml")
        if target.exists():
            raise ConfigError(f"{target} exists already", "choose another name, or remove it")
        check_writable(target)
        write_text_whole(target, board_file(name).read_text(encoding="utf-8"))
    return found


def cache(*, clean: bool = False, older_than: float = 0.0) -> Cache:
    """The cache of compiled designs, schedules and Verilog: its contents, or the contents that were removed.

    Args:
        clean: remove it.
        older_than: days; only contents that were not used for so long are removed.

    Raises:
        ConfigError: the number is negative, or goes without `clean`; or a file cannot be removed.
    """
    if older_than and not clean:
        raise ConfigError("--older-than goes with --clean", "add --clean")
    return clean_cache(older_than) if clean else look()
