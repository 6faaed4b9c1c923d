"""Causes of a tool's failure outside the tool: the system's headers and start files, folders, a container, its runs.

In: evidence of the failed run. Out: the cause and a remedy, or None. `failures` asks these functions in its order.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

Cause = tuple[str, str]  # what happened, what to do

_HLS_STAGES = ("hls", "cosim", "ip")
_OURS = ("src", "testbench")  # folders of the kit that hold sources
# "message (file:7:11)" of the tool's front end, "file:7:11: error: message" of gcc.
_FRONT_END = re.compile(r"\[(HLS 207-\d+)\] (.*?) \(([^()\s]+?):(\d+)(?::\d+)?\)")
_GCC = re.compile(r"(\S+?):(\d+)(?::\d+)?: (?:fatal )?error: (.*)")
_MISSING_HEADER = re.compile(r"'([^']+)' file not found|(\S+): No such file or directory")
_RUN = re.compile(r"[Ff]ailed run\(s\) : '(\w+)|due to failures in the following run\(s\):?\s+(\w+)")
INSTALL_HEADERS = "on Debian or Ubuntu: apt-get install -y libc6-dev gcc-multilib; elsewhere its 32-bit C headers too"


@dataclass(frozen=True)
class Evidence:
    """Evidence of a failed run.

    Attributes:
        stage: of the build.
        title: name and release of the tool.
        signal: signal that ended the run; 0 if none did.
        text: both ends of the log.
        lines: the tool's own error lines, those with a reason first.
        scripts: last messages of Tcl scripts.
        free: free bytes of disk.
        folder: the kit.
    """

    stage: str
    title: str
    signal: int
    text: str
    lines: tuple[str, ...]
    scripts: tuple[str, ...]
    free: int
    folder: Path

    def line(self, pattern: str | re.Pattern[str]) -> re.Match[str] | None:
        """First error line that holds a pattern."""
        return next(filter(None, (re.search(pattern, line) for line in self.lines)), None)


def hook(evidence: Evidence) -> Cause | None:
    """Tcl of the user's own."""
    match = evidence.line(r"ERROR: \[edgemoe hook\] (\w+) \(([^)]*)\): (.*)")
    if not match:
        return None
    return (
        f"the hook '{match[1]}' stopped: {_short(match[3])}",
        f"mend the file that [flow.hooks] in edgemoe.toml names for it (in the kit: {match[2]}), then build again",
    )


def start_files(evidence: Evidence) -> Cause | None:
    """The tool brings a compiler, but takes the system's start files and C library."""
    match = evidence.line(r"\bld(?:\.\w+)?: cannot find (?:-l)?([\w.+-]+)")
    if not match:
        return None
    return (
        f"{evidence.title} cannot link the C test bench: its linker does not find {match[1]} of this system",
        "install the C library's development files (apt-get install -y libc6-dev g++), and set "
        "LIBRARY_PATH=/usr/lib/x86_64-linux-gnu, where Debian and Ubuntu keep them",
    )


def headers(evidence: Evidence) -> Cause | None:
    """Headers of the system or of the tool itself that do not compile."""
    if evidence.stage not in _HLS_STAGES:
        return None
    found = evidence.line(_FRONT_END)
    place, number, said = (found[3], found[4], f"{found[2]} [{found[1]}]") if found else ("", "", "")
    if not found:
        match = evidence.line(_GCC)
        if not match:
            return None
        place, number, said = match[1], match[2], match[3]
    missing = _MISSING_HEADER.search(said)
    if missing:  # the design's own headers are always there: they are rendered with it
        return (
            f"{evidence.title} cannot compile here: this system has no header {missing[1] or missing[2]}, which "
            f"{place} includes",
            f"install the system's C headers: {INSTALL_HEADERS}",
        )
    if not Path(place).is_absolute() or Path(place).parent.name in _OURS:
        return None
    return (
        f"{evidence.title} cannot compile headers that are not of the design: {_short(said)} ({place}:{number})",
        "headers of this system and of the tool do not go together: unset CPATH, C_INCLUDE_PATH, CPLUS_INCLUDE_PATH; "
        "remove a package that shadows the tool's own (libgmp-dev and libmpfr-dev do); or use a release that AMD "
        "supports on this system",
    )


def forbidden(evidence: Evidence) -> Cause | None:
    """A folder that the tool makes for itself, mostly below the user's home."""
    match = evidence.line(r"Permission denied: \"([^\"]+)\"")
    if not match:
        return None
    home = "/.Xilinx" in match[1]
    return (
        f"{evidence.title} may not write to {match[1]}",
        "set HOME to a folder that you can write to: the tool keeps its settings in HOME/.Xilinx"
        if home
        else "mend the permissions of that folder, or build into another one with --output",
    )


def udev(evidence: Evidence) -> Cause | None:
    """The licence manager asks udev for devices, which fails in containers without it."""
    if not re.search(r"libudev\.so[\w.]*\(udev_enumerate_scan_devices|udev_enumerate_scan_devices\+0x", evidence.text):
        return None
    return (
        f"{evidence.title} crashed as it asked libudev for this machine's devices, as it does in containers",
        "start the build with LD_PRELOAD=/lib/x86_64-linux-gnu/libudev.so.1 in its environment, or run it outside of "
        "the container",
    )


def packaging(evidence: Evidence) -> Cause | None:
    """The tool packages an IP by a Tcl script of its own, whose error stands above the one with a number."""
    if evidence.stage != "ip" or "[IMPL 213-28]" not in evidence.text or not evidence.scripts:
        return None
    return (
        f"{evidence.title} cannot package the IP: its own script stopped: {_short(evidence.scripts[0])}",
        "the lines of Tcl above [IMPL 213-28] in the log say where; that is a fault of the tool or of an interface "
        "that it cannot describe: try another release, and report it with the log",
    )


def run(evidence: Evidence) -> Cause | None:
    """A run of a Vivado project that left no reason: each has a log of its own."""
    match = _RUN.search(evidence.text)
    if evidence.stage != "bitstream" or not match:
        return None
    name = match[1] or match[2]
    logs = sorted(evidence.folder.glob(f"vivado_project/*.runs/{name}/runme.log"))
    place = logs[0] if logs else f"vivado_project/*.runs/{name}/runme.log in {evidence.folder}"
    return (f"Vivado's run '{name}' failed", f"its own log says why: {place}")


def _short(line: str) -> str:
    return line if len(line) <= 200 else f"{line[:200].rstrip()} ..."
