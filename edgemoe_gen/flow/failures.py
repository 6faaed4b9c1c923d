"""The reason of a vendor tool's failure, as one sentence with a hint, from its exit code and its log.

The causes below are tried in order: first causes that stop any run (a library, a licence, disk, memory), then faults of
this design. The message always includes the tool's own first error lines. Logs can be very long: only both ends are
read.
"""

from __future__ import annotations

import errno
import re
import shutil
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

from edgemoe_gen.base.errors import ToolError
from edgemoe_gen.base.reading import ANY, open_regular
from edgemoe_gen.flow import surroundings
from edgemoe_gen.flow.surroundings import Cause, Evidence
from edgemoe_gen.flow.tools import DATE_OVERFLOW, DATE_PATCH, Command

HEAD_BYTES, TAIL_BYTES = 1 << 20, 4 << 20
SHOWN_LINES = 8
FULL_BYTES = 64 << 20  # less free disk than this when a tool has failed: the disk is what it failed for
GET_BOARD_FILES = (
    "in Vivado's Tcl console: xhub::refresh_catalog [xhub::get_xstores xilinx_board_store], then xhub::install "
    "[xhub::get_xitems *NAME*]; or copy the board's folder from github.com/Xilinx/XilinxBoardStore to "
    "data/boards/board_files below Vivado"
)
_LINE = 600  # characters of a line that are kept

# How an error line begins. Lines that a script echoes begin with "# " and do not count.
_ERROR = re.compile(
    r"(?:\[\d\d:\d\d:\d\d\] )?(?:FATAL_)?ERROR\b[:\s]|@E\b|CRITICAL WARNING: \[(?:Board|Project|Common|BD)"
    r"|Abnormal program termination|segfault in |Segmentation fault|terminate called|No valid license"
    r"|# An unexpected error has occurred|\S+?:\d+(?::\d+)?: (?:fatal )?error: "
)
# What can stand anywhere in a line that has no such beginning: words of the system, of a shell or of a C++ library.
_SIGN = re.compile(
    r"error while loading shared libraries|: line \d+: +\d+ (?:Killed|Segmentation fault|Aborted|Bus error)"
    r"|std::bad_alloc|[Oo]ut of memory|insufficient memory|Cannot allocate memory"
    r"|No space left on device|[Dd]isk quota exceeded|ERROR!!! DEADLOCK DETECTED|locale::facet|bad lexical cast"
    r"|\bld(?:\.\w+)?: cannot find |Permission denied: \""
)
# What a script of Tcl says when it gives up, ours among them: its own words, then the place, then the commands.
_TCL = re.compile(
    r"^(?!# )(\S.*)\r?\n(?:in expression .*\r?\n)?"
    r"    (?:while executing|invoked from within|\(parsing expression.*\))\r?$",
    re.MULTILINE,
)
# These only say that something before them failed; the last ones are our own scripts' words, and what a release answers
# to a setting that the scripts try because others know it.
_FOLLOWS = re.compile(
    r"ERROR: \[(?:Common 17-39|Common 17-70|Vivado 12-13638|Vivado 12-106|Vivado_Tcl 4-5|COSIM 212-[45])\]"
    r"|ERROR: \[(?:HLS 200-70|HLS 200-1715|IMPL 213-28)\]"
    r"|ERROR: \[v\+\+ 60-|ERROR: \[vitis-run 60-"
    r"|run \w+ ended with status|command '\w+' returned error code"
    r"|ERROR: \[edgemoe (?!hook)\w+\]|ERROR: \[HLS 200-101\].*[Uu]nknown option"
)


_READ = "read the log and mend what it names; then build again: the stages before this one are kept"


def explain(stage: str, command: Command, code: int, log: Path, folder: Path, start: int = 0) -> ToolError:
    """The error for a tool that ended with a code other than 0.

    Args:
        stage: stage of the build.
        command: what ran.
        code: exit code of `subprocess`: a negative one is a signal.
        log: the whole output of the tool.
        folder: the kit.
        start: byte of the log at which this command's output begins.
    """
    evidence = _evidence(stage, command.tool.title, code, log, folder, start)
    happened, hint = _cause(evidence) or _unknown(evidence, code)
    return ToolError(f"{happened} (log: {log})", hint, log, evidence.lines[:SHOWN_LINES])


