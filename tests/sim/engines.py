"""What tests of whole networks on the engine share: random networks, runs, and the float reference to compare with.

Bounds come from the formats themselves: `Case.bound` adds up the rounding noise of every tensor of a network.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.design import Design, Knobs, make_design
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.model import Model, Reference, allowed_experts, load_model
from edgemoe_gen.numerics.formats import Formats, Observations, choose_formats, observe_ranges, prepare
from edgemoe_gen.numerics.lower import LoweredNetwork
from edgemoe_gen.program.compile import Program, compile_network
from edgemoe_gen.program.file import program_words
from edgemoe_gen.program.verify import Room, verify_program
from edgemoe_gen.sim.compiler import Build
from edgemoe_gen.sim.engine import Engine, FrameResult, Traffic, run_frames
from tests.factory import TASKS, make_state, options, save_state

# One design for most networks, small enough to compile fast; it must hold every network of these tests.
SMALL: Mapping[str, Any] = {
    "tokens_parallel": 2, "out_parallel": 8, "in_parallel": 8, "weight_ports": 2, "weight_fifo_beats": 256,
    "max_tokens": 33, "max_dim": 48, "max_query": 64, "max_cache": 128, "max_hidden": 192, "max_experts": 16,
    "max_top_k": 4,
}  # fmt: skip

# With these it runs decoders, of maps up to 32 pixels wide.
MAPS: Mapping[str, Any] = {"max_map_width": 32, "max_map_channels": 24, "source_words": 1500, "result_words": 1200}

# With these it runs networks without experts only, and has no router.
NO_ROUTER: Mapping[str, Any] = {"max_experts": 0, "max_top_k": 0}


@dataclass(frozen=True)
class Case:
    """A network with everything that does not depend on a design."""

    model: Model
    images: tuple[NDArray[np.float32], ...]
    seen: Observations
    network: LoweredNetwork

    def formats(self, design: Design) -> Formats:
        """Binary points for a design's widths."""
        return choose_formats(self.network, self.seen, design.knobs.widths)


@dataclass(frozen=True)
class Outcome:
    """A run of a network on an engine."""

    case: Case
    program: Program
    formats: Formats
    frames: list[FrameResult]
    traffic: Traffic

    @property
    def bound(self) -> float:
        """Relative RMS error that rounding can cause: all tensors' noise is independent, so its powers add up.

        A value passes one of several experts, heads and tasks, so of their tensors the mean power counts. Every
        tensor's noise is counted in full, although most are but one of many that add up to a token; that leaves room
        for layers that make an error larger, as a LayerNorm of a token of small variance does.
        """
        kinds: dict[str, list[float]] = {}
        for row in self.formats.rows():
            kind = re.sub(r"\.(experts|scores|router)\.\w+", r".\1", row.name)
            kinds.setdefault(kind, []).append(row.error**2)
        return float(np.sqrt(sum(float(np.mean(powers)) for powers in kinds.values())))


def small_design(**turned: Any) -> Design:
    """The design of most tests, with some knobs turned."""
    return make_design(Knobs(**(dict(SMALL) | turned)), load_board("zcu104"))


def compiled(design: Design, build: Build | None = None) -> Engine:
    """A compiled engine."""
    return Engine.compile(design, build)


@cache
def random_case(
    frames: int = 2, seed: int = 0, swap_blocks: bool = False, said: tuple[tuple[str, Any], ...] = (), **sizes: Any
) -> Case:
    """A random network (see `tests.factory`), calibrated on the pictures that it will be run on.

    Args:
        frames: pictures.
        seed: of weights and pictures.
        swap_blocks: exchange the MLPs of blocks 0 and 1, and of 2 and 3, so that even blocks have the experts.
        said: further fields of `SpecOptions`.
        sizes: for the factory.
    """
    state = make_state(**{k: v for k, v in sizes.items() if k not in ("heads", "top_k")}, decoders=False, seed=seed)
    if swap_blocks:
        state = {_swapped(name): values for name, values in state.items()}
    with tempfile.TemporaryDirectory() as folder:
        path = save_state(Path(folder) / "checkpoint.pth", state)
        tasks = {} if "head_classes" in sizes else {"tasks": tuple(TASKS)}
        chosen = options(**{k: v for k, v in sizes.items() if k in ("heads", "top_k", "image", "router")})
        model = load_model(path, None, replace(chosen, **(tasks | dict(said))))
    rng = np.random.default_rng(seed + 1)
    shape = 3, model.spec.image.height, model.spec.image.width
    images = tuple(rng.random(shape, dtype=np.float32) for _ in range(frames))
    return calibrated(model, images)


