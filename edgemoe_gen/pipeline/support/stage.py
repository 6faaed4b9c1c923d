"""A stage of a build: its facts for lists of stages, the hash of its inputs, and the function that makes it.

This module and the modules of stages import nothing heavy: modules for `make` are imported where it runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgemoe_gen.base.extras import EXTRAS, Extra, installed
from edgemoe_gen.pipeline.support.folders import StageResult, Stages

if TYPE_CHECKING:
    from edgemoe_gen.pipeline.support.context import Context


@dataclass(frozen=True)
class Made:
    """Result of `make`: a few words for the user, and results that later stages take without reading files again."""

    words: str
    results: tuple[object, ...] = ()


@dataclass(frozen=True, kw_only=True)
class StageFacts:
    """Facts of a stage for lists of stages.

    Attributes:
        name: name for the user, and of the module.
        summary: its result, in a line of `build --help`.
        outputs: files and folders below the build's folder.
        needs: stages whose results it takes.
        hashes: stages whose files its inputs are a hash of. A plan can't know these files before they are made.
        uses: its needs of the machine, by the names of `doctor`'s checks; `requirements` adds its extra.
        tool: the vendor's tool that it needs, by its usual name.
        optional_extra: the extra without which it is left out with one line; the build continues, as no stage needs it.
        absent: checks an installed extra: the reason why it can't be used, or "".
        on_request: runs only where the user asks for it.
        always: runs at the end of every build.
    """

    name: str
    summary: str
    outputs: tuple[str, ...]
    needs: tuple[str, ...] = ()
    hashes: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    tool: str = ""
    optional_extra: str = ""
    absent: Callable[[], str] | None = None
    on_request: bool = False
    always: bool = False

    @property
    def requirements(self) -> tuple[str, ...]:
        """Its needs of the machine: its extra, as "[extra]" unless a check stands for the extra's packages; `uses`."""
        extra = self._extra
        if extra is None or set(extra.packages) <= set(self.uses):
            return self.uses
        return (f"[{extra.name}]", *self.uses)

    @property
    def _extra(self) -> Extra | None:
        return next((extra for extra in EXTRAS if extra.name == self.optional_extra), None)

    def left_out_why(self) -> str:
        """The reason why this machine leaves the stage out, with a remedy; "" where the stage can run."""
        extra = self._extra
        if extra is None:
            return ""
        gaps = [package for package in extra.packages if not installed(package)]
        why = self.absent() if self.absent else "not installed" if gaps else ""
        return f"{', '.join(gaps or extra.packages)} is not there ({why}): {extra.install}" if why else ""


@dataclass(frozen=True, kw_only=True)
class Stage(StageFacts):
    """A stage that this tool makes itself.

    Attributes:
        inputs: hash of all inputs of the result; computed when the stages before it have run.
        make: writes the outputs, under the same paths, into an empty folder.
        ignoring: name of a file that a later stage adds to the outputs.
        guard: refuses to start; called only where the stage is not up to date.
        still: False if something is missing that the stage made outside of the build's folder.
    """

    inputs: Callable[[Context], str]
    make: Callable[[Context, Path], Made]
    ignoring: str = ""
    guard: Callable[[Context], None] = lambda _: None
    still: Callable[[Context], bool] = lambda _: True

    def is_current(self, context: Context, stages: Stages) -> bool:
        """Whether its results in the build's folder are up to date."""
        return stages.is_current(self.name, self.inputs(context), self.outputs, self.ignoring)

    def run(self, context: Context, stages: Stages, anew: bool = False) -> StageResult:
        """Runs the stage, unless it is up to date and not requested anew."""

        def work(folder: Path) -> str:
            made = self.make(context, folder)
            context.results.keep(*made.results)
            return made.words

        return stages.run(
            self.name, self.inputs(context), self.outputs, work, self.still(context), self.ignoring, anew,
            guard=lambda: self.guard(context), needs=self.hashes,
        )  # fmt: skip