def missing_result(stage: str, what: str, log: Path, folder: Path) -> ToolError:
    """The error for a tool that ended with code 0 but without its result.

    Args:
        what: the missing file or report, in a user's words.
    """
    evidence = _evidence(stage, "the tool", 0, log, folder, 0)
    cause = _cause(evidence)
    happened = f'stage "{stage}" ended without {what}'
    if cause:
        return ToolError(f"{happened}: {cause[0]} (log: {log})", cause[1], log, evidence.lines[:SHOWN_LINES])
    if evidence.lines:
        return ToolError(
            f"{happened}: {_short(evidence.lines[0])} (log: {log})",
            "read the log and mend what it names; a next build begins at this stage",
            log,
            evidence.lines[:SHOWN_LINES],
        )
    return ToolError(
        f"{happened}, though the tool reported no error (log: {log})",
        "the log shows how far it came; a tool that was closed from outside, or a release that names its results "
        "otherwise, looks like this",
        log,
    )


def unwritable_log(stage: str, log: Path, error: OSError) -> ToolError:
    """The error for a log that could not be written."""
    if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return ToolError(
            f'the log of stage "{stage}" cannot be written: {error.strerror} (log: {log})',
            "build into a folder that you may write to, with --output",
            log,
        )
    return ToolError(
        f'the disk is full: the log of stage "{stage}" could not be written (log: {log})',
        "free some disk, or build into a folder on another one with --output",
        log,
    )


def error_lines(log: Path) -> tuple[str, ...]:
    """The tool's own error lines, each once; lines that only repeat an earlier failure come last."""
    return _errors(_both_ends(log))


def _evidence(stage: str, title: str, code: int, log: Path, folder: Path, start: int) -> Evidence:
    text = _both_ends(log, start)
    lines = _errors(text)
    if stage == "bitstream" and not any(_rank(line) == 0 for line in lines):
        lines = (*_of_runs(folder), *lines)
    free = shutil.disk_usage(folder).free if folder.is_dir() else FULL_BYTES
    ended = -code if code < 0 else max(code - 128, 0)
    return Evidence(stage, title, ended, text, lines, _scripts(text), free, folder)


def _of_runs(folder: Path) -> tuple[str, ...]:
    """Error lines of Vivado's runs, each of which has a log of its own: PROJECT.runs/RUN/runme.log."""
    logs = sorted(folder.glob("vivado_project/*.runs/*/runme.log"), key=lambda path: path.stat().st_mtime)
    return tuple(dict.fromkeys(line for log in logs for line in error_lines(log)))


def _both_ends(path: Path, start: int = 0) -> str:
    try:
        with open_regular(path, ANY) as file:
            size = file.seek(0, 2)
            file.seek(min(start, size))
            if size - start <= HEAD_BYTES + TAIL_BYTES:
                data = file.read()
            else:
                head = file.read(HEAD_BYTES)
                file.seek(size - TAIL_BYTES)
                data = head + b"\n" + file.read()
    except OSError:
        return ""
    return data.decode("utf-8", errors="replace")


def _scripts(text: str) -> tuple[str, ...]:
    return tuple(match[1].strip() for match in _TCL.finditer(text))


def _errors(text: str) -> tuple[str, ...]:
    scripts = set(_scripts(text))
    lines = (line.strip() for line in re.split(r"[\r\n]+", text))
    found = dict.fromkeys(line[:_LINE] for line in lines if _is_error(line) or line in scripts)
    return tuple(sorted(found, key=_rank))


def _is_error(line: str) -> bool:
    return bool(_ERROR.match(line) or _SIGN.search(line))


def _rank(line: str) -> int:
    """0 for a tool's line that gives a reason, 1 for a script's, 2 for a warning, 3 for one that says only that
    something before it failed.
    """
    if _FOLLOWS.match(line):
        return 3
    if line.startswith("CRITICAL WARNING"):
        return 2
    return 0 if _is_error(line) else 1


def _short(line: str) -> str:
    return line if len(line) <= 200 else f"{line[:200].rstrip()} ..."


def _cause(evidence: Evidence) -> Cause | None:
    for cause in _CAUSES:
        found = cause(evidence)
        if found:
            return found
    return None


def _library(evidence: Evidence) -> Cause | None:
    match = evidence.line(r"error while loading shared libraries: ([^:\s]+)")
    if match:
        return (
            f"{evidence.title} does not start: this system has no {match[1]}",
            f"run installLibs.sh of AMD's installation as root, or install the package that holds {match[1]} "
            "(libtinfo.so.5 is in libtinfo5)",
        )
    if evidence.line(r"locale::facet"):
        return (
            f"{evidence.title} does not start: the locale that LANG or LC_ALL names is not on this system",
            "run with LC_ALL=C.UTF-8, or install the locale en_US.UTF-8",
        )
    return None


