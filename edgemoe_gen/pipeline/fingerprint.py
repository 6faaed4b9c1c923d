"""Whether a build has anything to do, by facts of files alone: no checkpoint is read, no picture decoded.

At the end of a build its fingerprint is kept: path, device, inode, size and both times in nanoseconds of every file
    that
it read or made, and the tools of the machine. If the fingerprint still matches, nothing has changed. If anything
differs, hashes of the contents decide: a fingerprint may say "look closer", never "changed".

A program can set a file's modification time, but not its status-change time, which every write updates. So the only
risk is a clock that has not ticked since. Inputs are inspected before they are read, and none may be younger than
`YOUNG`. Outputs are inspected when their file system's clock has ticked after the last of them.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgemoe_gen.base.build_files import REPORT
from edgemoe_gen.base.errors import EdgeMoEError
from edgemoe_gen.base.files import write_text_whole
from edgemoe_gen.base.installed import PACKAGE, resource_folder
from edgemoe_gen.base.locks import STATE
from edgemoe_gen.base.parsing import read_json
from edgemoe_gen.base.version import __version__
from edgemoe_gen.flow.tools import TOOL_STAGES, find_tools, why_missing
from edgemoe_gen.pictures.found import find_pictures
from edgemoe_gen.pictures.truth import find_truth
from edgemoe_gen.pipeline.options import BuildOptions, BuildResult
from edgemoe_gen.pipeline.stages.table import STAGES
from edgemoe_gen.pipeline.support.folders import NOTES, StageResult
from edgemoe_gen.pipeline.support.state import digest_text
from edgemoe_gen.pipeline.support.vendor import FOLDER, LOGS
from edgemoe_gen.project.config import DEFAULT_BOARD, DEFAULT_OUTPUT, Config
from edgemoe_gen.sim.cache import find_library
from edgemoe_gen.sim.compiler import toolchain

FILE = "fingerprint.json"
YOUNG = 2 * 10**9  # ns: no clock of a file system is coarser
_WAIT = 2.5  # s for an output's clock to tick
_FOREIGN = (FOLDER, LOGS, STATE)  # of the output folder: no stage's result is in there


@dataclass(frozen=True)
class Known:
    """A build that has nothing to do: its last result, and the clock of its design."""

    result: BuildResult
    clock_mhz: float

    @property
    def stages(self) -> frozenset[str]:
        """Names of the stages that are up to date."""
        return frozenset(stage.name for stage in self.result.stages if not stage.left_out)


def look(config: Config) -> str:
    """Fingerprint of all files that a project's build reads; "" where times would not show a change of some file."""
    try:
        facts = [_facts(path) for path in _inputs(config)]
    except (OSError, EdgeMoEError):  # whoever reads it says what is wrong
        return ""
    if any(_changed(fact) > time.time_ns() - YOUNG for fact in facts):
        return ""
    return digest_text(__version__, config, *facts)


def remember(
    seen: str, options: BuildOptions, result: BuildResult, clock_mhz: float, libraries: Iterable[str],
    notes: Sequence[str],
) -> None:  # fmt: skip
    """Keeps the fingerprint of a build that has ended well.

    Args:
        seen: by `look`, before anything was read.
        options, result: those of the build.
        clock_mhz: clock of its design.
        libraries: names of the compiled libraries that it needs.
        notes: notes of the result that also hold the next time.
    """
    output, names = result.output, list(libraries)
    path = output / STATE / FILE
    path.unlink(missing_ok=True)
    if not seen or _always_runs(options):
        return
    left = [_facts(file) for file in _outputs(output)]
    if not _ticked(path, max(map(_changed, left))):
        return
    facts = {
        "version": __version__,
        "seen": seen,
        "asked": _asked(options),
        "left": digest_text(*left),
        "machine": _machine(),
        "libraries": names,
        "clock_mhz": clock_mhz,
        "headline": result.headline,
        "stages": [asdict(stage) for stage in result.stages],
        "stopped": [result.stopped_before, result.stopped_why],
        "report": bool(result.report),
        "notes": list(notes),
        "overlay": None if result.overlay is None else result.overlay.relative_to(output).as_posix(),
    }
    write_text_whole(path, json.dumps(facts, indent=2) + "\n")


