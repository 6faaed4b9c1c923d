"""What a stage of a build is: facts that all who list stages read, the hash of what it depends on, and what makes it.

It imports nothing heavy, and no more does a stage's module: what `make` needs is imported where it runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgemoe_gen.base.extras import EXTRAS, installed
from edgemoe_gen.pipeline.support.folders import StageResult, Stages

if TYPE_CHECKING:
    from edgemoe_gen.pipeline.support.context import Context


@dataclass(frozen=True)
class Made:
    """What `make` gives: a few words for the user, and results that later stages take without reading files again."""

    words: str
    results: tuple[object, ...] = ()


@dataclass(frozen=True, kw_only=True)
class StageFacts:
    """What all who list stages read of one.

    Attributes:
        name: for the user; the module has the same.
        summary: what it makes, in a line of `build --help`.
        outputs: files and folders below the build's folder.
        needs: stages whose results it takes.
        hashes: stages whose files its inputs are a hash of. A plan can't know these files before they are made.
        uses: what it needs of the machine, by the names of `doctor`'s checks, or "[extra]".
        tool: the vendor's tool that it needs, as users call it.
        optional_extra: the extra without which it is left out with one line, and the build goes on: no stage needs it.
        absent: looks closer than whether that extra is installed: why it can't be used, or "".
        on_request: runs only where the user asks for it.
        always: runs at the end of every build, whatever was asked for.
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

    def left_out_why(self) -> str:
        """Why this machine leaves the stage out, and what would change that; "" where it can run."""
        if not self.optional_extra:
            return ""
        extra = next(extra for extra in EXTRAS if extra.name == self.optional_extra)
        gaps = [package for package in extra.packages if not installed(package)]
        why = self.absent() if self.absent else "not installed" if gaps else ""
        return f"{', '.join(gaps or extra.packages)} is not there ({why}): {extra.install}" if why else ""


@dataclass(frozen=True, kw_only=True)
class Stage(StageFacts):
    """A stage that this tool makes itself.

    Attributes:
        inputs: hash of everything that the result depends on; asked for when the stages before it have run.
        make: writes the outputs, under the same paths, into an empty folder.
        ignoring: name of a file that a later stage adds to the outputs.
        guard: refuses to start; called only where the stage is not up to date.
        still: False if something outside of the build's folder that the stage made has gone.
    """

    inputs: Callable[[Context], str]
    make: Callable[[Context, Path], Made]
    ignoring: str = ""
    guard: Callable[[Context], None] = lambda _: None
    still: Callable[[Context], bool] = lambda _: True

    def is_current(self, context: Context, stages: Stages) -> bool:
        """Whether what it left in the build's folder is up to date."""
        return stages.is_current(self.name, self.inputs(context), self.outputs, self.ignoring)

    def run(self, context: Context, stages: Stages, anew: bool = False) -> StageResult:
        """Runs it, unless it is up to date and not wanted anew."""

        def work(folder: Path) -> str:
            made = self.make(context, folder)
            context.results.keep(*made.results)
            return made.words

        return stages.run(
            self.name, self.inputs(context), self.outputs, work, self.still(context), self.ignoring, anew,
            guard=lambda: self.guard(context), needs=self.hashes,
        )  # fmt: skip
