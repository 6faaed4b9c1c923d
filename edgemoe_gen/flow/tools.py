"""AMD's tools on this machine: the installed tools, their releases, and the commands of each stage.

Nothing here starts a tool: starting one takes many seconds. The release comes from the path that AMD's installer gives.
PATH comes first, then the variables of AMD's settings64.sh, then the usual install folders, newest release first.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgemoe_gen.base.errors import ConfigError, EdgeMoEError

HLS_TOOLS = ("vitis_hls", "vitis-run", "v++")
NAMES = (*HLS_TOOLS, "vivado")
OLDEST = "2021.1"
# Packaging makes a revision of the date, which older releases can't hold since 2022 (AMD answer record 76960).
PACKAGES_SINCE_2022 = "2022.1"
DATE_OVERFLOW = "cannot package an IP since 2022: AMD's date overflow in releases up to 2021.2"
DATE_PATCH = f"install AMD's patch of answer record 76960 (y2k22_patch), or use {PACKAGES_SINCE_2022} or newer"
TOOL_STAGES = ("hls", "cosim", "ip", "rtl_ip", "bitstream")
DEFAULT_ROOTS = tuple(
    Path(folder).expanduser()
    for folder in (
        "/tools/Xilinx", "/opt/Xilinx", "/opt/xilinx", "~/Xilinx", "/tools/AMD", "/opt/AMD", "~/AMD",
        "/opt/AMDDesignTools", "~/AMDDesignTools",
    )
)  # fmt: skip
ROOTS_VARIABLE = "EDGEMOE_TOOLS"  # install folders to look in, in place of DEFAULT_ROOTS; empty for none
JOBS_VARIABLE = "EDGEMOE_JOBS"  # number of parallel runs that the Vivado script starts
# What settings64.sh of each product sets to the product's folder.
_VARIABLES = {
    "XILINX_HLS": ("vitis_hls", "vitis-run"),
    "XILINX_VITIS": ("vitis_hls", "vitis-run", "v++"),
    "XILINX_VIVADO": ("vivado",),
}
_OWN_VARIABLE = {"vitis_hls": "XILINX_HLS", "vitis-run": "XILINX_VITIS", "v++": "XILINX_VITIS"}
_RELEASE = re.compile(r"[A-Za-z_-]*(20\d\d\.\d)(?:\.\d+)?")
Generation = Literal["classic", "unified"]
_COMPONENT = ("--config", "hls.cfg", "--work_dir", "hls_component")
# What each stage of Vitis HLS runs: of the programs that take Tcl scripts, and of those that take hls.cfg.
HLS_COMMANDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "vitis_hls": {stage: ("vitis_hls", "-f", f"flow/{stage}.tcl") for stage in ("hls", "cosim", "ip")},
    "vitis-run": {
        stage: ("vitis-run", "--mode", "hls", "--tcl", f"flow/{stage}.tcl") for stage in ("hls", "cosim", "ip")
    },
    "unified": {
        "hls": ("v++", "-c", "--mode", "hls", *_COMPONENT),
        "cosim": ("vitis-run", "--mode", "hls", "--cosim", *_COMPONENT),
        "ip": ("vitis-run", "--mode", "hls", "--package", *_COMPONENT),
    },
}
# What Vivado runs; "rtl_ip" packages RTL that Vitis HLS has not made. -nojournal and a fixed log name keep a second run
# from leaving vivado_1234.backup.* files (UG835).
VIVADO_COMMANDS: Mapping[str, tuple[str, ...]] = {
    stage: ("vivado", "-mode", "batch", "-nojournal", "-log", "vivado.log", "-source", f"flow/{stage}.tcl")
    for stage in ("rtl_ip", "bitstream")
}


class MissingToolError(EdgeMoEError):
    """A stage needs a vendor tool that is not on this machine."""


@dataclass(frozen=True)
class Tool:
    """One program.

    Attributes:
        name: "vitis_hls", "vitis-run", "v++" or "vivado".
        path: the program as found.
        release: release such as "2023.2"; "" where the path does not tell it.
        origin: "PATH", "$XILINX_VIVADO" and the like, or the install folder.
    """

    name: str
    path: Path
    release: str
    origin: str

    @property
    def title(self) -> str:
        """Name and release."""
        return f"{self.name} {self.release}".strip()

    @property
    def home(self) -> Path:
        """Folder of the product, which holds `bin`. Links are followed."""
        return self.path.resolve().parent.parent


@dataclass(frozen=True)
class Toolset:
    """The tools that stages use, and notes on the choice."""

    vitis_hls: Tool | None = None
    vitis_run: Tool | None = None
    vpp: Tool | None = None
    vivado: Tool | None = None
    notes: tuple[str, ...] = ()

    @property
    def found(self) -> tuple[Tool, ...]:
        """All tools that are there."""
        return tuple(tool for tool in (self.vitis_hls, self.vitis_run, self.vpp, self.vivado) if tool)


@dataclass(frozen=True)
class Command:
    """A tool and its arguments. It runs with the kit as its current folder."""

    tool: Tool
    arguments: tuple[str, ...]

    @property
    def argv(self) -> tuple[str, ...]:
        """Arguments for the system."""
        return (str(self.tool.path), *self.arguments)

    def line(self) -> str:
        """The command line for a user, with the tool on PATH."""
        return shlex.join((self.tool.name, *self.arguments))


def is_file(path: Path) -> bool:
    """Whether there is such a file; an unreadable folder in its path means no, not an error."""
    try:
        return path.is_file()
    except OSError:  # of another user's folder, or a name that is too long
        return False


def inside(folder: Path, pattern: str = "*") -> list[Path]:
    """Contents of a folder, in order of names; empty for a missing or unreadable folder."""
    try:
        return sorted(folder.glob(pattern))
    except OSError:
        return []


def release_of(path: Path) -> str:
    """Release that a path names, like "2023.2", or "". The deepest folder that names one counts; links are followed."""
    for candidate in (path, path.resolve()):
        for part in reversed(candidate.parent.parts):
            match = _RELEASE.fullmatch(part)
            if match:
                return match[1]
    return ""


def find_tools(environ: Mapping[str, str] = os.environ, roots: Sequence[Path] | None = None) -> Toolset:
    """Looks for the tools.

    The three HLS programs come from one place, so that a release that the user has put on PATH is not mixed with
    another one below an install folder. Vivado is of the same release where there is one.

    Args:
        environ: PATH, HOME and the variables of settings64.sh.
        roots: install folders; by default those of `EDGEMOE_TOOLS`, or `DEFAULT_ROOTS`.
    """
    notes: list[str] = []
    hls: dict[str, Tool] = {}
    vivado: Tool | None = None
    for place in (_on_path(environ, notes), _by_variables(environ, notes)):
        hls = hls or _hls_of(place)
        vivado = vivado or place.get("vivado")
    if not (hls and vivado):
        installed = _below(_roots(environ) if roots is None else roots, notes)
        if not hls:
            hls = next(filter(None, map(_hls_of, _order(installed, vivado.release if vivado else ""))), {})
        if not vivado:
            anchor = next((tool.release for tool in hls.values()), "")
            vivado = next((place["vivado"] for place in _order(installed, anchor) if "vivado" in place), None)
    notes += [date_note(tool) for tool in hls.values() if packages_wrong(tool)]
    releases = {tool.release for tool in hls.values()} - {""}
    if vivado and vivado.release and releases and vivado.release not in releases:
        notes.append(
            f"Vivado is {vivado.release} but Vitis HLS is {max(releases)}: use tools of one release, as AMD advises"
        )
    return Toolset(hls.get("vitis_hls"), hls.get("vitis-run"), hls.get("v++"), vivado, tuple(dict.fromkeys(notes)))


def packages_wrong(tool: Tool) -> bool:
    """Whether a release can't package an IP as AMD shipped it; a patch cannot be detected."""
    return tool.name in HLS_TOOLS and "" < tool.release < PACKAGES_SINCE_2022


