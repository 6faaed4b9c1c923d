"""Requirements of the stages from synthesis on: tools, board files, licence, disk and memory.

In: the tools found and the boards asked for. Out: checks for `edgemoe-gen doctor`. Nothing is changed, no server asked.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from edgemoe_gen.flow.check import Check
from edgemoe_gen.flow.failures import GET_BOARD_FILES
from edgemoe_gen.flow.installation import ALWAYS_LICENSED, ask_release, board_versions, is_free, licences
from edgemoe_gen.flow.tools import OLDEST, Toolset, date_note, hls_generation, packages_wrong
from edgemoe_gen.hardware.boards import Board

# This project's figures, not AMD's. Disk: HLS project, Vivado project with its checkpoints, and reports of one design.
# Memory: one run on a ZU7EV. AMD asks for 32 GB for Vitis as a whole (UG1400 2022.2, "Installation Requirements").
FLOW_DISK_GB, FLOW_MEMORY_GB = 10.0, 16.0
_INSTALL = f"install AMD Vitis ({OLDEST} or newer) and source its settings64.sh; not needed up to lint"
_PURPOSES = {
    "vitis_hls": "hls, cosim, ip with releases up to 2024.2",
    "vitis-run": "hls, cosim, ip with releases from 2023.1",
    "v++": "hls with releases from 2023.1",
    "vivado": "bitstream",
}


def named_releases(tools: Toolset, environ: Mapping[str, str] = os.environ) -> Toolset:
    """The tools with their releases; a tool whose path names none is asked, which takes seconds. Drops old tools."""
    fields = {"vitis_hls": tools.vitis_hls, "vitis_run": tools.vitis_run, "vpp": tools.vpp, "vivado": tools.vivado}
    named = {
        field: replace(tool, release=ask_release(tool, environ))
        for field, tool in fields.items()
        if tool and not tool.release
    }
    old = {field: tool for field, tool in named.items() if tool.release and tool.release < OLDEST}
    notes = [f"{tool.title} is too old: {OLDEST} or newer is needed" for tool in old.values()]
    notes += [date_note(tool) for field, tool in named.items() if field not in old and packages_wrong(tool)]
    return replace(tools, **named | dict.fromkeys(old), notes=(*tools.notes, *notes))


def vendor_checks(
    tools: Toolset, boards: Sequence[Board], environ: Mapping[str, str] = os.environ, folder: Path | None = None
) -> list[Check]:
    """All checks.

    Args:
        tools: from `find_tools`.
        boards: boards to look at.
        environ: licence variables and HOME.
        folder: where a build would write; by default the current folder.
    """
    checks = [_tool(name, purpose, tools) for name, purpose in _PURPOSES.items()]
    if tools.notes:
        checks.append(Check("tool releases", "low", "; ".join(tools.notes), "hls to bitstream"))
    checks += [_board_files(tools, board, environ) for board in boards] if tools.vivado else []
    return [*checks, _licence(tools, boards, environ), _disk(folder or Path.cwd()), _memory()]


def _tool(name: str, purpose: str, tools: Toolset) -> Check:
    tool = next((tool for tool in tools.found if tool.name == name), None)
    if tool:
        place = f"{tool.path}, from PATH" if tool.origin == "PATH" else f"{tool.path}, by {tool.origin}"
        return Check(name, "ok", f"{tool.release or 'release unknown'}: {place}", purpose)
    generation = hls_generation(tools)
    if name != "vivado" and generation:
        others = {"classic": "Tcl scripts with", "unified": "hls.cfg with"}[generation]
        used = " and ".join(other.name for other in tools.found if other.name != "vivado")
        return Check(name, "not needed", f"not found; {others} {used} are used", purpose)
    return Check(name, "missing", "not found", purpose, _INSTALL)


def _board_files(tools: Toolset, board: Board, environ: Mapping[str, str]) -> Check:
    name, purpose = f"board files {board.name}", f"bitstream for {board.title}"
    versions = board_versions(tools, board, environ)
    wanted = board.board_part.rpartition(":")[2]
    if wanted in versions:
        return Check(name, "ok", f"{board.board_part}: {versions[wanted]}", purpose)
    others = f"; there is {', '.join(sorted(versions))}" if versions else ""
    return Check(name, "missing", f"no {board.board_part}{others}", purpose, GET_BOARD_FILES)


def _licence(tools: Toolset, boards: Sequence[Board], environ: Mapping[str, str]) -> Check:
    there, gone = licences(environ)
    licensed = [board.name for board in boards if is_free(board) is False]
    always = bool(tools.vivado and tools.vivado.release >= ALWAYS_LICENSED)
    free = [board.name for board in boards if is_free(board)]
    covers = f"the free edition covers {', '.join(free)}" if free else "the free edition covers none of these boards"
    covers += f", not {', '.join(licensed)}" if licensed and free else ""
    purpose = "bitstream; Vitis HLS takes a free one"
    absent = f"; named but not there: {', '.join(gone)}" if gone else ""
    if there:
        return Check("licence", "low" if gone else "ok", f"{', '.join(there)}{absent}; {covers}", purpose, _gone(gone))
    advice = "set XILINXD_LICENSE_FILE to your licence file or port@server, or put it in ~/.Xilinx"
    if always:
        advice += f"; Vivado {ALWAYS_LICENSED} and newer start only with one: the tier Basic is free at amd.com"
        return Check("licence", "missing", f"none{absent}; {covers}", purpose, advice)
    if licensed:
        return Check(
            "licence",
            "low" if free else "missing",
            f"none{absent}; {covers}",
            purpose,
            f"{advice}: for {', '.join(licensed)}",
        )
    return Check("licence", "low" if gone else "ok", f"none{absent}; {covers}", purpose, _gone(gone))


def _gone(gone: Sequence[str]) -> str:
    return f"mend or unset what names a licence that is not there: {', '.join(gone)}" if gone else ""


def _disk(folder: Path) -> Check:
    free = shutil.disk_usage(folder).free / 1e9
    found, purpose = f"{free:,.1f} GB free in {folder}", "hls to bitstream"
    if free < FLOW_DISK_GB:
        return Check(
            "disk for Vivado", "low", found, purpose, f"a build takes about {FLOW_DISK_GB:g} GB: free some disk"
        )
    return Check("disk for Vivado", "ok", found, purpose)


def _memory() -> Check:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    except (ValueError, OSError):
        return Check("memory for Vivado", "ok", "unknown", "hls to bitstream")
    found = f"{total:,.1f} GB in all"
    if total < FLOW_MEMORY_GB:
        advice = f"{FLOW_MEMORY_GB:g} GB are a fair start for a ZU7EV: set EDGEMOE_JOBS=1, or build on another machine"
        return Check("memory for Vivado", "low", found, "hls to bitstream", advice)
    return Check("memory for Vivado", "ok", found, "hls to bitstream")
