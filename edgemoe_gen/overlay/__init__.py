"""Overlays: what a board's user installs, and the driver in it.

`write_overlay` (in `edgemoe_gen.overlay.package`) makes one from a build; `Accelerator` runs one on the board, where
only NumPy and PYNQ are needed.
"""

from __future__ import annotations

from edgemoe_gen.overlay.driver import Accelerator, EngineError, FrameError, OverlayError, Result

__all__ = ["Accelerator", "EngineError", "FrameError", "OverlayError", "Result"]
