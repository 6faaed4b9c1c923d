"""The driver of an overlay, on the board: from a frame to the network's tokens.

Every module here is copied as it is into each overlay's package, so none imports anything but its neighbours, NumPy and
the standard library; `pynq` is imported when a bitstream is loaded. They run on Python 3.8 and newer.
"""

from __future__ import annotations

from .accelerator import Accelerator, Result
from .errors import EngineError, FrameError, OverlayError

__all__ = ["Accelerator", "EngineError", "FrameError", "OverlayError", "Result"]
