"""A project: `edgemoe.toml` joined with the command line, and the parts of it that a verb opens.

In: `Config`s. Out: model, design, pictures, formats. One function makes each, so that a verb opens only what it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.base.errors import CheckpointError, ConfigError, ImageError
from edgemoe_gen.base.quiet import Quiet
from edgemoe_gen.base.reading import read_text
from edgemoe_gen.design import Design, Knobs, knob_fields, make_design
from edgemoe_gen.fitting.defaults import default_knobs
from edgemoe_gen.hardware.boards import Board, load_board
from edgemoe_gen.model import (
    BlockSpec,
    ImageSpec,
    Model,
    ModelSpec,
    RouterSpec,
    SpecOptions,
    TaskSpec,
    load_model,
    read_spec_file,
)
from edgemoe_gen.model.images import SUFFIXES as PICTURES
from edgemoe_gen.numerics import formats as binary_points
from edgemoe_gen.numerics.calibrate import as_arrays, calibrate
from edgemoe_gen.numerics.formats import Formats, observe_ranges
from edgemoe_gen.numerics.lower import LoweredNetwork
from edgemoe_gen.numerics.narrow_errors import measure_narrow
from edgemoe_gen.numerics.placing import engine_decoders
from edgemoe_gen.numerics.widths import DECODERS, TOGETHER
from edgemoe_gen.pictures.calibration import calibration_pictures
from edgemoe_gen.pictures.found import Picture, find_pictures, left_out, open_picture, picture_names
from edgemoe_gen.pictures.truth import find_truth, read_truth, without_truth
from edgemoe_gen.project.arguments import ProjectArguments
from edgemoe_gen.project.config import (
    CALIBRATION_IMAGES,
    DEFAULT_BOARD,
    FILE_NAME,
    NARROW_CALIBRATION_IMAGES,
    Config,
    read_config,
)
from edgemoe_gen.project.narrow import narrow_facts

Progress = Callable[[str, int, int], None]
no_progress = Quiet("no_progress")
_SPECS = (".toml", ".yml", ".yaml")


# M3ViT tiny on 128 x 256 pictures (pup_vit_tiny_deit_multi_task_baseline.yml): the largest network of a design that is
# asked for without a checkpoint.
TYPICAL = ModelSpec(
    image=ImageSpec.named(128, 256, "unit256"),
    patch=16,
    dim=192,
    heads=3,
    blocks=tuple(BlockSpec(i, 16 * (i % 2), 384 if i % 2 else 768) for i in range(12)),
    router=RouterSpec("multi", top_k=2),
    tasks=(TaskSpec("semseg", 7, map_channels=256), TaskSpec("depth", 1, map_channels=256)),
    tokens=129,
    class_token=True,
)


@dataclass(frozen=True)
class Project:
    """The arguments of all sources together, and notes for the user on how they were put together."""

    config: Config
    notes: tuple[str, ...] = ()


def open_project(arguments: ProjectArguments) -> Project:
    """The project: the caller's arguments, over a spec file, over `edgemoe.toml`.

    Without a project file `edgemoe.toml` of the current folder is taken where there is one, unless it is about another
    checkpoint.

    Raises:
        ConfigError, SpecError, KnobError: a file is malformed.
    """
    caller = config_with_spec(arguments)
    path = arguments.project_file or Path(FILE_NAME)
    if arguments.project_file is None and not path.is_file():
        return Project(caller)
    base = read_config(path)
    if arguments.project_file is None and _differ(caller.checkpoint, base.checkpoint):
        return Project(caller, (f"{path} is about {base.checkpoint}: not used",))
    return Project(caller.over(base))


def config_with_spec(arguments: ProjectArguments) -> Config:
    """The caller's arguments, over the spec file where there is one."""
    config, path = arguments.config, arguments.spec_file
    return config if path is None else replace(config, model=config.model.over(read_spec_file(path)))


def _differ(a: Path | None, b: Path | None) -> bool:
    return a is not None and b is not None and a.resolve() != b.resolve()


def open_model(config: Config) -> Model:
    """The network, with the project's names of classes.

    Raises:
        CheckpointError, SpecError: see `load_model`; or no checkpoint is named.
    """
    return load_model(checkpoint_of(config), None, network_options(config))


def network_options(config: Config) -> SpecOptions:
    """The project's facts of the network; its own names of classes win over the spec's."""
    if not config.class_names:
        return config.model
    return SpecOptions(class_names=config.class_names).over(config.model)


