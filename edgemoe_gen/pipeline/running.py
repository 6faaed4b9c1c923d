"""`run`: one picture through one backend, for one or several tasks, and dumps whose routes another run can use.

Backends: `float`, the reference in PyTorch, and `csim`, the C simulation, whose tokens the board's own decoder
takes, in NumPy.
"""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from html import escape
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.base.arrays import read_arrays
from edgemoe_gen.base.brief import Brief
from edgemoe_gen.base.errors import ConfigError, SpecError
from edgemoe_gen.base.files import write_whole
from edgemoe_gen.model import Model, Reference
from edgemoe_gen.numerics.formats import Formats
from edgemoe_gen.numerics.lower import LoweredNetwork
from edgemoe_gen.overlay.outputs import task_output
from edgemoe_gen.program.compile import compile_network
from edgemoe_gen.report import colours
from edgemoe_gen.report.views import class_name, probabilities, view
from edgemoe_gen.sim.engine import Engine, Traffic, run_frames

Backend = Literal["float", "csim", "board"]
OUTPUTS = (".png", ".npy", ".npz")  # what a task's result is written as
BACKENDS: tuple[Backend, ...] = ("float", "csim", "board")
Float32 = NDArray[np.float32]


@dataclass(frozen=True, eq=False, repr=False)
class RunResult(Brief):
    """Result of one frame for a task. If several tasks ran, it is the first task's, and `others` has the rest.

    Attributes:
        backend, task: those of the run.
        tokens: [tokens, dim], the last block's output.
        blocks: [depth, tokens, dim], every block's output; [0, tokens, dim] from the board, which stores none.
        routes: [moe_blocks, tokens, top_k] int32, experts by descending score, or as they were forced; [0, tokens, 0]
            without experts, and from the board.
        scores: [moe_blocks, tokens, top_k], scores of the experts in `routes`.
        output: the task's decoder [classes, height, width], a plain ViT's logits [classes], or None.
        seconds: wall time of the frame, decoder included, compilation not; with several tasks the task's share.
        traffic: bytes through each port of the accelerator, with every block's output and all tasks; None for float.
        notes: notes for the user on the run.
        ids: class numbers uint8 [height, width] of the engine's decoder, in the place of an output.
        class_names: names of the task's classes; () where they have none.
        stages: seconds by stage, for the board.
        tier: tier of the seconds, for the board.
        others: the same frame for the other tasks.
    """

    backend: Backend
    task: str
    tokens: Float32
    blocks: Float32
    routes: NDArray[np.int32]
    scores: Float32
    output: Float32 | None
    seconds: float
    traffic: Traffic | None = None
    notes: tuple[str, ...] = ()
    ids: NDArray[np.uint8] | None = None
    class_names: tuple[str, ...] = ()
    stages: Mapping[str, float] | None = None
    tier: str = ""
    others: tuple[RunResult, ...] = ()

    @property
    def by_task(self) -> dict[str, RunResult]:
        """The results of all tasks that ran, this one included."""
        return {one.task: one for one in (replace(self, others=()), *self.others)}

    @property
    def shown(self) -> NDArray[Any] | None:
        """The output, or the class numbers in its place."""
        return self.output if self.ids is None else self.ids

    def _repr_html_(self) -> str:
        """What a notebook shows: each task's line, and its map if it has one."""
        parts = []
        for one in self.by_task.values():
            data = picture_of(one)
            parts.append(f"<div><code>{escape(repr(one))}</code></div>")
            if data is not None:
                parts.append(f'<img alt="{escape(one.task)}" src="data:image/png;base64,{b64encode(data).decode()}">')
        return "".join(parts)

    def as_dict(self) -> dict[str, Any]:
        """Facts of the run as JSON, without the arrays; with several tasks, `tasks` has the facts of each."""
        output = self.output
        several = {"tasks": {task: one.as_dict() for task, one in self.by_task.items()}} if self.others else {}
        return {
            "backend": self.backend,
            "task": self.task,
            "tokens": {
                "shape": list(self.tokens.shape),
                "mean": float(self.tokens.mean()),
                "std": float(self.tokens.std()),
            },
            "blocks": list(self.blocks.shape),
            "routes": list(self.routes.shape),
            "output": None
            if output is None
            else {"shape": list(output.shape), "min": float(output.min()), "max": float(output.max())},
            "ids": None if self.ids is None else {"shape": list(self.ids.shape)},
            "top_classes": _top_classes(output),
            "classes": _classes(self.shown, self.class_names),
            "seconds": self.seconds,
            "stages": None if self.stages is None else dict(self.stages),
            "tier": self.tier or None,
            "traffic": None if self.traffic is None else asdict(self.traffic),
            "notes": list(self.notes),
            **several,
        }