def calibrated(model: Model, images: Sequence[NDArray[np.float32]]) -> Case:
    """A network with its calibration on `images`."""
    seen = observe_ranges(model, images, model.spec.task_names)
    return Case(model, tuple(images), seen, prepare(model, seen))


def _swapped(name: str) -> str:
    parts = name.split(".")
    if "blocks" in parts and "mlp" in parts:
        place = parts.index("blocks") + 1
        parts[place] = str(int(parts[place]) ^ 1)
    return ".".join(parts)


def run_case(
    engine: Engine, case: Case, tasks: Sequence[str] = (), images: Sequence[int] = (), taps: bool = True
) -> Outcome:
    """Runs frames of `tasks` (default: the first and the last) on pictures by number (default: one after another)."""
    names = case.model.spec.task_names
    tasks = tuple(tasks) or (names[0], names[-1])
    chosen = [case.images[i] for i in (images or range(len(tasks)))]
    formats = case.formats(engine.design)
    program = compile_network(engine.design, case.model, case.network, formats, tasks, taps=taps)
    verify_program(program_words(program), engine.design, room_of(program))
    frames, traffic = run_frames(engine, program, case.model.spec, chosen)
    return Outcome(case, program, formats, frames, traffic)


def room_of(program: Program) -> Room:
    """Buffers that are as large as the program needs."""
    return Room(program.weights.shape[1], program.constants.shape[0], program.image_beats, program.result_beats)


def check_against_float(outcome: Outcome, images: Sequence[int] = ()) -> float:
    """Asserts that every frame is the float reference's with the same routes; returns the largest relative error."""
    reference = Reference(outcome.case.model)
    worst = 0.0
    for place, frame in enumerate(outcome.frames):
        logits: dict[str, NDArray[np.float32]] = {}

        def observe(name: str, values: NDArray[np.float32], seen: dict[str, NDArray[np.float32]] = logits) -> None:
            if name.endswith(".logits"):
                seen[name] = values

        image = outcome.case.images[images[place] if images else place]
        wanted = reference.run(image, frame.task, routes=frame.experts, observe=observe, with_output=False)
        assert frame.blocks is not None
        for got, exact in zip((frame.tokens, *frame.blocks), (wanted.tokens, *wanted.blocks), strict=True):
            error = float(np.sqrt(np.mean((got - exact) ** 2)) / exact.std())
            assert error <= outcome.bound
            worst = max(worst, error)
        if frame.experts is not None and wanted.routes is not None:
            assert frame.scores is not None
            _check_routes(outcome, frame, logits)
            # A probability changes by at most a quarter of what its logit does, and all logits may move.
            largest = max(float(np.abs(values).max()) for values in logits.values())
            assert np.abs(frame.scores - wanted.routes.scores).max() <= outcome.bound * largest
    return worst


def _check_routes(outcome: Outcome, frame: FrameResult, logits: Mapping[str, NDArray[np.float32]]) -> None:
    """Where the k-th logit stands clear of the next one, the engine must have chosen as float would in its place."""
    model = outcome.case.model
    top_k = model.spec.router.top_k
    assert frame.experts is not None
    decided = 0
    for block, chosen in zip(model.spec.moe_blocks, frame.experts, strict=True):
        values = logits[f"blocks.{block}.logits"].astype(np.float64)
        values = np.where(allowed_experts(model, block, frame.task), values, -np.inf)
        order = np.argsort(-values, axis=1)
        ranked = np.take_along_axis(values, order, axis=1)
        after = ranked[:, top_k] if ranked.shape[1] > top_k else np.full(len(ranked), -np.inf)
        clear = ranked[:, top_k - 1] - after > 2 * outcome.bound * np.abs(logits[f"blocks.{block}.logits"]).max()
        wanted = np.sort(order[:, :top_k], axis=1)
        assert np.array_equal(np.sort(chosen, axis=1)[clear], wanted[clear])
        decided += int(clear.sum())
    assert decided >= frame.experts[..., 0].size // 4, "the bound is too wide to say anything about routes"
