"""The verbs of the command line as functions, with the same names and options; each returns a frozen dataclass.

    from edgemoe_gen import build
    result = build("checkpoint.pth.tar", spec="spec.toml", image=["images"], board="zcu104")

Every function raises an `EdgeMoEError` for what a user can mend. An `edgemoe.toml` of the current folder is taken as
the command line takes it; pass `config` for another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path

from edgemoe_gen.boards import Board, board_names, load_board
from edgemoe_gen.config import CALIBRATION_IMAGES, FILE_NAME, Config, config_to_toml
from edgemoe_gen.design import Design
from edgemoe_gen.diagnosis import Check, Diagnosis, doctor
from edgemoe_gen.errors import ConfigError
from edgemoe_gen.estimate import Resources, check_fits, estimate_resources
from edgemoe_gen.files import check_writable, write_whole
from edgemoe_gen.inspection import Inspection
from edgemoe_gen.inspection import inspect as inspect_checkpoint
from edgemoe_gen.model import ModelSpec, SpecOptions
from edgemoe_gen.pictures import check_labels, find_pictures, open_picture
from edgemoe_gen.pipeline import BuildResult, StageResult
from edgemoe_gen.pipeline import build as run_stages
from edgemoe_gen.pipeline.generate import generate_sources
from edgemoe_gen.project import (
    Progress,
    Project,
    checkpoint_of,
    network_options,
    no_progress,
    open_calibration,
    open_design,
    open_knobs,
    open_model,
    open_numerics,
    open_pictures,
    open_project,
    open_tasks,
    with_spec,
)
from edgemoe_gen.running import BACKENDS, RunResult, read_routes, run_csim, run_float, write_dump, write_picture
from edgemoe_gen.sim.engine import Engine
from edgemoe_gen.sim.junit import write_junit
from edgemoe_gen.sim.kernels import KERNELS, CaseResult, record_inputs, run_kernels

PathText = str | PathLike[str]
Paths = Sequence[PathText]
Values = Mapping[str, int | float]


@dataclass(frozen=True)
class InitResult:
    """The file written, and the network and design that it describes."""

    path: Path
    spec: ModelSpec
    design: Design
    resources: Resources
    notes: tuple[str, ...]


@dataclass(frozen=True)
class GenerateResult:
    """The folder written, its design, and the design's estimate."""

    folder: Path
    files: int
    design: Design
    resources: Resources
    notes: tuple[str, ...]


