"""A callback that does nothing, for arguments that nobody gives."""

from __future__ import annotations


class Quiet:
    """Takes whatever it is called with.

    Args:
        name: what `help` shows as the argument's default.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, *_: object) -> None:
        """Does nothing."""

    def __repr__(self) -> str:
        return self._name


nothing = Quiet("nothing")