def is_kept(output: Path) -> bool:
    """Whether a folder has the fingerprint of a build."""
    return (output / STATE / FILE).is_file()


def recall(config: Config, options: BuildOptions) -> Known | None:
    """The last build of this project, if nothing is left to do; None where hashes must decide."""
    output = config.output or Path(DEFAULT_OUTPUT)
    if _always_runs(options):
        return None
    try:
        facts = read_json(output / STATE / FILE)
        if facts["version"] != __version__ or facts["asked"] != _asked(options):
            return None
        if facts["seen"] != look(config) or facts["left"] != digest_text(*map(_facts, _outputs(output))):
            return None
        if facts["machine"] != _machine() or not all(map(find_library, facts["libraries"])):
            return None
        return _known(output, facts)
    except (OSError, ValueError, KeyError, TypeError, EdgeMoEError):
        return None


def _known(output: Path, facts: Mapping[str, Any]) -> Known:
    stages = tuple(
        StageResult(stage["name"], 0.0, not stage["left_out"], stage["detail"], stage["left_out"])
        for stage in facts["stages"]
    )
    report = REPORT.read(output) if facts["report"] else {}
    overlay = None if facts["overlay"] is None else output / facts["overlay"]
    before, why = facts["stopped"]
    return Known(
        BuildResult(output, facts["headline"], stages, before, why, report, overlay, tuple(facts["notes"])),
        float(facts["clock_mhz"]),
    )


def _always_runs(options: BuildOptions) -> bool:
    return bool(options.selection.first or options.export)


def _asked(options: BuildOptions) -> list[Any]:
    return [options.selection.last, list(options.selection.also), options.retry_clock]


def _machine() -> str:
    """Facts of the machine for stages: another compiler, or a new tool, gives them something to do."""
    try:
        compiler = toolchain()
    except EdgeMoEError as error:
        compiler = error.message
    tools = find_tools()
    left_out = (stage.left_out_why() for stage in STAGES)
    return digest_text(sys.version, compiler, *left_out, *(why_missing(step, tools) for step in TOOL_STAGES))


def _inputs(config: Config) -> Iterator[Path]:
    if config.checkpoint is not None:
        yield from _below(config.checkpoint)
    pictures = find_pictures(config.images or ())
    yield from pictures
    yield from find_truth(pictures, config.labels).values()
    yield from find_pictures(config.calibrate or ())
    yield from config.hooks.values()
    if (board := config.board or DEFAULT_BOARD).endswith(".toml"):
        yield Path(board)
    for folder in (PACKAGE, *(resource_folder(name) for name in ("templates", "hls", "boards"))):
        yield from (path for path in _below(folder) if path.suffix != ".pyc")


def _outputs(output: Path) -> Iterator[Path]:
    yield output / STATE / NOTES
    for path in sorted(output.iterdir()):
        if path.name not in _FOREIGN:
            yield from _below(path)


def _below(path: Path) -> Iterator[Path]:
    """A file; or all files below a folder."""
    if not path.is_dir():
        yield path
        return
    for folder, folders, files in os.walk(path):
        folders.sort()
        yield from (Path(folder, name) for name in sorted(files))


Facts = tuple[str, int, int, int, int, int]


def _facts(path: Path) -> Facts:
    try:
        known = path.stat()
    except FileNotFoundError:
        return str(path), 0, 0, 0, 0, 0
    return str(path), known.st_dev, known.st_ino, known.st_size, known.st_mtime_ns, known.st_ctime_ns


def _changed(facts: Facts) -> int:
    return facts[-1]


def _ticked(probe: Path, newest: int) -> bool:
    """Waits until a file that is written now is younger than `newest`, so that no later write can pass for it."""
    end = time.monotonic() + _WAIT
    try:
        while time.monotonic() < end:
            probe.write_text("", encoding="utf-8")
            if probe.stat().st_ctime_ns > newest:
                return True
            time.sleep(0.005)
        return False
    finally:
        probe.unlink(missing_ok=True)
