"""One picture through one backend, for one or several tasks; and the kernels in C simulation against float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgemoe_gen.api.arguments import CsimArguments, CsimKeywords, RunArguments, RunKeywords
from edgemoe_gen.api.board import run_on_board
from edgemoe_gen.api.tasks import OR_ALL, named, refuse_to_choose, some_tasks
from edgemoe_gen.base.arguments import split, takes
from edgemoe_gen.base.brief import Brief
from edgemoe_gen.base.errors import ConfigError, ImageError
from edgemoe_gen.base.files import check_writable
from edgemoe_gen.base.names import near
from edgemoe_gen.design import Design
from edgemoe_gen.model import Model, SpecOptions
from edgemoe_gen.pictures.found import find_pictures, left_out, open_picture
from edgemoe_gen.pipeline.running import (
    BACKENDS,
    OUTPUTS,
    RunResult,
    check_output,
    read_routes,
    run_csim,
    run_float,
    write_dump,
    write_output,
)
from edgemoe_gen.project.arguments import PROJECT, PathText, ProjectArguments, project_arguments
from edgemoe_gen.project.config import DEFAULT_OUTPUT, Config
from edgemoe_gen.project.early import Needs, open_checked
from edgemoe_gen.project.opening import (
    Progress,
    no_progress,
    open_calibration,
    open_design,
    open_knobs,
    open_model,
    open_numerics,
    open_pictures,
    open_tasks,
)
from edgemoe_gen.sim.engine import Engine
from edgemoe_gen.sim.junit import write_junit
from edgemoe_gen.sim.kernels import KERNELS, CaseResult, record_inputs, run_kernels

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from typing_extensions import Unpack


@dataclass(frozen=True, repr=False)
class CsimResult(Brief):
    """Outcome of the kernels' simulation; `design` is the checked design."""

    design: Design
    cases: tuple[CaseResult, ...]
    notes: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether every case kept its error bound."""
        return all(case.passed for case in self.cases)


@takes(RunKeywords, *PROJECT, RunArguments)
def run(
    checkpoint: PathText | None = None,
    *,
    image: PathText,
    progress: Progress = no_progress,
    **keywords: Unpack[RunKeywords],
) -> RunResult:
    """One picture through one backend, for one or several tasks.

    The result belongs to the first named task. `by_task` of the result has those of all named tasks.

    Args:
        checkpoint: file or folder of shards.
        image: picture.
        calibrate: csim: pictures for choosing binary points; default: the project's, else `image`.
        task: names, or "all"; needed if the network has several tasks. Tasks whose gates do not depend on the task
            share the backbone, which runs once.
        backend: "float", "csim" or "board".
        routes: dump of another run whose experts the float backend takes.
        dump: .npz file to write, see `running.write_dump`.
        output: the task's result to write: .png as a picture, .npy its numbers, .npz all arrays of a dump. With
            several tasks, each has its own picture or numbers, NAME_TASK.png or NAME_TASK.npy.
        overlay: board: name of an installed overlay, its folder, or the folder of its build; it holds the network.
        simulated: board: take the simulated board.
        progress: called with text, steps done and steps in all.
    """
    how, left = split(RunArguments, keywords)
    if how.backend not in BACKENDS:
        raise ConfigError(
            f"there is no backend '{how.backend}'",
            near(how.backend, BACKENDS, "known backends"),
        )
    if how.routes is not None and how.backend != "float":
        raise ConfigError("--routes forces the float backend only", "the accelerator always takes its own routes")
    for path, option, kinds in ((how.dump, "--dump", (".npz",)), (how.output, "--output", OUTPUTS)):
        if path is not None:
            if Path(path).suffix.lower() not in kinds:
                written = " or ".join(kinds)
                raise ConfigError(
                    f"{option} is '{path}', but a {written} file is written", f"end its name with {written}"
                )
            check_writable(Path(path))
    arguments = project_arguments(left, checkpoint)
    if how.backend == "board":
        _refuse_for_board(arguments)
        if how.overlay is None:
            raise ConfigError("the board runs an overlay, but none is named", "give --overlay NAME or a folder")
        progress("running on the board", 0, 1)
        return _written(run_on_board(how.overlay, image, how.task, how.simulated), how)
    if how.overlay is not None or how.simulated:
        option = "--simulated" if how.overlay is None else "--overlay"
        raise ConfigError(f"{option} is for the board, but the backend is {how.backend}", "give --backend board too")
    if Path(image).is_dir():
        raise ImageError(f"{image} is a folder.", "Give one picture.")
    in_csim = how.backend == "csim"
    project = open_checked(
        arguments, Needs(True, in_csim, others=[Path(image)], tasks=named(how.task), compiler=in_csim)
    )
    config, notes = project.config, list(project.notes)
    refuse_to_choose(how.task, config.model.tasks or (), hint=OR_ALL)
    model = open_model(config)
    tasks = some_tasks(how.task, model.spec)
    if how.output is not None:
        for name in tasks:
            check_output(Path(how.output), model, name)
    if len(tasks) > 1 and in_csim:
        shares = model.spec.shares_backbone
        notes.append("the tasks share the backbone, which runs once" if shares else
                     "gates depend on the task, so the backbone runs once a task")  # fmt: skip
    picture = open_picture(Path(image), model.spec.image)
    if not in_csim:
        path = None if how.routes is None else Path(how.routes)
        forced = None if path is None else {name: read_routes(path, model, name) for name in tasks}
        progress("running the float reference", 0, 1)
        result = run_float(model, picture.values, tasks, forced)
    else:
        result = simulated(config, model, picture.values, tasks, notes, progress)
    return _written(replace(result, notes=tuple(notes)), how)


def simulated(
    config: Config,
    model: Model,
    image: NDArray[np.float32],
    tasks: Sequence[str],
    notes: list[str],
    progress: Progress,
) -> RunResult:
    """One frame of the project's design in C simulation, every block's output stored.

    Args:
        config: the project. Binary points are chosen from its pictures; without pictures they are those of its build,
            else chosen from this picture; a note says which.
        model: the network.
        image: network input [3, height, width].
        tasks: names.
        notes: gets notes for the user.
        progress: called with text, steps done and steps in all.
    """
    from edgemoe_gen.pipeline.support.calibrated import kept_numerics  # which `run` in float need not import

    design = open_design(config, model.spec)
    if config.calibrate or config.images:
        notes += left_out(config.calibrate or config.images or ())
        others = open_pictures(config, model.spec) if not config.calibrate else ()
        calibration: Sequence[NDArray[np.float32]] | None = open_calibration(config, model.spec, others)
    else:
        calibration = None
    numerics = kept_numerics(config, model, design.knobs, calibration)
    if numerics is not None:
        notes.append(f"binary points are those of the build in {config.output or DEFAULT_OUTPUT}")
    else:
        if calibration is None:
            calibration = [image]
            notes.append("binary points are calibrated on this very picture: give --calibrate for others")
        numerics = open_numerics(config, model, design.knobs, calibration, open_tasks(config, model.spec), progress)
    engine = Engine.compile(design, on_compile=lambda: progress("compiling the engine", 0, 1))
    progress("simulating", 0, 1)
    return run_csim(engine, model, numerics.network, numerics.formats, image, tasks, numerics.decoders)


@takes(CsimKeywords, *PROJECT, CsimArguments)
def csim(
    checkpoint: PathText | None = None,
    *,
    kernel: Sequence[str] = (),
    progress: Callable[[CaseResult], None] | None = None,
    **keywords: Unpack[CsimKeywords],
) -> CsimResult:
    """Checks kernels of a design against float64 in C simulation; every case has its own error bound.

    Args:
        checkpoint: with a picture, kernels also run on inputs recorded from this network.
        kernel: names out of `KERNELS`; default: all kernels of the design.
        image: pictures; inputs are recorded from the first.
        task: task whose inputs are recorded; default: the first.
        junit: JUnit XML to write.
        seed: of the random inputs.
        progress: called with each case's outcome.
    """
    how, left = split(CsimArguments, keywords)
    for name in kernel:
        if name not in KERNELS:
            raise ConfigError(f"there is no kernel '{name}'", near(name, KERNELS, "known kernels"))
    if how.junit is not None:
        check_writable(Path(how.junit))
    needs = Needs(pictures=True, tasks=() if how.task is None else (how.task,), compiler=True)
    project = open_checked(project_arguments(left, checkpoint), needs)
    config, notes = project.config, list(project.notes)
    recorded, network_spec = None, None
    if config.checkpoint is not None and config.images:
        model = open_model(config)
        network_spec = model.spec
        tasks = (how.task or open_tasks(config, model.spec)[0],)
        model.spec.task_index(tasks[0])
        pictures = [open_picture(path, model.spec.image) for path in find_pictures(config.images)[:1]]
        picture_values = [picture.values for picture in pictures]
        numerics = open_numerics(config, model, open_knobs(config, model.spec), picture_values, tasks)
        recorded = record_inputs(model, numerics.network, numerics.formats, picture_values[0], tasks[0])
    elif config.checkpoint is not None:
        network_spec = open_model(config).spec
    design = open_design(config, network_spec)
    engine = Engine.compile(design)
    given = {"checkpoint": config.checkpoint, "picture (--image)": config.images}
    absent = " and no ".join(name for name, value in given.items() if not value)
    unrecorded = f"no {absent} is named to record inputs from"
    cases = tuple(run_kernels(design, tuple(kernel), recorded, engine, how.seed, progress, unrecorded))
    if how.junit is not None:
        write_junit(cases, Path(how.junit))
    return CsimResult(design, cases, tuple(notes))


def _written(result: RunResult, how: RunArguments) -> RunResult:
    if how.output is not None:
        write_output(result, Path(how.output))
    if how.dump is not None:
        write_dump(result, Path(how.dump))
    return result


def _refuse_for_board(arguments: ProjectArguments) -> None:
    """Refuses arguments that name a network, numbers or a board: an overlay holds its own."""
    config = arguments.config
    beside = {
        "a checkpoint": config.checkpoint,
        "--spec": arguments.spec_file,
        "--config": arguments.project_file,
        "--board": config.board,
        "--knob": config.knobs,
        "--calibrate": config.calibrate,
        "the network's options": config.model != SpecOptions(),
    }
    named = [name for name, value in beside.items() if value]
    if named:
        raise ConfigError(
            f"the board runs what its overlay holds, so {', '.join(named)} cannot be given too", "leave that out"
        )
