"""The boards that there are, and the cache: what needs next to nothing else of the package."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.base.files import check_writable, write_text_whole
from edgemoe_gen.hardware.boards import Board, board_file, board_names, load_board
from edgemoe_gen.sim.cached import Cache, look
from edgemoe_gen.sim.cached import clean as clean_cache


def boards(name: str | None = None, *, write: str | PathLike[str] | None = None) -> tuple[Board, ...]:
    """The board of a name or file, or all boards that come with the package.

    Args:
        name: of the board, or path of a board file.
        write: file to write the board's own file to, as the start of another's.

    Raises:
        BoardError: there is no such board.
        ConfigError: no board is named to be written, or the file is there already.
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
    """What is kept of compiled designs, schedules and Verilog, or what was removed of it.

    Args:
        clean: remove it.
        older_than: days; only what was not used for so long is removed.

    Raises:
        ConfigError: the number is negative, or goes without `clean`; or a file cannot be removed.
    """
    if older_than and not clean:
        raise ConfigError("--older-than goes with --clean", "add --clean")
    return clean_cache(older_than) if clean else look()