def date_note(tool: Tool) -> str:
    """A note for users of such a release, since hours of work come before packaging."""
    return f"{tool.title} {DATE_OVERFLOW}; {DATE_PATCH}"


def hls_generation(tools: Toolset, tcl: bool = False) -> Generation | None:
    """The way to drive the tools: Tcl scripts ("classic"), or hls.cfg with v++ and vitis-run ("unified").

    `vitis_hls` exists up to 2024.2, v++ and vitis-run together from 2023.1 on (UG1399). `vitis-run` also runs Tcl:
    where there is no v++, or where `tcl` asks for the scripts.
    """
    if tools.vitis_hls:
        return "classic"
    if tools.vitis_run:
        return "unified" if tools.vpp and not tcl else "classic"
    return None


def stage_commands(stage: str, tools: Toolset, tcl: bool = False) -> tuple[Command, ...]:
    """Commands of a stage, in order, with the kit as current folder.

    Args:
        stage: one of `TOOL_STAGES`.
        tools: from `find_tools`.
        tcl: whether synthesis must use the Tcl scripts.

    Raises:
        MissingToolError: a tool is missing.
    """
    if stage not in TOOL_STAGES:
        raise ValueError(f"stage '{stage}' runs no vendor tool")
    missing = why_missing(stage, tools)
    if missing:
        raise MissingToolError(f'stage "{stage}" cannot run here: {missing}', _HINT)
    if stage in VIVADO_COMMANDS:
        name, *arguments = VIVADO_COMMANDS[stage]
    elif tools.vitis_hls:
        name, *arguments = HLS_COMMANDS["vitis_hls"][stage]
    elif hls_generation(tools, tcl) == "classic":
        name, *arguments = HLS_COMMANDS["vitis-run"][stage]
    else:
        name, *arguments = HLS_COMMANDS["unified"][stage]
    return (Command(next(tool for tool in tools.found if tool.name == name), tuple(arguments)),)


