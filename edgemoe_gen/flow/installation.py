"""Parts of AMD's tools beside programs: board files, licences, and a tool's answer to -version.

Facts: UG973 (release notes, installation and licensing) for licences and editions, UG895 for where board files lie.
"""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from edgemoe_gen.base.reading import open_regular
from edgemoe_gen.flow.process import MARK, end_processes
from edgemoe_gen.flow.tools import Tool, Toolset, inside, is_file, tool_environment
from edgemoe_gen.hardware.boards import Board

# UG973 2022.2, table "Architecture Support": the Zynq UltraScale+ devices of the free Standard Edition. XCK26, of the
# Kria K26, is an XCZU5EV. What is larger than these needs the Enterprise Edition.
FREE_DEVICES = (
    "xczu2eg", "xczu2cg", "xczu3eg", "xczu3cg", "xczu4eg", "xczu4cg", "xczu4ev", "xczu5eg", "xczu5cg", "xczu5ev",
    "xczu7eg", "xczu7cg", "xczu7ev", "xck26",
)  # fmt: skip
LICENSED_DEVICES = re.compile(r"xczu(?:6|9|11|15|17|19)(?:eg|cg)")
ALWAYS_LICENSED = "2026.1"  # from here on Vivado starts only with a licence file, of the free tier Basic at least
_BOARD_FOLDERS = ("data/boards/board_files", "data/xhub/boards/XilinxBoardStore/boards")
_DEPTH = 5  # folders between a store and a board.xml at most: Xilinx/vmk180/production/3.1/board.xml
_HEAD = 1 << 13


def board_versions(tools: Toolset, board: Board, environ: Mapping[str, str] = os.environ) -> dict[str, Path]:
    """Folders of the board's files by their version, whichever versions there are."""
    vendor, _, rest = board.board_part.lower().partition(":")
    name = rest.partition(":")[0]
    found: dict[str, Path] = {}
    for store in _stores(tools, environ):
        for file in _board_xmls(store):
            text = _head(file)
            said = re.search(r"<board\s[^>]*>", text)
            version = re.search(r"<file_version>\s*([\w.]+)\s*</file_version>", text)
            if not (said and version):
                continue
            names = dict(re.findall(r'(\w+)\s*=\s*"([^"]*)"', said[0]))
            if (names.get("vendor", "").lower(), names.get("name", "").lower()) == (vendor, name):
                found.setdefault(version[1], file.parent)
    return found


def _head(file: Path) -> str:
    """The first few kilobytes of a text file; "" of one that cannot be read."""
    try:
        with open_regular(file) as stream:
            return stream.read(_HEAD).decode("utf-8", errors="replace")
    except OSError:
        return ""


def _stores(tools: Toolset, environ: Mapping[str, str]) -> Iterator[Path]:
    if tools.vivado:
        home = tools.vivado.home
        # From 2025.1 on, Vivado and Vitis share RELEASE/data beside RELEASE/Vivado.
        for base in (home, home.parent):
            yield from (base / folder for folder in _BOARD_FOLDERS)
        if environ.get("HOME"):
            user = Path(environ["HOME"]) / ".Xilinx" / "Vivado"
            yield from (user / tools.vivado.release / part for part in ("xhub", "data/boards/board_files"))


def _board_xmls(folder: Path, depth: int = _DEPTH) -> Iterator[Path]:
    file = folder / "board.xml"
    if is_file(file):
        yield file
    elif depth:
        for inner in inside(folder):
            yield from _board_xmls(inner, depth - 1)


def is_free(board: Board) -> bool | None:
    """Whether AMD's free edition covers the board's device; None for an unknown device."""
    device = board.part.lower().partition("-")[0]
    if device in FREE_DEVICES:
        return True
    return False if LICENSED_DEVICES.match(device) else None


def licences(environ: Mapping[str, str] = os.environ) -> tuple[list[str], list[str]]:
    """Places where AMD's tools look for licences: existing places and servers, and named places that are empty.

    The order is that of the tools (UG973): XILINXD_LICENSE_FILE, LM_LICENSE_FILE, ~/.Xilinx/*.lic. Servers are not
    asked.
    """
    there: list[str] = []
    gone: list[str] = []
    for variable in ("XILINXD_LICENSE_FILE", "LM_LICENSE_FILE"):
        for part in filter(None, environ.get(variable, "").split(os.pathsep)):
            path = Path(part).expanduser()
            server = re.fullmatch(r"\d*@[\w.-]+", part)
            exists = is_file(path) or bool(inside(path, "*.lic"))
            (there if server or exists else gone).append(f"{part} (${variable})")
    if environ.get("HOME"):
        there += [str(path) for path in inside(Path(environ["HOME"]) / ".Xilinx", "*.lic")]
    return there, gone


def ask_release(tool: Tool, environ: Mapping[str, str] = os.environ, seconds: float = 60.0) -> str:
    """Release by the tool's own answer, or "". Starts the tool, in a separate folder since it writes logs there."""
    option = "-version" if tool.name in ("vivado", "vitis_hls") else "--version"
    mark = secrets.token_hex(8)
    with tempfile.TemporaryDirectory(prefix="edgemoe-") as folder:
        try:
            process = subprocess.Popen(
                [str(tool.path), option],
                cwd=folder,
                env={**tool_environment(tool, environ), MARK: mark},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError:
            return ""
        try:
            said = process.communicate(timeout=seconds)[0].decode("utf-8", errors="replace")
        except subprocess.TimeoutExpired:
            said = ""
        finally:
            end_processes(mark, grace=0.5)
            process.communicate()
    match = re.search(r"\bv?(20\d\d\.\d)", said)
    return match[1] if match else ""