def _licence(evidence: Evidence) -> Cause | None:
    match = evidence.line(r"license was not found for feature '([^']+)'(?: and/or device '([^']+)')?")
    said = match or evidence.line(
        r"\[Common 17-345\]|[Nn]o valid license|[Ll]icense (?:was|is|could) not|license checkout failed"
        r"|[Ff]ailed to (?:get|obtain|check ?out) .{0,30}license|bitstream generation is not permitted"
        r"|cannot be launched because a valid license"
    )
    if not said:
        return None
    of = f" for {match[1]} of {match[2]}" if match and match[2] else f" for {match[1]}" if match else ""
    return (
        f"{evidence.title} found no valid licence{of}",
        "set XILINXD_LICENSE_FILE to your licence file or port@server, or put the file in ~/.Xilinx; "
        "`edgemoe-gen doctor` shows what is set and which boards the free edition covers",
    )


def _disk(evidence: Evidence) -> Cause | None:
    said = evidence.line(
        r"No space left on device|[Dd]isk (?:is )?full|[Dd]isk quota exceeded|not enough (?:disk )?space"
        r"|HDDMProto::writeMessage failed"
    )
    if not said and evidence.free >= FULL_BYTES:
        return None
    return (
        f'the disk is full: {evidence.title} could not write in stage "{evidence.stage}"',
        f"{evidence.free / 1e9:,.1f} GB are free; a Vivado build takes about 10 GB: free some disk, or build into a "
        "folder on another one with --output",
    )


def _memory(evidence: Evidence) -> Cause | None:
    said = evidence.line(
        r"std::bad_alloc|insufficient memory|[Oo]ut of memory|Cannot allocate memory|: line \d+: +\d+ Killed"
    )
    if not said and evidence.signal != signal.SIGKILL:
        return None
    return (
        f"{evidence.title} ran out of memory"
        if said and "Killed" not in said[0]
        else f"{evidence.title} was killed, most likely because this machine ran out of memory",
        "close other programs, set EDGEMOE_JOBS=1 so that one run is made at a time, or build on a machine with more "
        "memory (16 GB are a fair start for a ZU7EV); `dmesg` shows what the system killed",
    )


def _part(evidence: Evidence) -> Cause | None:
    match = evidence.line(r"\[Board 49-71\].*?not found for ([\w.:-]+\w)")
    if match or evidence.line(r"\[Board 49-71\]"):
        named = f"'{match[1]}'" if match else "the board"
        return (
            f"Vivado has no board files for {named}",
            GET_BOARD_FILES,
        )
    match = evidence.line(r"[Pp]art '?(xc[\w-]+)'? (?:is )?not (?:found|installed)|Specified part could not be found")
    if not match:
        return None
    named = f"the part {match[1]}" if match[1] else "the part of this board"
    return (
        f"{evidence.title} does not know {named}: its family is not installed, or the licence does not cover it",
        "run AMD's installer again (Add Design Tools or Devices) with Zynq UltraScale+ MPSoCs ticked; from 2026.1 on "
        "the licence's tier also hides devices",
    )


def _dates(evidence: Evidence) -> Cause | None:
    """export_design makes a revision number of the date, which overflows since 2022 (AMD answer record 76960)."""
    if not evidence.line(r"bad lexical cast|'\d{10}' is an invalid argument"):
        return None
    return f"{evidence.title} {DATE_OVERFLOW}", DATE_PATCH


def _capacity(evidence: Evidence) -> Cause | None:
    match = evidence.line(
        r"\[Place 30-640\].*?requires more ([\w/ ]+?) cells"
        r"|\[DRC UTLZ-1\] Resource utilization: ([\w/ ]+?) over-utilized"
    )
    if not match:
        return None
    return (
        f"the design does not fit the device: it takes more {match[1] or match[2]} than there are",
        "turn down tokens_parallel, out_parallel or in_parallel, or the FIFO and buffer sizes; the report's estimate "
        "against the implementation shows which",
    )


def _deadlock(evidence: Evidence) -> Cause | None:
    if "ERROR!!! DEADLOCK DETECTED" not in evidence.text:
        return None
    processes = dict.fromkeys(re.findall(r"// \(\d+\): Process: (\S+)", evidence.text))
    who = f": {', '.join(list(processes)[:4])} wait for each other" if processes else ""
    return (
        f"RTL co-simulation stands still{who}",
        "a FIFO is too shallow or a process reads in another order than its neighbour writes: the log names them",
    )