def checkpoint_of(config: Config) -> Path:
    """The checkpoint's path.

    Raises:
        CheckpointError: no checkpoint is named, or its name is that of another kind of file.
    """
    path = config.checkpoint
    if path is None:
        raise CheckpointError(
            "no checkpoint is named",
            f"give it as the first argument, or write {FILE_NAME}: edgemoe-gen init CHECKPOINT",
        )
    for suffixes, kind, option in ((_SPECS, "spec file", "--spec"), (PICTURES, "picture", "--image")):
        if path.suffix.lower() in suffixes and not path.is_dir():
            raise CheckpointError(
                f"{path} is a {kind} by its name, not a checkpoint",
                f"give the checkpoint as the first argument, the {kind} with {option}",
            )
    return path


def checkpoint_there(config: Config) -> Path:
    """The checkpoint's path, after a check that it exists.

    Raises:
        CheckpointError: nothing is there, or see `checkpoint_of`.
    """
    path = checkpoint_of(config)
    if not path.exists():
        raise CheckpointError(f"There is no checkpoint at {path}.", "Check the path.")
    return path


def open_knobs(config: Config, spec: ModelSpec | None) -> Knobs:
    """All knobs: defaults for the network (without one, `TYPICAL`) and board, with the project's own values.

    Raises:
        KnobError: a knob is unknown or out of range.
    """
    turned = dict(config.knobs)
    return default_knobs(spec or TYPICAL, open_board(config), turned)


def open_board(config: Config) -> Board:
    """The board.

    Raises:
        BoardError: it is unknown, or its file is malformed.
    """
    return load_board(DEFAULT_BOARD if config.board is None else config.board)


def open_design(config: Config, spec: ModelSpec | None) -> Design:
    """The design.

    Raises:
        BoardError, KnobError: the board is unknown, or knobs break a rule.
    """
    return make_design(open_knobs(config, spec), open_board(config), config.fifo_depths)


def open_tasks(config: Config, spec: ModelSpec) -> tuple[str, ...]:
    """Tasks to build for, in the order asked for.

    Raises:
        SpecError: the network has no such task.
    """
    tasks = config.tasks or spec.task_names
    for task in tasks:
        spec.task_index(task)
    return tuple(dict.fromkeys(tasks))


def open_hooks(config: Config) -> dict[str, str]:
    """Text of each hook's Tcl, by name.

    Raises:
        ConfigError: a file is missing or is no text.
    """
    found = {}
    for name, path in config.hooks.items():
        try:
            found[name] = read_text(path)
        except (OSError, UnicodeDecodeError) as error:
            why = (
                f"is missing: there is no file {path}" if isinstance(error, FileNotFoundError) else f"({path}): {error}"
            )
            raise ConfigError(
                f"{config.source or FILE_NAME}: the Tcl of flow.hooks.{name} {why}",
                "mend the path, which is relative to edgemoe.toml, or take the key out",
            ) from error
    return found


def open_pictures(config: Config, spec: ModelSpec) -> tuple[Picture, ...]:
    """The pictures that a build simulates.

    Raises:
        ImageError: none is named, or one is unreadable or does not fit.
    """
    found = picture_paths(config)
    truth, names = find_truth(found, config.labels), picture_names(found)
    return tuple(
        open_picture(path, spec.image, names[path], read_truth(truth[path], spec) if path in truth else None)
        for path in found
    )


def picture_notes(config: Config) -> tuple[str, ...]:
    """Notes on the named pictures: files of a folder that are not taken, and pictures without ground truth.

    Raises:
        ImageError: see `find_pictures` and `find_truth`.
    """
    found = find_pictures(config.images or ())
    truth, names = find_truth(found, config.labels), picture_names(found)
    without = without_truth([names[path] for path in found], [path in truth for path in found])
    return (*left_out((*(config.images or ()), *(config.calibrate or ()))), *([without] if without else []))


def picture_paths(config: Config) -> list[Path]:
    """Files of these pictures.

    Raises:
        ImageError: none is named, or one is not there.
    """
    if not config.images:
        raise ImageError("no picture is named", f"give --image FILE_OR_FOLDER, or [project] images in {FILE_NAME}")
    return find_pictures(config.images)


