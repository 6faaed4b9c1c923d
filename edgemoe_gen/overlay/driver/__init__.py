"""The driver of an overlay, on the board: from a frame to its task's map.

Every module here is copied unchanged into each overlay's package. So the modules import only each other, NumPy and the
standard library; `pynq` is imported when a bitstream is loaded. They run on Python 3.8 and newer.
"""

from __future__ import annotations

from .accelerator import Accelerator
from .errors import EngineError, FrameError, OverlayError
from .result import Result

__all__ = ["Accelerator", "EngineError", "FrameError", "OverlayError", "Result"]
