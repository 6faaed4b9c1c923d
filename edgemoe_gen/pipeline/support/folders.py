"""Folders of stages: skips stages that are up to date, writes to a temporary folder and moves, keeps others out.

A stage has a name, a hash of all its inputs, and outputs. It is skipped when it has run before with the same hash and
its outputs are unchanged. A folder with files that no stage wrote is never replaced; with `force` it is moved aside.
"""

from __future__ import annotations

import contextlib
import itertools
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgemoe_gen.base.errors import ConfigError, EdgeMoEError
from edgemoe_gen.base.locks import STATE, folder_lock
from edgemoe_gen.pipeline.support.state import State, digest_of, files_below, read_state, write_state

NOTES = "stages.json"  # what is remembered of all stages
SHOWN_FILES = 3  # that a sentence names


@dataclass(frozen=True)
class StageResult:
    """Result of one stage: seconds of wall time, and its result in a few words.

    `skipped`: nothing has changed since it ran; `left_out`: this machine can't run it, and no later stage needs it.
    """

    name: str
    seconds: float
    skipped: bool
    detail: str
    left_out: bool = False


class Stages:
    """Runs stages in one output folder; hold it with `open_stages`, which keeps other builds out.

    Args:
        folder: the output folder.
        report: called with each stage that has run or was skipped.
        lock: descriptor of the lock. A tool that inherits it also holds the lock, even after this process.
        force: move a folder aside in which files were changed or added by hand, and continue; False refuses such a
            folder, and so does None, for commands without --force.

    Raises:
        ConfigError: the notes of an earlier build on its stages can't be read.
    """

    pretends = False  # whether nothing is made: of a plan

    def __init__(
        self, folder: Path, report: Callable[[StageResult], None], lock: int | None = None, force: bool | None = False
    ) -> None:
        self.folder = folder
        self.lock = lock
        self.force = force
        self.results: list[StageResult] = []
        self.notes: list[str] = []  # what was moved aside
        self._report = report
        self._file = folder / STATE / NOTES
        self._done = self._read()

    def _read(self) -> dict[str, State]:
        try:
            return read_state(self._file)
        except ValueError as error:
            if self.force:
                return {}  # so everything that lies there is moved aside
            forced = "" if self.force is None else "; or build with --force, which moves them aside"
            raise ConfigError(
                f"{self._file} is damaged ({error}), so it is not known which files in {self.folder} are edgemoe-gen's",
                f"move or remove that file and the stages' folders beside it{forced}; or choose another --output",
            ) from error

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
        guard: Callable[[], None] = lambda: None,
        needs: Sequence[str] = (),  # noqa: ARG002  (a plan's)
    ) -> StageResult:
        """Runs a stage unless it is up to date.

        Args:
            name: for the user.
            inputs: hash of all inputs of the result.
            outputs: files and folders below the output folder that the stage makes.
            work: makes the outputs, under the same paths, in the empty folder that it is given, and returns a few words
                on them. Nothing that exists is replaced before it returns.
            still: False if something is missing that the stage made outside of the folder.
            ignoring: name of a file that a later stage adds to the outputs.
            anew: run it even if it is up to date.
            before: called before a stage that is not up to date starts; it may run other stages.
            guard: called first where the stage is not up to date; refuses files that must not be replaced. Not with
                `force`.
            needs: stages whose results `inputs` is a hash of, so that they must have run before it is computed.

        Raises:
            ConfigError: an output exists that no build has made, or that was changed by hand since.
        """
        start = time.perf_counter()
        if still and not anew and self.is_current(name, inputs, outputs, ignoring):
            result = StageResult(name, time.perf_counter() - start, True, self._done[name].detail)
        else:
            try:
                if not self.force:
                    guard()
                    self.refuse_foreign(name, outputs, ignoring)
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
        return self._keep(result)

    def leave_out(self, name: str, why: str) -> None:
        """Skips a stage that can't run here and that no other stage needs."""
        self._keep(StageResult(name, 0.0, False, f"left out: {why}", left_out=True))

    def _keep(self, result: StageResult) -> StageResult:
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
            files = files_below(partial, outputs)
            for output in outputs:
                if self.force and self._why_foreign(name, [output], ignoring):
                    self._move_aside(self.folder / output)
            # From here on the outputs are this build's, and not up to date before the last one is in its place.
            before = self._done.get(name, State()).files
            self._remember(name, State(files=files, before=before))
            for output, target in zip(outputs, targets, strict=True):
                _replace(partial / output, target)
        finally:
            _remove(partial)
        self._remember(name, State(inputs, digest_of(targets, ignoring), detail, files))
        return detail

    def _remember(self, name: str, state: State) -> None:
        self._done[name] = state
        write_state(self._file, self._done)

    def is_current(self, name: str, inputs: str, outputs: Sequence[str], ignoring: str = "") -> bool:
        """Whether a stage has run with these inputs, and its outputs are still those that it wrote."""
        return self.had_inputs(name, inputs) and self.has_outputs(name, outputs, ignoring)

    def had_inputs(self, name: str, inputs: str) -> bool:
        """Whether a stage's last run had these inputs."""
        return name in self._done and self._done[name].inputs == inputs

    def has_outputs(self, name: str, outputs: Sequence[str], ignoring: str = "") -> bool:
        """Whether a stage's outputs are still those that it wrote, from whatever inputs."""
        known = self._done.get(name)
        return known is not None and known.outputs == digest_of([self.folder / output for output in outputs], ignoring)

    # What others have left

    def refuse_foreign(self, name: str, outputs: Sequence[str], ignoring: str = "") -> None:
        """Refuses to replace files that no stage wrote.

        Raises:
            ConfigError: names the first files.
        """
        for output in outputs:
            why = self._why_foreign(name, [output], ignoring)
            if why:
                target = self.folder / output
                forced = "" if self.force is None else f"; or say --force, which moves it to {_aside(target)} first"
                raise ConfigError(why, f"move it away, or choose another folder with --output{forced}")

    def _why_foreign(self, name: str, outputs: Sequence[str], ignoring: str) -> str:
        """One sentence on the first output that no stage made; "" where all may be replaced.

        A single file is always made again once a stage has made it. A missing one is no loss.
        """
        for output in outputs:
            target = self.folder / output
            if not (target.exists() or target.is_symlink()):
                continue
            if name not in self._done:
                return f"{target} exists and was not made by edgemoe-gen in this folder"
            if not target.is_dir():
                continue
            if self._done[name].is_older:
                if digest_of([target], ignoring) != self._done[name].outputs:
                    return f"{target} has changed since an older edgemoe-gen made it, which did not note its files"
                continue
            found = files_below(self.folder, [output])
            added = [file for file in found if not self._noted(file)]
            changed = [file for file, digest in found.items() if self._noted(file) and digest not in self._noted(file)]
            said = [_listed(what, files, output) for what, files in (("changed", changed), ("added", added)) if files]
            if said:
                return f"{target} holds what edgemoe-gen did not write: {'; '.join(said)}"
        return ""

    def _noted(self, file: str) -> set[str]:
        """Hashes that a file may have: of the stage that wrote it, or, after an interruption, of the run before."""
        known = [files.get(file) for state in self._done.values() for files in (state.files, state.before)]
        return {digest for digest in known if digest}

    def _move_aside(self, target: Path) -> None:
        place = _aside(target)
        target.rename(place)
        self.notes.append(f"{target} was not as edgemoe-gen had left it: it is now {place.name}")


@contextlib.contextmanager
def open_stages(folder: Path, report: Callable[[StageResult], None], force: bool | None = False) -> Iterator[Stages]:
    """Stages of an output folder, which is made where it is missing; `force` as of `Stages`.

    Raises:
        ConfigError: the folder can't be written to.
        BusyError: another build is at work in it.
    """
    with folder_lock(folder, "build") as lock:
        yield Stages(folder, report, lock, force)


def _listed(what: str, files: Sequence[str], output: str) -> str:
    names = [str(Path(file).relative_to(output)) for file in files]
    rest = len(names) - SHOWN_FILES
    return f"{', '.join(names[:SHOWN_FILES])}{f' and {rest:,} more' if rest > 0 else ''} ({what})"


def _aside(target: Path) -> Path:
    """The next free name for a folder that is moved aside."""
    numbers = itertools.count(1)
    places = (target.with_name(f"{target.name}.edited-{number}") for number in numbers)
    return next(place for place in places if not (place.exists() or place.is_symlink()))


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
