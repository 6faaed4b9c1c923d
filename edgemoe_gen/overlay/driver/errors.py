"""Errors of the driver: those of edgemoe-gen where it is installed too, so that one `except` serves both."""

from __future__ import annotations

__all__ = ["EngineError", "FrameError", "OverlayError"]

try:
    from edgemoe_gen.base.errors import OverlayError
except ImportError:  # on the board, where only the overlay is installed

    class OverlayError(Exception):  # type: ignore[no-redef]
        """An overlay's files are missing, damaged, or do not belong together: a sentence, and what to do about it."""

        def __init__(self, message: str, hint: str = "") -> None:
            super().__init__(message)
            self.message = message
            self.hint = hint


class EngineError(OverlayError):
    """The engine does not end, or ends with an error."""

    exit_code = 1


class FrameError(OverlayError):
    """A frame does not fit the network, or a task is unknown."""