def _top_classes(output: Float32 | None) -> list[int] | None:
    if output is None or output.ndim != 1:
        return None
    return [int(i) for i in np.argsort(-output, kind="stable")[:5]]


def _classes(output: NDArray[Any] | None, names: Sequence[str]) -> list[dict[str, Any]] | None:
    """Classes by share of a map's pixels, or by probability for the whole picture; None for values."""
    if output is None or (output.ndim == 3 and output.shape[0] == 1):
        return None
    shown = view(output)
    if shown.kind == "scores":
        shares = probabilities(shown.values)
        order = _top_classes(output) or []
    else:
        shares = np.bincount(shown.values.ravel(), minlength=shown.classes) / shown.values.size
        order = [int(i) for i in np.argsort(-shares, kind="stable") if shares[i] > 0]
    return [{"class": i, "name": class_name(names, i), "share": float(shares[i])} for i in order]


def side_by_side(results: Sequence[RunResult]) -> RunResult:
    """The results of several tasks as one result."""
    first, *others = results
    return replace(first, others=tuple(others))


def run_float(
    model: Model, image: Float32, tasks: Sequence[str], routes: Mapping[str, NDArray[np.int64]] | None = None
) -> RunResult:
    """One frame in float; `routes` [moe_blocks, tokens, top_k] of each task forces the experts."""
    reference = Reference(model)
    results = []
    for task in tasks:
        start = time.perf_counter()
        found = reference.run(image, task, routes=None if routes is None else routes[task])
        seconds = time.perf_counter() - start
        taken, scores = (None, None) if found.routes is None else (found.routes.experts, found.routes.scores)
        made = _result(
            "float", model, task, found.tokens, found.blocks, taken, scores, found.output, seconds,
            by_score=routes is None,
        )  # fmt: skip
        results.append(made)
    return side_by_side(results)


def run_csim(
    engine: Engine,
    model: Model,
    network: LoweredNetwork,
    formats: Formats,
    image: Float32,
    tasks: Sequence[str],
    decoders: Mapping[str, bool] | None = None,
) -> RunResult:
    """One frame in C simulation, every block's output and routes stored; `decoders` as of `compile_network`.

    Tasks whose gates do not depend on the task share the backbone, which then runs once.
    """
    program = compile_network(
        engine.design, model, network, formats, tasks, taps=True, decoders=decoders, one_picture=True
    )
    start = time.perf_counter()
    frames, traffic = run_frames(engine, program, model.spec, [image] * len(tasks))
    shared = (time.perf_counter() - start) / len(tasks)
    results = []
    for place, frame in enumerate(frames):
        start = time.perf_counter()
        found = task_output(model, program, place, frame.tokens, frame.decoded)
        seconds = shared + time.perf_counter() - start
        assert frame.blocks is not None
        made = _result(
            "csim", model, frame.task, frame.tokens, frame.blocks, frame.experts, frame.scores, found.output, seconds,
            traffic,
        )  # fmt: skip
        results.append(replace(made, ids=found.ids))
    return side_by_side(results)


def _result(
    backend: Backend,
    model: Model,
    task: str,
    tokens: NDArray[Any],
    blocks: NDArray[Any],
    experts: NDArray[Any] | None,
    scores: NDArray[Any] | None,
    output: NDArray[Any] | None,
    seconds: float,
    traffic: Traffic | None = None,
    by_score: bool = True,
) -> RunResult:
    if experts is None or scores is None:
        experts, scores = np.zeros((0, model.spec.tokens, 0)), np.zeros((0, model.spec.tokens, 0))
    # Forced routes keep their order, so that both runs' scores stand in the same places.
    order = np.argsort(-scores if by_score else np.zeros(scores.shape), axis=-1, kind="stable")
    return RunResult(
        backend,
        task,
        tokens.astype(np.float32),
        blocks.astype(np.float32),
        np.take_along_axis(experts, order, axis=-1).astype(np.int32),
        np.take_along_axis(scores, order, axis=-1).astype(np.float32),
        None if output is None else output.astype(np.float32),
        seconds,
        traffic,
        class_names=model.spec.class_names.get(task, ()),
    )


