"""A callback that does nothing, as the default of arguments."""

from __future__ import annotations


class Quiet:
    """Takes any arguments.

    Args:
        name: the argument's default as `help` shows it.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, *_: object) -> None:
        """Does nothing."""

    def __repr__(self) -> str:
        return self._name


nothing = Quiet("nothing")
