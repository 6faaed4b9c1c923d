"""The design of a bitstream, from the files around it: an overlay's manifest, or a build's `design.json`.

In: a folder. Out: the design, whose sources this version renders again; files of another version are refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgemoe_gen.base.build_files import ACCELERATOR, DESIGN, Document
from edgemoe_gen.base.errors import EdgeMoEError, OverlayError
from edgemoe_gen.base.parsing import read_json
from edgemoe_gen.design import Design, Knobs, make_design
from edgemoe_gen.hardware.boards import Board, load_board
from edgemoe_gen.overlay.driver.manifest import MANIFEST

BUILD_AGAIN = "build the project again with this version of edgemoe-gen"


def find_design(folder: Path) -> Design | None:
    """The design of the .bit in a folder: of an overlay, or of a build; None for one that this project did not make.

    Raises:
        OverlayError: the files are damaged, or another version of edgemoe-gen made them.
    """
    built = next((p for p in (folder / DESIGN.name, folder.parent / ACCELERATOR / DESIGN.name) if p.is_file()), None)
    if (folder / MANIFEST).is_file():
        return _overlay_design(folder / MANIFEST)
    return None if built is None else _built_design(built)


def _overlay_design(path: Path) -> Design:
    facts = _read(path)
    try:
        said, name = facts["design"], str(facts["board"]["name"])
        board = _board(name, str(facts["board"]["part"]), path.parent)
        return _made(path, said["knobs"], board, str(said["identity"]))
    except (KeyError, TypeError, ValueError) as error:
        raise OverlayError(f"{path} is damaged: {type(error).__name__} {error}", BUILD_AGAIN) from error


def _built_design(path: Path) -> Design:
    facts = _read(path, DESIGN)
    try:
        knobs = {name: knob["value"] for name, knob in facts["knobs"].items()}
        return _made(path, knobs, _listed_board(facts["board"]), str(facts["identity"]))
    except (KeyError, TypeError, ValueError) as error:
        raise OverlayError(f"{path} is damaged: {type(error).__name__} {error}", BUILD_AGAIN) from error


def _board(name: str, part: str, overlay: Path) -> Board:
    """A board by name; one of the user's own is in the `design.json` of the build that the overlay lies in."""
    for path in (folder / ACCELERATOR / DESIGN.name for folder in list(overlay.parents)[:3]):
        if path.is_file():
            board = _listed_board(_read(path, DESIGN)["board"])
            if (board.name, board.part) == (name, part):
                return board
    try:
        return load_board(name)
    except EdgeMoEError as error:
        raise OverlayError(
            f"the overlay in {overlay} is for board '{name}', which is none of those that come with edgemoe-gen",
            "leave the overlay in the folder of its build, which knows the board",
        ) from error


def _listed_board(facts: dict[str, Any]) -> Board:
    return Board(**{**facts, "memory_ports": tuple(facts["memory_ports"])})


def _made(path: Path, knobs: dict[str, Any], board: Board, identity: str) -> Design:
    try:
        design = make_design(Knobs(**knobs), board)
    except EdgeMoEError as error:
        raise OverlayError(f"{path} names a design that can't be made: {error.message}", BUILD_AGAIN) from error
    if f"{design.identity:016x}" != identity:
        raise OverlayError(
            f"{path} is of design {identity}, but from its knobs this version of edgemoe-gen renders "
            f"{design.identity:016x}",
            BUILD_AGAIN,
        )
    return design


def _read(path: Path, document: Document | None = None) -> dict[str, Any]:
    """A table of a JSON file; `document` says which it is, if it has a schema."""
    try:
        facts = document.read(path.parent) if document else read_json(path)
    except (OSError, ValueError) as error:
        raise OverlayError(f"{path} can't be read: {error}", BUILD_AGAIN) from error
    if not isinstance(facts, dict):
        raise OverlayError(f"{path} is damaged: it holds no table", BUILD_AGAIN)
    return facts