def write_dump(result: RunResult, path: Path) -> None:
    """Writes `tokens`, `blocks`, `routes`, `scores` and, where there is one, `output` or `ids` as .npz; whole or not at
    all. Of several tasks each is under TASK.tokens and so on.
    """
    arrays: dict[str, Any] = {}
    for task, one in result.by_task.items():
        before = f"{task}." if result.others else ""
        for name in ("tokens", "blocks", "routes", "scores", "output", "ids"):
            if getattr(one, name) is not None:
                arrays[before + name] = getattr(one, name)
    write_whole(path, lambda stream: np.savez(stream, **arrays))


def read_routes(path: Path, model: Model, task: str) -> NDArray[np.int64]:
    """Routes of another run's dump; this task's routes, if the dump has several tasks.

    Raises:
        ConfigError: the file is not a dump.
        SpecError: its routes belong to another model.
    """
    try:
        try:
            routes = read_arrays(path, ("routes",))["routes"]
        except KeyError:
            name = f"{task}.routes"
            routes = read_arrays(path, (name,))[name]
    except KeyError as error:
        raise ConfigError(f"{path} holds no array 'routes'", "give the --dump of another run") from error
    except FileNotFoundError as error:
        raise ConfigError(f"there is no dump at {path}", "write one: edgemoe-gen run ... --dump FILE") from error
    except (OSError, ValueError, EOFError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path} is not a dump of edgemoe-gen run", "give the --dump of another run") from error
    spec = model.spec
    wanted = (len(spec.moe_blocks), spec.tokens, spec.router.top_k)
    if spec.moe_blocks and routes.shape != wanted:
        raise SpecError(
            f"{path} holds the routes of another model: their shape is {list(routes.shape)}, "
            f"this model's {list(wanted)}",
            "give the --dump of a run of this model",
        )
    ids: NDArray[np.int64] = routes.astype(np.int64)
    most = min((spec.blocks[i].experts for i in spec.moe_blocks), default=0)
    if ids.size and (not np.array_equal(ids, routes) or ids.min() < 0 or ids.max() >= most):
        raise SpecError(
            f"{path} holds the routes of another model: experts {routes.min():g} to {routes.max():g}, this model has "
            f"{most} a block",
            "give the --dump of a run of this model",
        )
    return ids


def check_output(path: Path, model: Model, task: str) -> None:
    """Refuses a file for a result that the network does not have, before the run.

    Raises:
        ConfigError: the task has no result, or none that is a picture.
    """
    is_map = task in model.decoders
    if path.suffix.lower() == ".png" and not is_map:
        raise _no_picture(task)
    if path.suffix.lower() == ".npy" and not (is_map or "head.weight" in model.head):
        raise _no_output(task)


def _no_picture(task: str) -> ConfigError:
    return ConfigError(f"task {task} has no output that is a picture", "write numbers: .npy or .npz")


def _no_output(task: str) -> ConfigError:
    return ConfigError(f"task {task} has no output: the network has no decoder for it", "take .npz for tokens")


def output_paths(path: Path, tasks: Sequence[str]) -> tuple[Path, ...]:
    """Files that `write_output` writes: one .npz of all tasks, or one file for each task, named after the task."""
    if len(tasks) == 1 or path.suffix.lower() == ".npz":
        return (path,)
    return tuple(path.with_name(f"{path.stem}_{task}{path.suffix}") for task in tasks)


def write_output(result: RunResult, path: Path) -> None:
    """Writes the task's result in the format of the path's suffix (`OUTPUTS`), several tasks to their `output_paths`.

    Raises:
        ConfigError: the task has no result, or none that is a picture.
    """
    kind, results = path.suffix.lower(), result.by_task
    if kind == ".npz":
        write_dump(result, path)
    elif result.others:
        for one, own in zip(results.values(), output_paths(path, list(results)), strict=True):
            write_output(one, own)
    elif kind == ".png":
        write_picture(result, path)
    elif (values := result.shown) is None:
        raise _no_output(result.task)
    else:
        write_whole(path, lambda stream: np.save(stream, values))


def write_picture(result: RunResult, path: Path) -> None:
    """Writes the task's output as a picture: classes by colour, values from dark (low) to bright (high).

    Raises:
        ConfigError: the model has no decoder for the task, or its output is no map.
    """
    data = picture_of(result)
    if data is None:
        raise _no_picture(result.task)
    write_whole(path, lambda stream: stream.write(data))


def picture_of(result: RunResult) -> bytes | None:
    """The task's output as a PNG; None if the output is not a map."""
    output = result.shown
    if output is None or output.ndim == 1:
        return None
    shown = view(output)
    if shown.kind == "classes":
        return colours.png(colours.paint_classes(shown.values.astype(np.int64)))
    values = shown.values.astype(np.float64)
    return colours.png(colours.paint_scale(values, float(values.min()), float(values.max())))
