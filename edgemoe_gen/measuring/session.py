"""An overlay for the command line: its facts, checks before the chip is touched, and its board.

The board is PYNQ's own or, on request, the simulated one. PyTorch is never imported, and PYNQ only when a board is
opened.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.base.arrays import read_array
from edgemoe_gen.base.build_files import PREVIEW
from edgemoe_gen.base.errors import ConfigError, EdgeMoEError, ImageError, OverlayError
from edgemoe_gen.base.extras import installing
from edgemoe_gen.base.names import near
from edgemoe_gen.base.parsing import read_json
from edgemoe_gen.hardware.boards import board_names, load_board
from edgemoe_gen.model import ImageSpec
from edgemoe_gen.overlay.builds import is_build, overlay_in
from edgemoe_gen.overlay.driver import Accelerator
from edgemoe_gen.overlay.driver.manifest import BUILD_AGAIN, MANIFEST, Manifest, find_overlay, read_manifest
from edgemoe_gen.pictures.found import open_picture, pixels
from edgemoe_gen.simulated.engine import CSIM, RTL, Progress, check_kind, no_progress

MEASURED = "measured on the board"
SIMULATED = "simulated board: times are those of C simulation on this machine, not of an accelerator"
SIMULATED_RTL = "simulated board: times are those of RTL simulation on this machine, not of an accelerator"
# Seconds that a frame may take; a large network takes minutes in C simulation.
TIMEOUT_SECONDS, SIMULATED_TIMEOUT_SECONDS = 10.0, 3600.0


@dataclass(frozen=True, eq=False)
class Installed:
    """An installed overlay.

    Attributes:
        manifest: its manifest.
        board, title, part: its board.
        image: the picture of its network.
        dim: width of a token.
        class_names: names of a task's classes, if known.
        estimates: its build's estimates of seconds a frame, by task; {} without estimates.
        estimate_tier: tier of these estimates.
        together: estimated seconds of a frame of all tasks, where they share the backbone.
        note: names the overlay in use, if the user named a build; otherwise "".
        rtl: maker of the RTL in its bitstream, if not Vitis HLS; "" otherwise.
    """

    manifest: Manifest
    board: str
    title: str
    part: str
    image: ImageSpec
    dim: int
    class_names: Mapping[str, tuple[str, ...]]
    estimates: Mapping[str, float]
    estimate_tier: str
    note: str = ""
    rtl: str = ""
    together: float | None = None

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks."""
        return tuple(self.manifest.tasks)


def look_up(where: str | os.PathLike[str]) -> Installed:
    """An overlay by the name of an installed overlay, by its folder, or by the folder of its build.

    Raises:
        OverlayError: there is none, or its manifest is damaged.
    """
    folder, note = _found(os.fspath(where))
    manifest = read_manifest(folder)
    path = manifest.folder / MANIFEST
    try:
        content = read_json(path)
        board, image, network = content["board"], content["image"], content["network"]
        names = {task["name"]: tuple(task.get("class_names") or ()) for task in content["tasks"]}
        estimates, tier = read_estimates(content, tuple(manifest.tasks))
        return Installed(
            manifest,
            str(board["name"]),
            str(board["title"]),
            str(board["part"]),
            ImageSpec(**{key: _tuples(image[key]) for key in ("height", "width", "scale", "mean", "std", "resize")}),
            int(network["dim"]),
            names,
            estimates,
            tier,
            note,
            str(content.get("rtl", "")),
            _together(content),
        )
    except (OSError, KeyError, TypeError, ValueError, AttributeError, EdgeMoEError) as error:
        raise OverlayError(f"{path} is damaged: {type(error).__name__} {error}", BUILD_AGAIN) from error


def _found(where: str) -> tuple[Path, str]:
    """The folder of an overlay, and a note on which one was taken."""
    path = Path(where)
    if not (path / MANIFEST).is_file() and path.is_dir():
        found = overlay_in(path)
        if found is not None:
            what = ", a preview for the simulated board only" if found.parent.name == PREVIEW else ""
            return found.resolve(), f"{found} is taken{what}"
        if is_build(path):
            raise OverlayError(
                f"{path} is a build without an overlay: it ended before the stage preview",
                "go on with it: edgemoe-gen build --until preview",
            )
    try:
        return find_overlay(where), ""
    except OverlayError as error:
        raise OverlayError(
            error.message, "install the overlay's wheel with pip, or give its folder, or that of the build that has it"
        ) from error


def read_estimates(content: Mapping[str, Any], tasks: Sequence[str]) -> tuple[dict[str, float], str]:
    """Estimated seconds a frame by task in a manifest, and their tier; ({}, "") without any."""
    estimate = content.get("estimate")
    if not estimate:
        return {}, ""
    said = estimate["milliseconds_per_frame"]
    by_task = said if isinstance(said, dict) else dict.fromkeys(tasks, said)
    seconds = {task: float(by_task[task]) / 1e3 for task in tasks if by_task.get(task)}
    return seconds, str(estimate.get("tier", "estimate"))


