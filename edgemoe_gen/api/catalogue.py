"""The boards that there are. A module of its own, since it needs nothing else of the package."""

from __future__ import annotations

from edgemoe_gen.hardware.boards import Board, board_names, load_board


def boards(name: str | None = None) -> tuple[Board, ...]:
    """The board of a name or file, or all boards that come with the package."""
    return tuple(load_board(known) for known in ([name] if name else board_names()))
