"""One picture through one backend, and the kernels in C simulation against float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgemoe_gen.api.board import run_on_board
from edgemoe_gen.api.common import Paths, PathText, Values, opened, said
from edgemoe_gen.base.errors import ConfigError, ImageError
from edgemoe_gen.base.files import check_writable
from edgemoe_gen.design import Design
from edgemoe_gen.model import ModelSpec, SpecOptions
from edgemoe_gen.pictures.found import find_pictures, left_out, open_picture
from edgemoe_gen.pipeline.running import (
    BACKENDS,
    RunResult,
    read_routes,
    run_csim,
    run_float,
    write_dump,
    write_picture,
)
from edgemoe_gen.project.early import Needs
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
    overlay: PathText | None = None,
    simulated: bool = False,
    progress: Progress = no_progress,
) -> RunResult:
    """One picture and task through one backend.

    Args:
        image: picture.
        task: name; needed if the network has several.
        backend: "float", "csim" or "board".
        routes: dump of another run whose experts the float backend takes.
        dump: .npz to write, see `running.write_dump`.
        output: picture to write of the task's result.
        overlay: board: name of an installed overlay, its folder, or that of its build; it says all about the network.
        simulated: board: take the simulated one.
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
    if backend == "board":
        _refuse_for_board(checkpoint, options, spec=spec, config=config, board=board, knob=knobs, calibrate=calibrate)
        if overlay is None:
            raise ConfigError("the board runs an overlay, but none is named", "give --overlay NAME or a folder")
        progress("running on the board", 0, 1)
        return _written(run_on_board(overlay, image, task, simulated), dump, output)
    if overlay is not None or simulated:
        option = "--simulated" if overlay is None else "--overlay"
        raise ConfigError(f"{option} is for the board, but the backend is {backend}", "give --backend board too")
    if Path(image).is_dir():
        raise ImageError(f"{image} is a folder.", "Give one picture.")
    named = () if task is None else (task,)
    simulated_in_c = backend == "csim"
    needs = Needs(True, pictures=simulated_in_c, others=[Path(image)], tasks=named, compiler=simulated_in_c)
    project = opened(said(checkpoint, options, board, knobs, calibrate=calibrate), spec, config, needs)
    words, notes = project.config, list(project.notes)
    _refuse_to_choose(task, words.model.tasks or ())
    model = open_model(words)
    name = _one_task(task, model.spec)
    picture = open_picture(Path(image), model.spec.image)
    if backend == "float":
        forced = None if routes is None else read_routes(Path(routes), model)
        progress("running the float reference", 0, 1)
        result = run_float(model, picture.values, name, forced)
    else:
        design = open_design(words, model.spec)
        if words.calibrate or words.images:
            notes += left_out(words.calibrate or words.images or ())
            others = open_pictures(words, model.spec) if not words.calibrate else ()
            calibration = open_calibration(words, model.spec, others)
        else:
            calibration = [picture.values]
            notes.append("binary points are calibrated on this very picture: give --calibrate for others")
        numerics = open_numerics(words, model, design.knobs, calibration, open_tasks(words, model.spec), progress)
        engine = Engine.compile(design, on_compile=lambda: progress("compiling the engine", 0, 1))
        progress("simulating", 0, 1)
        result = run_csim(engine, model, numerics.network, numerics.formats, picture.values, name)
    return _written(replace(result, notes=tuple(notes)), dump, output)


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
    if junit is not None:
        check_writable(Path(junit))
    needs = Needs(pictures=True, tasks=() if task is None else (task,), compiler=True)
    project = opened(said(checkpoint, options, board, knobs, image), spec, config, needs)
    words, notes = project.config, list(project.notes)
    recorded, network_spec = None, None
    if words.checkpoint is not None and words.images:
        model = open_model(words)
        network_spec = model.spec
        tasks = (task or open_tasks(words, model.spec)[0],)
        model.spec.task_index(tasks[0])
        pictures = [open_picture(path, model.spec.image) for path in find_pictures(words.images)[:1]]
        picture_values = [picture.values for picture in pictures]
        numerics = open_numerics(words, model, open_knobs(words, model.spec), picture_values, tasks)
        recorded = record_inputs(model, numerics.network, numerics.formats, picture_values[0], tasks[0])
    elif words.checkpoint is not None:
        network_spec = open_model(words).spec
        notes.append("no picture is named, so no inputs are recorded: give --image")
    design = open_design(words, network_spec)
    engine = Engine.compile(design)
    cases = tuple(run_kernels(design, tuple(kernel) or KERNELS, recorded, engine, seed, progress))
    if junit is not None:
        write_junit(cases, Path(junit))
    return CsimResult(design, cases, tuple(notes))


def _written(result: RunResult, dump: PathText | None, output: PathText | None) -> RunResult:
    if output is not None:
        write_picture(result, Path(output))
    if dump is not None:
        write_dump(result, Path(dump))
    return result


def _refuse_for_board(checkpoint: PathText | None, options: SpecOptions | None, **given: object) -> None:
    """An overlay has its network, numbers and board in it; whoever names others expects something else."""
    said_names = [f"--{name}" for name, value in given.items() if value]
    if checkpoint is not None:
        said_names.insert(0, "a checkpoint")
    if options is not None and options != SpecOptions():
        said_names.append("the network's options")
    if said_names:
        raise ConfigError(
            f"the board runs what its overlay holds, so {', '.join(said_names)} cannot be given too", "leave that out"
        )


def _one_task(task: str | None, spec: ModelSpec) -> str:
    _refuse_to_choose(task, spec.task_names)
    if task is None:
        return spec.task_names[0]
    spec.task_index(task)
    return task


def _refuse_to_choose(task: str | None, names: Sequence[str]) -> None:
    if task is None and len(names) > 1:
        raise ConfigError(f"the network has the tasks {', '.join(names)}", "choose one with --task")