_HINT = (
    "install AMD Vitis, which brings Vivado, and source its settings64.sh; `edgemoe-gen doctor` shows what is found "
    "here, and `edgemoe-gen build --export` leaves a kit that runs on another machine"
)


def why_missing(stage: str, tools: Toolset) -> str:
    """The reason why a stage has no tool, or "" if it has one."""
    if stage not in TOOL_STAGES:
        return ""
    if stage in VIVADO_COMMANDS:
        return "" if tools.vivado else f"Vivado ({OLDEST} or newer) was not found"
    if hls_generation(tools):
        return ""
    if tools.vpp:
        return f"{tools.vpp.title} is here, but neither vitis_hls (up to 2024.2) nor vitis-run (from 2023.1) beside it"
    return f"no Vitis HLS was found: neither vitis_hls ({OLDEST} to 2024.2) nor vitis-run and v++ (from 2023.1)"


def tool_environment(tool: Tool, environ: Mapping[str, str], tools: Toolset | None = None) -> dict[str, str]:
    """Environment of a tool, as if settings64.sh had been sourced.

    AMD's launchers set up their own libraries. They need PATH, and the XILINX_ variables by which Vitis HLS finds the
    Vivado that packages its IP and compiles its simulation.

    Args:
        tool: the tool to start.
        environ: the user's environment; nothing that the user has set is lost.
        tools: all tools of the run; those that the user's PATH does not hold are added.

    Raises:
        ConfigError: EDGEMOE_JOBS is no number of runs.
    """
    made = dict(environ)
    made[JOBS_VARIABLE] = str(parallel_jobs(environ))
    path = [part for part in environ.get("PATH", "").split(os.pathsep) if part]
    for other in tools.found if tools else ():
        if other.origin != "PATH" and str(other.path.parent) not in path:
            path.append(str(other.path.parent))
        _set_home(made, other, environ)
    if tool.origin != "PATH":
        own = str(tool.path.parent)
        path = [own, *(part for part in path if part != own)]
        made[_OWN_VARIABLE.get(tool.name, "XILINX_VIVADO")] = str(tool.home)
    made["PATH"] = os.pathsep.join(path)
    return made


