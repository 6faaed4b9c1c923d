"""Runs one vendor tool: logs its output at once, reports its steps, and leaves no process behind.

AMD's tools are shell scripts that start programs, which start more programs, some in separate sessions. All of them
carry a mark in their environment. By this mark they are found when the run ends or is interrupted, whatever their
parent is then. POSIX only, for its signals and sessions; the search by mark needs Linux's /proc.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from edgemoe_gen.base.endings import endings_raise
from edgemoe_gen.base.errors import ToolError
from edgemoe_gen.flow.failures import explain, unwritable_log
from edgemoe_gen.flow.steps import steps_in
from edgemoe_gen.flow.tools import Command, tool_environment

MARK = "EDGEMOE_RUN"  # environment variable that all processes of a run carry
GRACE_SECONDS = 5.0  # from the polite signal to the other one
_DRAIN_SECONDS = 1.0  # how long output is awaited from what a tool leaves behind
_POLL_SECONDS = 0.2
_CHUNK = 1 << 16
_LONGEST_LINE = 1 << 12
_PROC = Path("/proc")
_runs: dict[int, str] = {}  # marks of the tools that run now, by the thread that waits for each


def run_command(
    stage: str,
    command: Command,
    folder: Path,
    log: Path,
    on_step: Callable[[str], None],
    environ: Mapping[str, str] | None = None,
    keep: Sequence[int] = (),
) -> None:
    """Runs a tool to its end.

    Args:
        stage: stage of the build, for messages.
        command: what to run.
        folder: current folder of the tool.
        log: file to which all output is appended at once.
        on_step: called with a few words whenever the tool begins another step.
        environ: environment of the tool; by default this program's, with additions of `tool_environment`.
        keep: descriptors that the tool inherits, such as that of a lock that must live as long as the tool.

    Raises:
        ToolError: the tool could not be started, failed, or the disk is full.
        KeyboardInterrupt: Ctrl-C. All processes of the tool have ended by then, as for the next exception.
        Ended: SIGTERM or SIGHUP.
    """
    mark = secrets.token_hex(8)
    made = dict(environ if environ is not None else tool_environment(command.tool, os.environ)) | {MARK: mark}
    with _Log(stage, log) as out, endings_raise():
        out.write(f"$ {command.line()}\n".encode())
        start = out.size()
        process: subprocess.Popen[bytes] | None = None
        _runs[threading.get_ident()] = mark
        try:
            process = _start(stage, command, folder, log, made, keep)
            _watch(process, out.write, on_step)
        finally:
            _runs.pop(threading.get_ident(), None)
            end_processes(mark)
            if process:
                with contextlib.suppress(subprocess.TimeoutExpired):  # one that waits for a dead disk cannot be ended
                    process.wait(GRACE_SECONDS)
    if process.returncode:
        raise explain(stage, command, process.returncode, log, folder, start)


class _Log:
    """The log, open for appending without a buffer. Its errors are errors of the stage."""

    def __init__(self, stage: str, path: Path) -> None:
        self._stage, self._path = stage, path
        with self._told():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab", buffering=0)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise unwritable_log(self._stage, self._path, error) from error

    def write(self, data: bytes) -> None:
        with self._told():
            while data:
                data = data[self._file.write(data) or 0 :]

    def size(self) -> int:
        return self._file.tell()

    def __enter__(self) -> _Log:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _start(
    stage: str, command: Command, folder: Path, log: Path, environ: dict[str, str], keep: Sequence[int]
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command.argv,
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            pass_fds=keep,
            start_new_session=True,  # a Ctrl-C of the terminal reaches this program alone, which then ends the tool
        )
    except OSError as error:
        raise ToolError(
            f'{command.tool.title} could not be started in stage "{stage}": {error.strerror}: {command.tool.path}',
            "start it by hand once; `edgemoe-gen doctor` shows what is found here",
            log,
        ) from error


def _watch(process: subprocess.Popen[bytes], write: Callable[[bytes], None], on_step: Callable[[str], None]) -> None:
    """Copies the output until the tool ends. Processes left running may hold the pipe open; they are not awaited."""
    assert process.stdout is not None
    pipe = process.stdout.fileno()
    steps = _Steps(on_step)
    until: float | None = None
    with process.stdout:
        while until is None or time.monotonic() < until:
            ready, _, _ = select.select([pipe], [], [], _POLL_SECONDS)
            if ready:
                data = os.read(pipe, _CHUNK)
                if not data:
                    break
                write(data)
                steps.take(data)
            if until is None and process.poll() is not None:
                until = time.monotonic() + _DRAIN_SECONDS
    process.wait()


class _Steps:
    """Cuts output into lines, at line ends and at the carriage returns of progress counters, and reports new steps."""

    def __init__(self, on_step: Callable[[str], None]) -> None:
        self._on_step = on_step
        self._rest = b""
        self._last = ""

    def take(self, data: bytes) -> None:
        whole, _, rest = (self._rest + data).replace(b"\r", b"\n").rpartition(b"\n")
        self._rest = rest[:_LONGEST_LINE]  # steps are told by how a line begins
        for step in steps_in(whole):
            if step != self._last:
                self._last = step
                self._on_step(step)


def end_run(thread: int) -> None:
    """Ends the tool for which another thread waits, if any, since a signal reaches only the main thread."""
    mark = _runs.get(thread)
    if mark is not None:
        end_processes(mark)


def end_processes(mark: str, grace: float | None = None) -> None:
    """Ends all processes that carry a mark: first by SIGTERM, then, after `grace` seconds, by SIGKILL."""
    try:
        _signal_all(mark, signal.SIGTERM)
        until = time.monotonic() + (GRACE_SECONDS if grace is None else grace)
        while _marked(mark) and time.monotonic() < until:
            time.sleep(0.05)
    finally:  # also when a second Ctrl-C comes here
        for _ in range(100):
            if not _signal_all(mark, signal.SIGKILL):
                break
            time.sleep(0.02)


def _signal_all(mark: str, number: signal.Signals) -> bool:
    found = _marked(mark)
    for process in found:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(process, number)
    return bool(found)


def _marked(mark: str) -> list[int]:
    """Living processes of a run: those with its mark, and their descendants."""
    wanted = f"{MARK}={mark}".encode()
    parents: dict[int, int] = {}
    carrying: set[int] = set()
    for entry in _PROC.iterdir() if _PROC.is_dir() else ():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            # After the name, which is in brackets and can hold anything: state and parent (proc(5)).
            state, parent = (entry / "stat").read_bytes().rpartition(b")")[2].split()[:2]
            if state in (b"Z", b"X"):
                continue
            parents[int(entry.name)] = int(parent)
            if wanted in (entry / "environ").read_bytes().split(b"\0"):
                carrying.add(int(entry.name))
        except (OSError, ValueError):
            continue  # gone, or another user's
    grown = True
    while grown:
        more = {process for process, parent in parents.items() if parent in carrying} - carrying
        carrying |= more
        grown = bool(more)
    return sorted(carrying)