def open_calibration(config: Config, spec: ModelSpec, pictures: Sequence[Picture]) -> list[NDArray[np.float32]]:
    """Network inputs for choosing binary points: those of `calibrate`, else the first of `pictures`.

    Raises:
        ImageError: one is unreadable or does not fit.
    """
    most = config.calibration_images or (NARROW_CALIBRATION_IMAGES if _is_narrow(config) else CALIBRATION_IMAGES)
    if config.calibrate:
        return [open_picture(path, spec.image).values for path in find_pictures(config.calibrate)[:most]]
    return [picture.values for picture in pictures[:most]]


def _is_narrow(config: Config) -> bool:
    """Whether the project makes any tensor narrow; by default none is."""
    names = [knob.name for knob in knob_fields() if knob.name.endswith("_bits")]
    return Knobs().turned({name: config.knobs[name] for name in names if name in config.knobs}).widths.narrow


def check_pinned(config: Config) -> None:
    """Refuses an absurd binary point.

    Raises:
        ConfigError: names it.
    """
    for name, bits in config.pinned.items():
        if not -32 <= bits <= 48:
            raise ConfigError(f"numerics.pinned: '{name}' is {bits} fractional bits", "give -32 to 48")


def check_pinned_names(config: Config, model: Model, knobs: Knobs) -> None:
    """Refuses pinned tensors that the network on an engine with these knobs does not have, without calibrating.

    Raises:
        ConfigError: names one.
    """
    if config.pinned:
        decoders = engine_decoders(model, open_tasks(config, model.spec), knobs.max_map_width, knobs.max_map_channels)
        binary_points.check_pinned_names(model, decoders, knobs.widths, config.pinned)


@dataclass(frozen=True)
class Numerics:
    """Results of calibration.

    Attributes:
        network: the folded network with outliers evened out, and narrow weights on their grids.
        formats: a binary point for each of its tensors.
        columns: largest absolute value of every feature of the norms, and of every output of decoders that run on the
            engine; the network was evened out by these values.
        decoders: tasks whose decoders run on the engine, and whether the engine doubles their last map too.
        rounded: narrow weights as calibration rounded them, by name.
        narrow: errors of narrow tensors, as JSON; None where none is narrow, or `measure` is off.
    """

    network: LoweredNetwork
    formats: Formats
    columns: Mapping[str, NDArray[np.float64]]
    decoders: Mapping[str, bool] = field(default_factory=dict)
    rounded: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    narrow: Mapping[str, Any] | None = None


def open_numerics(
    config: Config,
    model: Model,
    knobs: Knobs,
    images: Sequence[NDArray[np.float32]],
    tasks: Sequence[str],
    progress: Progress = no_progress,
    measure: bool = False,
) -> Numerics:
    """Calibrates.

    Args:
        config: gives pinned tensors, and the rounding of narrow weights.
        model: the network.
        knobs: widths.
        images: network inputs [3, height, width].
        tasks: tasks that will run.
        progress: called with text, runs done, runs in all.
        measure: also run some pictures to measure the errors of narrow tensors.

    Raises:
        ConfigError: a pinned tensor does not exist, or its binary point is absurd.
    """
    check_pinned(config)
    decoders = engine_decoders(model, tasks, knobs.max_map_width, knobs.max_map_channels)
    widths = knobs.widths
    pictures = calibration_pictures(images, model.spec.image, config.augment if widths.narrow else None, widths.narrow)
    done, runs = 0, len(pictures.seen) * len(tasks)

    def step() -> None:
        nonlocal done
        done += 1
        progress("calibrating", done, runs)

    seen = observe_ranges(model, pictures.seen, tasks, step, decoders=bool(decoders))
    used = tuple(f"{DECODERS}.{task}." for task in decoders)
    seen = {name: part for name, part in seen.items() if not name.startswith(f"{DECODERS}.") or name.startswith(used)}
    calibrated = calibrate(
        model, seen, widths, config.pinned, pictures.seen, tasks, (config.rounding or TOGETHER) == TOGETHER,
        lambda done, steps: progress("rounding narrow weights together", done, steps),
    )  # fmt: skip
    narrow = None
    if measure and widths.narrow:
        errors = measure_narrow(
            calibrated, pictures.seen, pictures.unseen, tasks,
            lambda done, steps: progress("measuring narrow tensors", done, steps),
        )  # fmt: skip
        narrow = narrow_facts(calibrated, pictures, errors)
    columns = {name: part.columns for name, part in seen.items() if name.endswith((".norm1", ".norm2"))}
    columns |= {name: part.columns for name, part in seen.items() if name.startswith(f"{DECODERS}.")}
    return Numerics(calibrated.network, calibrated.formats, columns, decoders, as_arrays(calibrated), narrow)