def parallel_jobs(environ: Mapping[str, str]) -> int:
    """Parallel runs that the Vivado script starts: EDGEMOE_JOBS, else one for each processor.

    Raises:
        ConfigError: the variable holds no such number. The script would find this out too, but hours later.
    """
    said = environ.get(JOBS_VARIABLE, "").strip()
    if not said:
        return os.cpu_count() or 1
    if not (said.isascii() and said.isdigit() and int(said) > 0):
        raise ConfigError(
            f"{JOBS_VARIABLE} is '{said}', but must be a whole number of parallel runs, 1 or more",
            f"unset {JOBS_VARIABLE} to start one run for each processor",
        )
    return int(said)


def _set_home(made: dict[str, str], tool: Tool, environ: Mapping[str, str]) -> None:
    variable = _OWN_VARIABLE.get(tool.name, "XILINX_VIVADO")
    if tool.origin != "PATH" and variable not in environ:
        made[variable] = str(tool.home)


def _on_path(environ: Mapping[str, str], notes: list[str]) -> dict[str, Tool]:
    folders = [Path(part) for part in environ.get("PATH", "").split(os.pathsep) if part]
    return _usable(((name, folder, "PATH") for name in NAMES for folder in folders), notes)


def _by_variables(environ: Mapping[str, str], notes: list[str]) -> dict[str, Tool]:
    places = (
        (name, Path(environ[variable]) / "bin", f"${variable}")
        for variable, names in _VARIABLES.items()
        if environ.get(variable)
        for name in names
    )
    return _usable(places, notes)


def _roots(environ: Mapping[str, str]) -> Sequence[Path]:
    said = environ.get(ROOTS_VARIABLE)
    return DEFAULT_ROOTS if said is None else [Path(part).expanduser() for part in said.split(os.pathsep) if part]


def _below(roots: Sequence[Path], notes: list[str]) -> list[tuple[str, dict[str, Tool]]]:
    """Tools of each release below the roots, newest release first. Both layouts of AMD's installers are known."""
    folders: dict[str, list[tuple[str, Path, str]]] = {}
    for root in roots:
        for pattern in ("Vitis_HLS/20*", "Vitis/20*", "Vivado/20*", "20*/Vitis_HLS", "20*/Vitis", "20*/Vivado"):
            for home in inside(root, pattern):
                release = release_of(home / "bin" / "tool")
                folders.setdefault(release, []).extend((name, home / "bin", str(root)) for name in NAMES)
    return [(release, _usable(folders[release], notes)) for release in sorted(folders, reverse=True) if release]


def _usable(places: Iterable[tuple[str, Path, str]], notes: list[str]) -> dict[str, Tool]:
    """First program of each name among (name, folder, origin); a program that is too old is noted and skipped."""
    tools: dict[str, Tool] = {}
    for name, folder, origin in places:
        path = (folder / name).absolute()
        if name in tools or not (is_file(path) and os.access(path, os.X_OK)):
            continue
        tool = Tool(name, path, release_of(path), origin)
        if tool.release and tool.release < OLDEST:
            notes.append(f"{tool.title} in {folder} is too old: {OLDEST} or newer is needed")
        else:
            tools[name] = tool
    return tools


def _hls_of(place: Mapping[str, Tool]) -> dict[str, Tool]:
    """The HLS programs of a place, if they can synthesize; v++ alone cannot."""
    if "vitis_hls" not in place and "vitis-run" not in place:
        return {}
    return {name: place[name] for name in HLS_TOOLS if name in place}


def _order(installed: list[tuple[str, dict[str, Tool]]], anchor: str) -> list[dict[str, Tool]]:
    """Places newest first, but those of the anchor's release before all."""
    return [tools for _, tools in sorted(installed, key=lambda pair: pair[0] != anchor)]


__all__ = [
    "Command",
    "MissingToolError",
    "Tool",
    "Toolset",
    "find_tools",
    "hls_generation",
    "inside",
    "is_file",
    "parallel_jobs",
    "release_of",
    "stage_commands",
    "tool_environment",
    "why_missing",
]
