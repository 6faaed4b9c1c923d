"""The live view, and the simulated board for host code."""

from __future__ import annotations

import importlib
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgemoe_gen.api.arguments import ServeArguments, ServeKeywords
from edgemoe_gen.base.arguments import split, takes
from edgemoe_gen.base.errors import OverlayError
from edgemoe_gen.base.extras import installing
from edgemoe_gen.base.quiet import nothing
from edgemoe_gen.project.arguments import PathText, project_arguments
from edgemoe_gen.project.opening import Progress, no_progress, open_project
from edgemoe_gen.simulated.engine import CSIM, RTL

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from edgemoe_gen.simulated.board import SimulatedBoard

MIB = 1 << 20


@takes(ServeKeywords, ServeArguments)
def serve(
    overlay: PathText,
    *,
    ready: Callable[[str, str], None] = nothing,
    say: Callable[[str], None] = nothing,
    progress: Progress = no_progress,
    **keywords: Unpack[ServeKeywords],
) -> None:
    """Shows pictures in the browser with the accelerator's maps beside them, until it is interrupted.

    Args:
        overlay: name of an installed overlay, its folder, or the folder of a build.
        source: "camera:N", video file or folder of pictures, or several.
        task: tasks that are on at the start; default: all.
        simulated: run on the simulated board.
        engine: engine of the simulated board, which it implies: "csim" or "rtl".
        fps: upper limit of frames a second; default: the source's own rate.
        host: address to listen on.
        port: port; 0 takes any free one.
        token: token that viewers must know; default: a new one where `host` is not loopback.
        ready: called with the name of the overlay and the page's address.
        say: called with notes for the user.
        progress: called with text, steps done and steps in all, while the RTL is compiled.

    Raises:
        ConfigError: aiohttp is missing, or there is no such task.
        OverlayError: there is no such overlay, or it is damaged.
    """
    from edgemoe_gen.measuring.session import chosen_tasks, look_up, prepare_engine
    from edgemoe_gen.serving import make_sources
    from edgemoe_gen.serving import serve as serve_page
    from edgemoe_gen.serving.backend import overlay_opener
    from edgemoe_gen.serving.run import check_aiohttp

    how, _ = split(ServeArguments, keywords)
    check_aiohttp()
    installed = look_up(Path(overlay))
    if installed.note:
        say(installed.note)
    on = chosen_tasks(installed, tuple(how.task))
    if how.engine == RTL:  # before the page is there: it takes minutes the first time
        prepare_engine(installed, how.engine, progress)
    found = make_sources(tuple(how.source), (installed.image.height, installed.image.width), how.fps)
    simulated = how.simulated or how.engine is not None
    serve_page(
        overlay_opener(installed, simulated, how.engine or CSIM, lambda what, _done, _all: say(what)),
        found,
        host=how.host,
        port=how.port,
        token=how.token,
        tasks=on,
        ready=lambda address, _: ready(installed.manifest.name, address),
        say=say,
    )


@contextmanager
def sim_board(
    overlay: PathText | None = None,
    *,
    config: PathText | None = None,
    ddr_mib: int = 2048,
    latency_ms: float = 0.0,
    engine: str = CSIM,
    say: Callable[[str], None] = nothing,
    progress: Progress = no_progress,
) -> Iterator[SimulatedBoard]:
    """A simulated board in PYNQ's place, for a `with` statement; inside, the overlay's package can be imported.

    Args:
        overlay: an overlay, or the folder of a build, of which a preview will do; default: the project's build.
        config: the project's file.
        ddr_mib: DDR of the board, MiB.
        latency_ms: least time of a frame.
        engine: "csim", or "rtl" for the Verilog of the same sources.
        say: called with notes for the user.
        progress: called with text, steps done and steps in all.

    Raises:
        OverlayError: PYNQ is missing, or the overlay is damaged.
    """
    board_type = _simulation().SimulatedBoard
    with tempfile.TemporaryDirectory(prefix="edgemoe-preview-") as scratch:
        folder = _runnable(overlay, config, Path(scratch), progress)
        board = board_type(
            folder,
            ddr_bytes=ddr_mib * MIB,
            latency=latency_ms / 1e3,
            engine=engine,
            on_compile=progress,
            say=say,
        )
        if folder is not None:
            sys.path.insert(0, str(folder.parent))
        try:
            with board:
                yield board
        finally:
            if folder is not None:
                sys.path.remove(str(folder.parent))


def _simulation() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PYNQ warns of what is missing off the board
            return importlib.import_module("edgemoe_gen.simulated.board")
    except ImportError as error:
        raise OverlayError(
            f"the simulated board needs PYNQ, which can't be imported: {error}",
            f"install it, on any machine: {installing('pynq')}",
        ) from error


def _runnable(where: PathText | None, config: PathText | None, scratch: Path, progress: Progress) -> Path | None:
    # What a preview needs, PyTorch among it, is imported only where one is made or looked for.
    runnable = importlib.import_module("edgemoe_gen.pipeline.runnable")
    project = open_project(project_arguments({"config": config}))
    place = Path(where) if where is not None else runnable.default_build(project.config)
    if place is None:
        return None  # the script may name an overlay that is installed
    found: Path = runnable.runnable_overlay(place, scratch, project.config, progress)
    return found
