"""The journal of a search: a line of JSON for each step of Optuna, each with a checksum of all lines before it.

The error names a line that is missing, changed or cut. Only the end of the file may be cut, as by a full disk or a
killed process: then the last step was never taken, and its line is removed. Lines without a checksum, from Optuna's own
backend and earlier versions, are read too. Optuna's tools read all lines.
"""

from __future__ import annotations

import json
import os
import re
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from optuna.storages.journal import BaseJournalBackend

from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.base.reading import open_regular

MOST_BYTES = 1 << 32
LONGEST_LINE = 1 << 24
DAMAGED = "put it back as it was, or choose another --output: a search there begins anew"
_CREATE_TRIAL, _OF_A_TRIAL = 4, range(5, 10)  # codes of Optuna's steps
_CHECK = re.compile(rb',"check":"([0-9a-f]{8})"}\Z')


class Journal(BaseJournalBackend):
    """Optuna's steps in a file that only this process writes (`locks.folder_lock`).

    Attributes:
        line: number of the line that was read last.
    """

    def __init__(self, path: Path) -> None:
        """Opens a journal, or begins one.

        Raises:
            ConfigError: the file is no journal, or cannot be written to.
        """
        self.path = path
        self.line = 0
        self._count = self._place = self._sum = self._trials = 0  # of what was read
        self._checked = False
        try:
            # Not waiting for the other end of a pipe that somebody put there.
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o666)
            with os.fdopen(descriptor, "r+b", buffering=0) as stream:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise ConfigError(
                        f"{path} cannot be opened as the storage of a search: it is no plain file", "move it away"
                    )
                self._mend_end(stream)
        except OSError as error:
            raise self._unwritable(error) from error

    def _mend_end(self, stream: Any) -> None:
        """Removes a last line that was cut; a line that only lacks its line end gets it."""
        size = stream.seek(0, os.SEEK_END)
        back = min(size, LONGEST_LINE)
        stream.seek(size - back)
        tail = stream.read()
        cut = tail[tail.rfind(b"\n") + 1 :]
        if not cut:
            return
        if b"\n" not in tail and not cut.startswith(b"{"):
            self.line = 1
            raise self.damaged("it is no step of a search")
        if _CHECK.search(cut):  # nothing but the end is missing, and the check says whether that is so
            stream.write(b"\n")
        else:
            stream.truncate(size - len(cut))

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """Steps from a number on, 0 being the first.

        Raises:
            ConfigError: names the line that is damaged, and what is wrong with it.
        """
        if log_number_from != self._count:
            self._count = self._place = self._sum = self._trials = 0
            self._checked = False
        try:
            with open_regular(self.path, MOST_BYTES) as stream:
                stream.seek(self._place)
                while line := stream.readline(LONGEST_LINE):
                    step = self._step(line)
                    self._count, self._place = self._count + 1, self._place + len(line)
                    if self._count > log_number_from:
                        yield step
        except OSError as error:
            raise ConfigError(f"{self.path} cannot be read: {error.strerror}", DAMAGED) from error

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Writes steps, all or none.

        Raises:
            ConfigError: names the file and the system's reason.
        """
        for _ in self.read_logs(self._count):  # the check of a line is over all lines before it
            pass
        after, lines = self._sum, []
        for log in logs:
            text = json.dumps(log, separators=(",", ":")).encode()[:-1]
            after = zlib.crc32(text, after)
            lines.append(b'%s,"check":"%08x"}\n' % (text, after))
        try:
            _append(self.path, b"".join(lines))
        except OSError as error:
            raise self._unwritable(error) from error

    def _step(self, line: bytes) -> dict[str, Any]:
        self.line = self._count + 1
        body = line.removesuffix(b"\n")
        check = _CHECK.search(body)
        if check:
            body = body[: check.start()]
            self._checked = True
        self._sum = zlib.crc32(body, self._sum)
        try:
            step = json.loads(body + b"}" if check else body)
        except (ValueError, RecursionError):
            raise self.damaged("it is no step of a search") from None
        if not isinstance(step, dict):
            raise self.damaged("it is no step of a search")
        if self._checked and (check is None or int(check[1], 16) != self._sum):
            raise self.damaged("it, or a line before it, is missing or not as it was written")
        self._follow(step)
        return step

    def _follow(self, step: dict[str, Any]) -> None:
        """Refuses steps of trials that no earlier line began, which Optuna would skip silently."""
        kind, trial = step.get("op_code"), step.get("trial_id", 0)
        self._trials += kind == _CREATE_TRIAL
        if not isinstance(kind, int) or (
            kind in _OF_A_TRIAL and not (isinstance(trial, int) and 0 <= trial < self._trials)
        ):
            raise self.damaged("it is about a trial that no line before has begun")

    def damaged(self, why: str) -> ConfigError:
        """The error that the last read line is damaged."""
        return ConfigError(
            f"{self.path} cannot be opened as the storage of a search: line {self.line} is damaged: {why}", DAMAGED
        )

    def _unwritable(self, error: OSError) -> ConfigError:
        return ConfigError(
            f"{self.path}, the journal of the search, cannot be written: {error.strerror}",
            "free some disk or mend the permissions: what was found before is kept, and the same command goes on",
        )


def _append(path: Path, data: bytes) -> None:
    """Writes to a file's end and to the disk, all or nothing."""
    stream = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
    try:
        size = os.fstat(stream).st_size
        try:
            while data:
                data = data[os.write(stream, data) :]
            os.fsync(stream)
        except OSError:
            os.ftruncate(stream, size)
            raise
    finally:
        os.close(stream)
