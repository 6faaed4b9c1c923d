"""Errors on the command line: a sentence, a hint and an exit code, or JSON.

Exit codes: 1 a check failed, 2 a mistake that the user can fix, 3 a vendor's tool failed, 130 interrupted, 143 and 129
ended by SIGTERM and SIGHUP, 70 a fault of this program.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from edgemoe_gen.base.errors import EdgeMoEError, ToolError

MENDABLE, INTERRUPTED, FAULT = 2, 130, 70
_FULL = (errno.ENOSPC, errno.EDQUOT)
_DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)


@dataclass(frozen=True)
class Failure:
    """An error as it is shown.

    Attributes:
        message: one sentence.
        hint: what to do about it, or "".
        exit_code: of the command.
        lines: what another tool said.
        stage: of the build in which it happened, or "".
        log: file with all that the tool said, if it was one.
    """

    message: str
    hint: str
    exit_code: int
    lines: tuple[str, ...] = ()
    stage: str = ""
    log: Path | None = None

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "stage": self.stage or None,
            "message": self.message,
            "hint": self.hint or None,
            "log": None if self.log is None else str(self.log),
            "exit_code": self.exit_code,
        }


# Commands that keep something when they are interrupted, or that would have written something.
_KEPT = {
    "build": "finished stages are kept, nothing is half-written, the same command goes on",
    "import-results": "stages that were taken are kept, nothing is half-written",
    "tune": "points that were tried are kept, the same command goes on",
    **dict.fromkeys(
        ("init", "generate", "rtl", "run", "trace", "csim", "simulate", "sweep"), "nothing is half-written"
    ),
}


def interrupted(command: str) -> str:
    """State after Ctrl-C in a command, in one line."""
    return f"interrupted: {_KEPT[command]}" if command in _KEPT else "interrupted"


def failure_of(error: BaseException, command: str = "") -> Failure:
    """How an error of a command is shown."""
    if isinstance(error, ToolError):
        return Failure(error.message, error.hint, error.exit_code, error.lines, error.stage, error.log)
    if isinstance(error, EdgeMoEError):
        return Failure(error.message, error.hint, error.exit_code, stage=error.stage)
    if isinstance(error, click.UsageError):
        path = (
            error.ctx.command_path if error.ctx else f"edgemoe-gen {command}".strip()
        )  # click gives some errors no context
        return Failure(error.format_message(), f"see {path} --help", MENDABLE)
    if isinstance(error, click.ClickException):
        return Failure(error.format_message(), "", error.exit_code)
    if isinstance(error, (click.Abort, KeyboardInterrupt)):
        return Failure(interrupted(command), "", INTERRUPTED)
    if isinstance(error, OSError) and error.errno in (*_FULL, *_DENIED):
        place = "a file" if error.filename is None else str(error.filename)
        hint = "free some disk" if error.errno in _FULL else "mend the permissions, or choose another folder"
        return Failure(f"{place} could not be written or read: {error.strerror}", hint, MENDABLE)
    return Failure(
        f"{type(error).__name__}: {error}",
        "this is a fault of edgemoe-gen: please report it with the output of the same command and --debug",
        FAULT,
    )