@dataclass(frozen=True)
class CsimResult:
    """Outcome of the kernels' simulation; `design` is what was checked."""

    design: Design
    cases: tuple[CaseResult, ...]
    notes: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether every case kept its bound."""
        return all(case.passed for case in self.cases)


def init(
    checkpoint: PathText,
    *,
    spec: PathText | None = None,
    options: SpecOptions | None = None,
    board: str | None = None,
    knobs: Values | None = None,
    image: Paths = (),
    calibrate: Paths = (),
    labels: PathText | None = None,
    task: Sequence[str] = (),
    class_names: Mapping[str, Sequence[str]] | None = None,
    output: PathText | None = None,
    file: PathText = FILE_NAME,
    force: bool = False,
) -> InitResult:
    """Writes `edgemoe.toml`: network, board, knobs and numerics of a project, every key explained.

    Args:
        checkpoint: file or folder of shards.
        spec: spec file, .toml of ours or .yml of the authors'.
        options: what neither checkpoint nor spec file tells.
        board: name or file; the default is zcu104.
        knobs: values by name, over those that suit network and board.
        image: pictures, or folders of them, to simulate and report on.
        calibrate: pictures that binary points are chosen from, if others.
        labels: folder of ground truth, if not beside the pictures.
        task: tasks to build for, if not all.
        class_names: names of a task's classes in the order of their numbers, by task, over those of the spec.
        output: folder that builds will write to.
        file: what to write.
        force: replace a file that is there.
    """
    target = Path(file)
    if target.exists() and not force:
        raise ConfigError(f"{target} exists already", "add --force to replace it")
    check_writable(target)
    said = _said(checkpoint, options, board, knobs, image, calibrate, labels, task, output, class_names)
    said = with_spec(said, None if spec is None else Path(spec))
    model = open_model(said)
    open_tasks(said, model.spec)
    check_labels(said.labels, find_pictures(said.images or ()))
    for path in find_pictures((*(said.images or ()), *(said.calibrate or ()))):
        open_picture(path, model.spec.image, said.labels)
    design = open_design(said, model.spec)
    if output is None:
        said = replace(said, output=target.parent / "build")
    suits = f"this network on the {design.board.title.removeprefix('AMD ')}"
    text = config_to_toml(said, target.parent, model.spec, design.knobs, suits)
    write_whole(target, lambda stream: stream.write(text.encode()))
    return InitResult(target, model.spec, design, estimate_resources(design), model.notes)


def inspect(
    checkpoint: PathText | None = None,
    *,
    spec: PathText | None = None,
    options: SpecOptions | None = None,
    config: PathText | None = None,
) -> Inspection:
    """The architecture found in a checkpoint; see `Inspection`."""
    project = _project(_said(checkpoint, options), spec, config)
    found = inspect_checkpoint(checkpoint_of(project.config), network_options(project.config))
    return replace(found, notes=(*found.notes, *project.notes))


def generate(
    checkpoint: PathText | None = None,
    *,
    spec: PathText | None = None,
    options: SpecOptions | None = None,
    config: PathText | None = None,
    board: str | None = None,
    knobs: Values | None = None,
    output: PathText | None = None,
) -> GenerateResult:
    """Renders the accelerator's sources to OUTPUT/accelerator, without program and weights.

    With a checkpoint the largest network follows from it, and PyTorch is needed; without one the knobs say it.
    """
    project = _project(_said(checkpoint, options, board, knobs, output=output), spec, config)
    said = project.config
    design = open_design(said, None if said.checkpoint is None else open_model(said).spec)
    resources = check_fits(design)
    folder, files = generate_sources(design, said)
    return GenerateResult(folder, files, design, resources, project.notes)


def build(
    checkpoint: PathText | None = None,
    *,
    spec: PathText | None = None,
    options: SpecOptions | None = None,
    config: PathText | None = None,
    board: str | None = None,
    knobs: Values | None = None,
    image: Paths = (),
    calibrate: Paths = (),
    labels: PathText | None = None,
    task: Sequence[str] = (),
    class_names: Mapping[str, Sequence[str]] | None = None,
    output: PathText | None = None,
    progress: Progress = no_progress,
    on_stage: Callable[[StageResult], None] = lambda _: None,
) -> BuildResult:
    """Renders, compiles, simulates and reports; see `init` for the options.

    Args:
        progress: called with text, steps done, steps in all.
        on_stage: called after each stage.
    """
    said = _said(checkpoint, options, board, knobs, image, calibrate, labels, task, output, class_names)
    project = _project(said, spec, config)
    return replace(run_stages(project.config, progress, on_stage), notes=project.notes)


def run(
    checkpoint: PathText | None = None,
    *,
    image: PathText,
    spec: PathText | None = None,
    options: SpecOptions | None = None,
    config: PathText | None = None,
    board: str | None = None,
    knobs: Values | None = None,
    calibrate: Paths = (),
    task: str | None = None,
    backend: str = "float",
    routes: PathText | None = None,
    dump: PathText | None = None,
    output: PathText | None = None,
    progress: Progress = no_progress,
) -> RunResult:
    """One picture and task through one backend.

    Args:
        image: picture.
        task: name; needed if the network has several.
        backend: "float" or "csim".
        routes: dump of another run whose experts the float backend takes.
        dump: .npz to write, see `running.write_dump`.
        output: picture to write of the task's result.
    """
    if backend not in BACKENDS:
        raise ConfigError(f"there is no backend '{backend}'", f"known backends: {', '.join(BACKENDS)}")
    if routes is not None and backend != "float":
        raise ConfigError("--routes forces the float backend only", "the accelerator always takes its own routes")
    for path, option, suffix in ((dump, "--dump", ".npz"), (output, "--output", ".png")):
        if path is not None:
            if Path(path).suffix.lower() != suffix:
                raise ConfigError(
                    f"{option} is '{path}', but a {suffix} file is written", f"end its name with {suffix}"
                )
            check_writable(Path(path))
    project = _project(_said(checkpoint, options, board, knobs, calibrate=calibrate), spec, config)
    said, notes = project.config, list(project.notes)
    model = open_model(said)
    name = _one_task(task, model.spec)
    picture = open_picture(Path(image), model.spec.image)
    if backend == "float":
        forced = None if routes is None else read_routes(Path(routes), model)
        progress("running the float reference", 0, 1)
        result = run_float(model, picture.values, name, forced)
    else:
        design = open_design(said, model.spec)
        if said.calibrate or said.images:
            others = open_pictures(said, model.spec) if not said.calibrate else ()
            calibration = open_calibration(said, model.spec, others)
        else:
            calibration = [picture.values]
            notes.append("binary points are calibrated on this very picture: give --calibrate for others")
        numerics = open_numerics(said, model, design.knobs, calibration, open_tasks(said, model.spec), progress)
        progress("compiling the engine", 0, 1)
        engine = Engine.compile(design)
        progress("simulating", 0, 1)
        result = run_csim(engine, model, numerics.network, numerics.formats, picture.values, name)
    result = replace(result, notes=tuple(notes))
    if output is not None:
        write_picture(result, Path(output))
    if dump is not None:
        write_dump(result, Path(dump))
    return result


def csim(
    checkpoint: PathText | None = None,
    *,
    kernel: Sequence[str] = (),
    spec: PathText | None = None,
    options: SpecOptions | None = None,
    config: PathText | None = None,
    board: str | None = None,
    knobs: Values | None = None,
    image: Paths = (),
    task: str | None = None,
    junit: PathText | None = None,
    seed: int = 0,
    progress: Callable[[CaseResult], None] | None = None,
) -> CsimResult:
    """Checks kernels of a design against float64 in C simulation; every case has its own error bound.

    Args:
        checkpoint: with a picture, inputs recorded from this network are tried too.
        kernel: names out of `KERNELS`; none = all.
        image: the first picture is the one that inputs are recorded from.
        task: whose inputs are recorded; default: the first.
        junit: JUnit XML to write.
        seed: of the random inputs.
    """
    for name in kernel:
        if name not in KERNELS:
            raise ConfigError(f"there is no kernel '{name}'", f"known kernels: {', '.join(KERNELS)}")
    project = _project(_said(checkpoint, options, board, knobs, image), spec, config)
    said, notes = project.config, list(project.notes)
    recorded, network_spec = None, None
    if said.checkpoint is not None and said.images:
        model = open_model(said)
        network_spec = model.spec
        tasks = (task or open_tasks(said, model.spec)[0],)
        model.spec.task_index(tasks[0])
        pictures = [open_picture(path, model.spec.image) for path in find_pictures(said.images)[:1]]
        picture_values = [picture.values for picture in pictures]
        numerics = open_numerics(said, model, open_knobs(said, model.spec), picture_values, tasks)
        recorded = record_inputs(model, numerics.network, numerics.formats, picture_values[0], tasks[0])
    elif said.checkpoint is not None:
        network_spec = open_model(said).spec
        notes.append("no picture is named, so no inputs are recorded: give --image")
    design = open_design(said, network_spec)
    engine = Engine.compile(design)
    cases = tuple(run_kernels(design, tuple(kernel) or KERNELS, recorded, engine, seed, progress))
    if junit is not None:
        try:
            write_junit(cases, Path(junit))
        except OSError as error:
            raise ConfigError(f"{junit} cannot be written: {error.strerror}", "choose another place") from error
    return CsimResult(design, cases, tuple(notes))


def boards(name: str | None = None) -> tuple[Board, ...]:
    """The board of a name or file, or all boards that come with the package."""
    return tuple(load_board(known) for known in ([name] if name else board_names()))


def _project(said: Config, spec: PathText | None, config: PathText | None) -> Project:
    return open_project(said, None if spec is None else Path(spec), None if config is None else Path(config))


def _said(
    checkpoint: PathText | None,
    options: SpecOptions | None,
    board: str | None = None,
    knobs: Values | None = None,
    image: Paths = (),
    calibrate: Paths = (),
    labels: PathText | None = None,
    task: Sequence[str] = (),
    output: PathText | None = None,
    class_names: Mapping[str, Sequence[str]] | None = None,
) -> Config:
    def path(value: PathText | None) -> Path | None:
        return None if value is None else Path(value)

    return Config(
        checkpoint=path(checkpoint),
        images=tuple(Path(p) for p in image) or None,
        labels=path(labels),
        tasks=tuple(task) or None,
        class_names={name: tuple(names) for name, names in (class_names or {}).items()},
        output=path(output),
        model=options or SpecOptions(),
        board=board,
        knobs=dict(knobs or {}),
        calibrate=tuple(Path(p) for p in calibrate) or None,
    )


def _one_task(task: str | None, spec: ModelSpec) -> str:
    if task is None:
        if len(spec.tasks) > 1:
            raise ConfigError(f"the network has the tasks {', '.join(spec.task_names)}", "choose one with --task")
        return spec.task_names[0]
    spec.task_index(task)
    return task


__all__ = [
    "CALIBRATION_IMAGES",
    "BuildResult",
    "Check",
    "CsimResult",
    "Diagnosis",
    "GenerateResult",
    "InitResult",
    "Inspection",
    "RunResult",
    "StageResult",
    "boards",
    "build",
    "csim",
    "doctor",
    "generate",
    "init",
    "inspect",
    "run",
]