def _together(content: Mapping[str, Any]) -> float | None:
    said = (content.get("estimate") or {}).get("milliseconds_all_tasks")
    return None if said is None else float(said) / 1e3


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def chosen_tasks(installed: Installed, tasks: Sequence[str]) -> tuple[str, ...]:
    """The tasks that a user names, or all.

    Raises:
        ConfigError: the overlay has no such task.
    """
    for task in tasks:
        if task not in installed.tasks:
            raise ConfigError(
                f"the overlay {installed.manifest.name} has no task '{task}'",
                near(task, installed.tasks, "its tasks"),
            )
    return tuple(dict.fromkeys(tasks)) or installed.tasks


def check_files(installed: Installed) -> int:
    """Compares every file of an overlay with its checksum; returns how many there are.

    Raises:
        OverlayError: one is missing or damaged.
    """
    for name in installed.manifest.checksums:
        installed.manifest.read(name)
    return len(installed.manifest.checksums)


def check_board(installed: Installed, here: str | None) -> None:
    """Refuses an overlay of another board.

    Args:
        installed: the overlay.
        here: what PYNQ's image says that this board is (its variable BOARD); nothing is known of a board that
            edgemoe-gen does not have.

    Raises:
        OverlayError: this board has another chip than the overlay is for.
    """
    name = _plain(here or "")
    # PYNQ calls the Ultra96 V2 "Ultra96".
    known = [found for found in board_names() if name and _plain(found).startswith(name)]
    if len(known) != 1:
        return
    board = load_board(known[0])
    if board.part.lower() != installed.part.lower():
        raise OverlayError(
            f"the overlay {installed.manifest.name} is for the {installed.title} ({installed.part}), but this board is "
            f"the {board.title} ({board.part})",
            f"build it for this board: edgemoe-gen build ... --board {board.name}",
        )


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def open_frame(path: Path, installed: Installed) -> NDArray[np.uint8]:
    """A picture for the board, uint8 [height, width, 3]: the same pixels as for every other backend.

    Raises:
        ImageError: unreadable, of a wrong size, or a ready network input instead of pixels.
    """
    values = open_picture(path, installed.image).values
    if path.suffix == ".npy" and read_array(path).dtype != np.uint8:
        raise ImageError(
            f"{path} holds a ready network input, but the board takes pixels", "give a picture, or uint8 pixels"
        )
    return pixels(values, installed.image)


@contextmanager
def opened(
    installed: Installed, simulated: bool, engine: str = CSIM, progress: Progress = no_progress
) -> Iterator[tuple[Accelerator, str]]:
    """The overlay on its board, and the tier of its times: `MEASURED`, `SIMULATED` or `SIMULATED_RTL`.

    Args:
        simulated: on the simulated board, whose engine is `engine`.
        progress: of what is compiled for it, and of long runs in RTL.

    Raises:
        ConfigError: a package that the engine needs is not installed.
        OverlayError: no PYNQ, no board, or the overlay is refused.
    """
    check_kind(engine)
    if not simulated:
        _refuse_preview(installed)
        check_board(installed, os.environ.get("BOARD"))
    timeout = SIMULATED_TIMEOUT_SECONDS if simulated else TIMEOUT_SECONDS
    with ExitStack() as stack:
        if simulated:
            stack.enter_context(_simulated_board(installed.manifest.folder, engine, progress))
        yield stack.enter_context(Accelerator(installed.manifest.folder, timeout=timeout)), tier_of_active_board()


def prepare_engine(installed: Installed, engine: str, progress: Progress) -> None:
    """Compiles what an engine in RTL needs, which takes minutes the first time; then it is in the cache.

    Raises:
        ConfigError: a package of the extra `rtl` is not installed.
        OverlayError, SimulationError: it can't be made.
    """
    if engine == RTL:
        from edgemoe_gen.simulated.designs import find_design
        from edgemoe_gen.simulated.rtl import compile_rtl

        design = find_design(installed.manifest.folder)
        assert design is not None, "every overlay has a manifest, which says its design"
        compile_rtl(design, progress)


def _refuse_preview(installed: Installed) -> None:
    """Says so before a board is looked for; a board that a simulation has plugged in is none."""
    pynq = sys.modules.get("pynq")
    plugged = getattr(getattr(pynq, "Device", None), "_active_device", None)
    if not installed.manifest.has_bitstream and not getattr(plugged, "is_simulated", False):
        raise OverlayError(
            f"{installed.manifest.folder} is a preview, made before synthesis for the simulated board only: a board "
            "needs an overlay with a bitstream",
            "add --simulated; or build the bitstream, where Vivado is, and take OUTPUT/overlay",
        )


def tier_of_active_board() -> str:
    """Tier of times on PYNQ's active device. Only PYNQ's own devices are boards."""
    device = importlib.import_module("pynq").Device.active_device
    if type(device).__module__.startswith("pynq."):
        return MEASURED
    return SIMULATED_RTL if getattr(device, "kind", CSIM) == RTL else SIMULATED


def _simulated_board(folder: Path, engine: str, progress: Progress) -> AbstractContextManager[object]:
    try:
        importlib.import_module("pynq")
    except ImportError as error:
        raise OverlayError(
            f"pynq can't be imported: {error}", f"the simulated board needs PYNQ too: {installing('pynq')}"
        ) from error
    from edgemoe_gen.simulated.board import SimulatedBoard

    return SimulatedBoard(folder, engine=engine, on_compile=progress, say=lambda text: progress(text, 0, 0))
