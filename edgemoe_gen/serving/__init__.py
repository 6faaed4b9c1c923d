"""The live view: a web page with a source's picture and the task maps of the accelerator beside it.

A reader thread takes pictures from a source, a worker thread runs them on the accelerator, and an event loop sends the
newest result to every viewer. `serve` starts them all. Needs aiohttp; camera and video files need OpenCV.
"""

from __future__ import annotations

from edgemoe_gen.serving.backend import Backend, BackendFacts, Outcome
from edgemoe_gen.serving.live import LiveView
from edgemoe_gen.serving.run import serve
from edgemoe_gen.serving.sources import Source, SourceError, make_sources

__all__ = ["Backend", "BackendFacts", "LiveView", "Outcome", "Source", "SourceError", "make_sources", "serve"]
