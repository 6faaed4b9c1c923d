"""Stages of a build: skip what is up to date, write to a temporary place and move, keep others out.

A stage has a name, a hash of everything that it depends on, and outputs. It is skipped when it has run before with the
same hash and its outputs are still the ones that it wrote. Locks are POSIX's, as the vendor's tools here are Linux's.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgemoe_gen.errors import BusyError, ConfigError, EdgeMoEError
from edgemoe_gen.parsing import read_json

STATE = ".edgemoe"


@dataclass(frozen=True)
class StageResult:
    """One stage as it went: seconds of wall time, whether it was skipped, and what came of it in a few words."""

    name: str
    seconds: float
    skipped: bool
    detail: str


class Stages:
    """Runs stages in one output folder; hold it with `open_stages`, which keeps other builds out.

    `lock` is the descriptor that keeps them out. A tool that inherits it keeps them out too, even after this process.
    """

    def __init__(self, folder: Path, report: Callable[[StageResult], None], lock: int | None = None) -> None:
        self.folder = folder
        self.lock = lock
        self.results: list[StageResult] = []
        self._report = report
        self._file = folder / STATE / "stages.json"
        self._done = _read_state(self._file)

    def run(
        self,
        name: str,
        inputs: str,
        outputs: Sequence[str],
        work: Callable[[Path], str],
        still: bool = True,
        ignoring: str = "",
        anew: bool = False,
        before: Callable[[], None] = lambda: None,
    ) -> StageResult:
        """Runs a stage unless it is up to date.

        Args:
            name: for the user.
            inputs: hash of everything that the result depends on.
            outputs: files and folders below the output folder that the stage makes.
            work: makes the outputs, under the same paths, in the empty folder that it is given, and returns a few words
                on them. Nothing that exists is replaced before it returns.
            still: False if something outside of the folder that the stage made has gone.
            ignoring: name of a file that a later stage adds to the outputs.
            anew: run it even if it is up to date.
            before: called where the stage is not up to date, before it starts; other stages may run in it.

        Raises:
            ConfigError: an output exists that no build has made.
        """
        start = time.perf_counter()
        if still and not anew and self.is_current(name, inputs, outputs, ignoring):
            result = StageResult(name, time.perf_counter() - start, True, self._done[name].get("detail", ""))
        else:
            self._refuse_foreign(name, [self.folder / output for output in outputs])
            try:
                before()
                start = time.perf_counter()
                detail = self._make(name, inputs, outputs, work, ignoring)
            except OSError as error:
                place = error.filename or self.folder
                failed = ConfigError(
                    f"stage '{name}' could not write or read {place}: {error.strerror or error}",
                    "free some disk or mend the permissions; the stages before this one are kept",
                )
                failed.stage = name
                raise failed from error
            except EdgeMoEError as error:
                error.stage = error.stage or name
                raise
            result = StageResult(name, time.perf_counter() - start, False, detail)
        self.results.append(result)
        self._report(result)
        return result

    def _make(self, name: str, inputs: str, outputs: Sequence[str], work: Callable[[Path], str], ignoring: str) -> str:
        targets = [self.folder / output for output in outputs]
        partial = self.folder / STATE / f"{name}.partial"
        _remove(partial)
        for output in outputs:
            (partial / output).parent.mkdir(parents=True, exist_ok=True)
        partial.mkdir(exist_ok=True)
        try:
            detail = work(partial)
            # From here on the outputs are this build's, and not up to date before the last one is in its place.
            self._remember(name, {"inputs": "", "outputs": "", "detail": ""})
            for output, target in zip(outputs, targets, strict=True):
                _replace(partial / output, target)
        finally:
            _remove(partial)
        self._remember(name, {"inputs": inputs, "outputs": digest_of(targets, ignoring), "detail": detail})
        return detail

    def _remember(self, name: str, state: dict[str, str]) -> None:
        self._done[name] = state
        _write_whole(self._file, json.dumps(self._done, indent=2))

    def is_current(self, name: str, inputs: str, outputs: Sequence[str], ignoring: str = "") -> bool:
        """Whether a stage has run with these inputs, and its outputs are still those that it wrote."""
        before = self._done.get(name, {})
        targets = [self.folder / output for output in outputs]
        return before.get("inputs") == inputs and before.get("outputs") == digest_of(targets, ignoring)

    def _refuse_foreign(self, name: str, targets: Sequence[Path]) -> None:
        """What a build would replace must be of a build's making."""
        for target in targets:
            if target.exists() and name not in self._done:
                raise ConfigError(
                    f"{target} exists and was not made by edgemoe-gen in this folder",
                    "move it away, or choose another folder with --output",
                )


@contextlib.contextmanager
def open_stages(folder: Path, report: Callable[[StageResult], None]) -> Iterator[Stages]:
    """Stages of an output folder, which is made where it is missing.

    Raises:
        ConfigError: the folder can't be written to.
        BusyError: another build is at work in it.
    """
    try:
        (folder / STATE).mkdir(parents=True, exist_ok=True)
        lock = (folder / STATE / "lock").open("a+")
    except OSError as error:
        raise ConfigError(
            f"the output folder {folder} cannot be written to: {error.strerror}", "choose another with --output"
        ) from error
    with lock:
        _lock(lock.fileno(), folder)
        yield Stages(folder, report, lock.fileno())


def _lock(descriptor: int, folder: Path) -> None:
    """The lock goes with the last process that holds it, so a killed build leaves none behind, once its tool ends."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise BusyError(
            f"another build is at work in {folder}", "wait for it, or choose another folder with --output"
        ) from error


def digest_of(paths: Iterable[Path], ignoring: str = "") -> str:
    """Hash of files and folders by relative name and content, without files called `ignoring`; "" if one is missing."""
    digest = hashlib.sha256()
    for path in paths:
        if not path.exists():
            return ""
        for file in sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]:
            if file.name == ignoring:
                continue
            name = file.relative_to(path) if path.is_dir() else Path(path.name)
            digest.update(f"{name}\0{file.stat().st_size}\0".encode())
            with file.open("rb") as stream:
                while block := stream.read(1 << 20):
                    digest.update(block)
    return digest.hexdigest()


def digest_text(*parts: object) -> str:
    """Hash of values by their text."""
    return hashlib.sha256("\n".join(str(part) for part in parts).encode()).hexdigest()


def _read_state(path: Path) -> dict[str, dict[str, str]]:
    try:
        state = read_json(path)
    except (OSError, ValueError):
        return {}
    if not isinstance(state, dict):
        return {}
    return {name: known for name, known in state.items() if isinstance(known, dict)}


def _write_whole(path: Path, text: str) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def _replace(partial: Path, target: Path) -> None:
    if partial.is_dir() and target.is_dir():
        old = target.with_name(f".{target.name}.old")
        _remove(old)
        target.replace(old)
        partial.replace(target)
        _remove(old)
    else:
        _remove(target) if target.is_dir() else None
        partial.replace(target)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