def _cosim(evidence: Evidence) -> Cause | None:
    if not re.search(
        r"C/RTL co-simulation (?:finished: FAIL|file generation failed)|\[COSIM 212-3\d\d\] Abort", evidence.text
    ):
        return None
    match = evidence.line(r"\[COSIM 212-(?:360|361|320|317|331)\] (.*)")
    if match and "C post checking" not in evidence.text:
        return (
            "co-simulation's C test bench failed before the RTL ran",
            "run `edgemoe-gen csim`: the same comparison in C must pass first",
        )
    if evidence.line(r"\[(?:VRFC|XSIM|COSIM 212-303|COSIM 212-344)[^\]]*\]"):
        return (
            f"the RTL simulator failed: {_short(evidence.lines[0])}",
            "the log and the solution's sim folder show where; a simulator that is not installed looks like this, too",
        )
    if "C post checking" in evidence.text or match:
        return (
            "the RTL's results differ from those of the C simulation",
            "the test bench names the first wrong beat in the log; keep the kit and report it, since C simulation has "
            "passed",
        )
    return (
        "RTL co-simulation failed",
        "the log shows how far it came; `edgemoe-gen csim` must pass first",
    )


def _dataflow(evidence: Evidence) -> Cause | None:
    match = evidence.line(r"\] (.*failed dataflow checking.*)")
    if not match:
        return None
    return (
        f"Vitis HLS rejects the dataflow: {_short(match[1])}",
        "each channel needs one process that writes it and one that reads it: `edgemoe-gen lint` checks this",
    )


def _source(evidence: Evidence) -> Cause | None:
    match = evidence.line(
        r"\[((?:HLS 207|HLS 214|HLS 200|SYNCHK 200|XFORM 203|SCHED 204|BIND 205|RTGEN 206)-\d+)\] (.*)"
    )
    if not match or evidence.stage not in ("hls", "cosim", "ip"):
        return None
    where = re.search(r"\(([^()\s]+?):(\d+)(?::\d+)?\)|\bat (\S+?):(\d+)", match[2])
    place = f" at {Path(where[1] or where[3]).name}:{where[2] or where[4]}" if where else ""
    said = re.sub(r"\s*\([^()\s]+:\d+(?::\d+)?\)\s*$", "", match[2])
    return (
        f"Vitis HLS rejects the source{place}: {_short(said)} [{match[1]}]",
        "run `edgemoe-gen lint`; if src/ is as it was rendered, this is a fault of edgemoe-gen: report it with the log",
    )


def _crash(evidence: Evidence) -> Cause | None:
    match = evidence.line(
        r"Abnormal program termination \((\d+)\)|segfault in |Segmentation fault|terminate called|Aborted"
    )
    crashed = evidence.signal in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE)
    if not match and not crashed:
        return None
    number = int(match[1]) if match and match[1] else evidence.signal
    dump = re.search(r"Please check '([^']*hs_err_pid\d+\.log)'", evidence.text)
    named = f" ({signal.Signals(number).name})" if number in set(signal.Signals) else ""
    return (
        f"{evidence.title} crashed{named}",
        (f"its stack is in {dump[1]}; " if dump else "")
        + "run the stage again: a crash that comes back is a fault of the tool, and another release may not have it; "
        "too little memory looks like this, too",
    )


_CAUSES: Sequence[Callable[[Evidence], Cause | None]] = (
    surroundings.hook, _library, _licence, _disk, surroundings.forbidden, surroundings.udev, _memory, _part, _dates,
    _capacity, _deadlock, surroundings.start_files, surroundings.headers, _cosim, _crash, _dataflow, _source,
    surroundings.packaging,
)  # fmt: skip


def _unknown(evidence: Evidence, code: int) -> Cause:
    if evidence.signal and code < 0:
        name = signal.Signals(evidence.signal).name if evidence.signal in set(signal.Signals) else str(evidence.signal)
        return f"{evidence.title} was stopped by {name}", "build again: the stages before this one are kept"
    if all(_rank(line) == 3 for line in evidence.lines) and (failed := surroundings.run(evidence)):
        return failed
    if evidence.lines:
        return (
            f'{evidence.title} failed in stage "{evidence.stage}": {_short(evidence.lines[0])}',
            _READ,
        )
    last = next((line.strip() for line in reversed(re.split(r"[\r\n]+", evidence.text)) if line.strip()), "")
    said = f'; its last line is "{_short(last)}"' if last else " and printed nothing"
    return (
        f'{evidence.title} ended with code {code} in stage "{evidence.stage}"{said}',
        _READ,
    )
