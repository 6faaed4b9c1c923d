"""Context of stages: the opened project, the build's folder, and results of earlier stages.

In: a project. Everything here is fixed, or made once at its first use.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.base.build_files import ACCELERATOR, CSIM
from edgemoe_gen.base.errors import EdgeMoEError
from edgemoe_gen.base.installed import PACKAGE
from edgemoe_gen.base.version import __version__
from edgemoe_gen.codegen import render_sources
from edgemoe_gen.design import Design
from edgemoe_gen.estimate import check_fits
from edgemoe_gen.flow.rtl_source import VITIS
from edgemoe_gen.model import Model
from edgemoe_gen.numerics.widths import TOGETHER
from edgemoe_gen.overlay.package import check_name, default_name
from edgemoe_gen.pictures.calibration import few_notes
from edgemoe_gen.pictures.found import Picture
from edgemoe_gen.pipeline.support.artefacts import ShortProgram
from edgemoe_gen.pipeline.support.decoders import decoder_notes
from edgemoe_gen.pipeline.support.state import digest_of, digest_text
from edgemoe_gen.program.compile import check_capacity
from edgemoe_gen.program.short import compile_short
from edgemoe_gen.project.config import DEFAULT_OUTPUT, Config
from edgemoe_gen.project.opening import (
    Progress,
    open_calibration,
    open_design,
    open_hooks,
    open_model,
    open_pictures,
    open_tasks,
)
from edgemoe_gen.timing.instrument import Instrumented
from edgemoe_gen.timing.library import timed_sources
from edgemoe_gen.timing.run import without_depths

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class OpenedProject:
    """A project opened for a build, with everything that follows from it alone.

    Attributes:
        config: the user's arguments.
        calibration: pictures for choosing binary points.
        hooks: the user's own Tcl by name of the hook.
        overlay_name: name of the overlay.
    """

    config: Config
    model: Model
    design: Design
    tasks: tuple[str, ...]
    pictures: tuple[Picture, ...]
    calibration: tuple[NDArray[np.float32], ...]
    hooks: Mapping[str, str]
    overlay_name: str

    @property
    def hls(self) -> str:
        """Maker of the engine's RTL (`flow.rtl_source`)."""
        return self.config.hls or VITIS

    @cached_property
    def sources(self) -> dict[str, str]:
        """All rendered sources, path to text."""
        return render_sources(self.design, self.hooks)

    @cached_property
    def timed_sources(self) -> Instrumented:
        """All rendered sources with clocks in them, for any depths of FIFOs."""
        return timed_sources(without_depths(self.design))

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What a user should know before the stages start: decoders that stay on the host, and what that costs; few
        pictures for narrow tensors."""
        pictures = max(len(self.calibration), self.config.augment or 0)
        few = few_notes(pictures) if self.design.knobs.widths.narrow else ()
        return (*decoder_notes(self.model, self.tasks, self.design, "max_map_width" in self.config.knobs), *few)

    @cached_property
    def short(self) -> ShortProgram:
        """The short program for RTL co-simulation, which takes a while to compile."""
        return compile_short(self.design)

    @cached_property
    def digest(self) -> str:
        """Hash of all inputs of the rendered project."""
        images = hashlib.sha256(b"".join(image.tobytes() for image in self.calibration)).hexdigest()
        first = hashlib.sha256(self.pictures[0].values.tobytes()).hexdigest()
        return digest_text(
            package_digest(), *self.sources.values(),
            digest_of([self.model.source]), self.model.weights, self.config.model.ignore or (),
            self.model.spec.without_names(), self.design.knobs,
            self.design.board,
            self.design.identity, self.tasks, sorted(self.config.pinned.items()), images, first,
            self.config.rounding or TOGETHER, self.config.augment or 0,
        )  # fmt: skip

    @cached_property
    def pictures_digest(self) -> str:
        """Hash of these inputs and of all pictures with their ground truth."""
        digest = hashlib.sha256()
        for picture in self.pictures:
            digest.update(picture.name.encode() + picture.values.tobytes())
            for name, values in picture.truth.items():
                digest.update(name.encode() + values.tobytes())
        return digest_text(self.digest, digest.hexdigest())


class Results:
    """What stages have found, by the class of it: kept by a stage that ran, else read from its files, once."""

    def __init__(self) -> None:
        self._known: dict[type, object] = {}

    def keep(self, *results: object) -> None:
        """Takes what a stage has just found, in place of what was known."""
        self._known |= {type(result): result for result in results}

    def get(self, kind: type[T], read: Callable[[], T]) -> T:
        """The result of a class; `read` gives it where no stage has found it in this run."""
        if kind not in self._known:
            self._known[kind] = read()
        found = self._known[kind]
        assert isinstance(found, kind)
        return found


@dataclass(frozen=True)
class Standing:
    """How far a build has come: what its report tells.

    Attributes:
        done: stages whose results are there and up to date, in order.
        stopped_before: the first one that is not; "" after the last.
        failure: what ended the build, if it failed.
    """

    done: tuple[str, ...] = ()
    stopped_before: str = ""
    failure: EdgeMoEError | None = None


@dataclass(frozen=True)
class Context:
    """Arguments of a stage.

    Attributes:
        project: opened.
        output: the build's folder.
        progress: called with text, steps done and steps in all (0: unknown).
        clock_mhz: of the bitstream: a retry may have implemented the design at a slower one than it asks for.
        results: of earlier stages.
        standing: for the report.
    """

    project: OpenedProject
    output: Path
    progress: Progress
    clock_mhz: float
    results: Results = field(default_factory=Results)
    standing: Standing = Standing()

    @property
    def accelerator(self) -> Path:
        """Folder of the rendered project."""
        return self.output / ACCELERATOR

    @property
    def simulation(self) -> Path:
        """Folder of the stage csim."""
        return self.output / CSIM


def open_context(config: Config, progress: Progress) -> Context:
    """Opens a project for a build, and checks it completely.

    Raises:
        EdgeMoEError: the error of the project.
    """
    model = open_model(config)
    design = open_design(config, model.spec)
    tasks = open_tasks(config, model.spec)
    check_capacity(design, model.spec)
    check_fits(design)
    pictures = open_pictures(config, model.spec)
    calibration = open_calibration(config, model.spec, pictures)
    hooks = open_hooks(config)
    name = config.name or default_name(design.board, config.checkpoint)
    check_name(name)
    project = OpenedProject(config, model, design, tasks, pictures, tuple(calibration), hooks, name)
    return Context(project, config.output or Path(DEFAULT_OUTPUT), progress, design.knobs.clock_mhz)


@cache
def package_digest() -> str:
    """Hash of the package, computed once a process: a change of edgemoe-gen makes everything anew."""
    files = sorted(path for pattern in ("*.py", "*.j2", "*.toml") for path in PACKAGE.rglob(pattern))
    return digest_text(__version__, *(path.relative_to(PACKAGE) for path in files), digest_of(files))
