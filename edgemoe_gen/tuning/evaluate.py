"""Evaluates points: a point climbs from rules over the estimate and the timed simulation to C simulation.

An `Evaluator` holds all data for this, the float reference's results included, so it can be sent to a worker once. It
always gives the same result for the same point and tier. The last tier, vendor synthesis, takes hours and is in
`tuning.synthesis`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from edgemoe_gen.base.errors import CapacityError, ConfigError, EdgeMoEError, KnobError, ProgramError, SimulationError
from edgemoe_gen.codegen import render_sources
from edgemoe_gen.design import Design, Knobs, make_design
from edgemoe_gen.design.knobs import NARROW_KNOBS, knob_fields
from edgemoe_gen.estimate import estimate_cycles, estimate_resources
from edgemoe_gen.fitting.defaults import default_knobs, map_sizes
from edgemoe_gen.hardware.boards import Board
from edgemoe_gen.model import Model, ReferenceResult, macs
from edgemoe_gen.model.macs import decoder_macs
from edgemoe_gen.numerics.attribute import squared_errors
from edgemoe_gen.numerics.formats import Observations, observe_ranges
from edgemoe_gen.numerics.placing import engine_decoders, map_width
from edgemoe_gen.numerics.widths import TOGETHER
from edgemoe_gen.program.compile import pack_image
from edgemoe_gen.program.outline import outline_network
from edgemoe_gen.project.opening import Progress, no_progress
from edgemoe_gen.sim.engine import Engine, run_frames
from edgemoe_gen.timing.run import time_program
from edgemoe_gen.timing.scheduled import known_timing
from edgemoe_gen.tuning.clock import TOO_FAST, clock_fault
from edgemoe_gen.tuning.energy import energy_mj
from edgemoe_gen.tuning.figures import moved_bytes, resource_figures
from edgemoe_gen.tuning.infeasible import InfeasibleError, reason_of
from edgemoe_gen.tuning.limits import Limit, first_broken
from edgemoe_gen.tuning.noise import (
    Gains,
    error_of,
    measure_gains,
    noise_powers,
    rounded_together,
)
from edgemoe_gen.tuning.prepared import ATTRIBUTED_AT, ATTRIBUTED_FROM, Float32, Prepared
from edgemoe_gen.tuning.space import FIFO, FRAMES, is_knob
from edgemoe_gen.tuning.trial import CSIM, ESTIMATE, RULES, TIERS, TIMED, Figure, Outcome, Point, Value, reached
from edgemoe_gen.tuning.truths import Truth, simulated_figures

Tell = Callable[[str], None]
COMPILING_ENGINE = "compiling its C simulation"
ATTRIBUTED_PICTURES = 2  # on which noise of narrow weights is measured


def no_words(text: str) -> None:
    """A `tell` that does nothing."""


@dataclass(eq=False)
class Evaluator:
    """Evaluates points.

    Attributes:
        model: the network.
        board: the board.
        chosen: knobs that the project fixes; a point's own values win.
        fifo_depths, pinned: those of the project.
        tasks: tasks whose errors are measured; the first is timed.
        images: network inputs [3, height, width].
        seen: observations of the float reference's tensors on these images.
        truths: the float reference's results on them.
        limits: limits beyond which a point is infeasible.
        rounding: rounding of narrow weights, "gptq" or "nearest".
        gains: mean squared error from noise of power 1; None: unknown, and errors are not estimated.
        cycle_scale: cycles of the timed simulation for each estimated one.
    """

    model: Model
    board: Board
    chosen: Mapping[str, Value]
    fifo_depths: Mapping[str, int]
    pinned: Mapping[str, int]
    tasks: tuple[str, ...]
    images: tuple[Float32, ...]
    seen: Observations
    truths: tuple[Truth, ...]
    limits: tuple[Limit, ...] = ()
    rounding: str = TOGETHER
    gains: Gains | None = None
    cycle_scale: float = 1.0
    _cache: dict[Any, Any] = field(default_factory=dict, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        """Drops cached data, which a worker makes again."""
        return {**self.__dict__, "_cache": {}}

    @property
    def prepared(self) -> Prepared:
        """The network as programs take it."""
        return Prepared(self.model, self.images, self.seen, self.pinned, self.tasks, self.rounding, self._cache)

    # Designs

    def knobs(self, point: Point) -> Knobs:
        """All knobs of a point: knobs that it does not choose follow from network and board, as in a build.

        Raises:
            KnobError: a value is out of its range.
        """
        turned = {**self.chosen, **{name: value for name, value in point.values if is_knob(name)}}
        if turned.get("tokens_parallel") == 1:
            # A build would leave decoders to the host, whose time no point has: all points decode alike, or not at all.
            turned.setdefault("max_map_width", map_sizes(self.model.spec, self.chosen)["max_map_width"])
        return default_knobs(self.model.spec, self.board, turned)

    def pins(self, point: Point, kept: Mapping[str, Value]) -> dict[str, Value]:
        """The fewest knobs to choose, beside kept ones, so that a build makes the design of a point.

        Args:
            point: the point; its choices and those of the project may be taken.
            kept: knobs that a project's file sets and that stay.
        """
        wanted = self.knobs(point)
        names = [*self.chosen, *(name for name, _ in point.values if is_knob(name))]
        chosen = {name: getattr(wanted, name) for name in names if name not in kept}
        found: dict[str, Value] = {}
        while True:
            turned = {**kept, **found}
            built = default_knobs(self.model.spec, self.board, turned)
            missing = {name: value for name, value in chosen.items() if getattr(built, name) != value}
            if not missing:
                # What follows from the choices may still differ, as it is looked for with fewer of them given.
                return found if built == wanted else chosen
            found.update(missing)

    def frames(self, point: Point, knobs: Knobs) -> int:
        """Frames of a run: the point's number, else as many as share a pass of the weights.

        Raises:
            KnobError: the number is less than a pass.
        """
        frames = int(point.as_dict().get(FRAMES, knobs.frames_per_pass))
        if frames < knobs.frames_per_pass:
            raise KnobError(
                f"frames_per_pass is {knobs.frames_per_pass}, but a run has {frames} {FRAMES}: no pass would be full",
                f"give {FRAMES} of frames_per_pass or more, or leave them out",
            )
        return frames

    def design(self, point: Point) -> Design:
        """The design of a point.

        Raises:
            KnobError: knobs break a rule.
        """
        depths = {name.removeprefix(FIFO): int(value) for name, value in point.values if name.startswith(FIFO)}
        return make_design(self.knobs(point), self.board, {**self.fifo_depths, **depths})

    def default_point(self, names: Sequence[str]) -> Point:
        """The design of a build as a point of these dimensions; FIFOs unchanged, one pass of the weights in a run."""
        knobs = self.knobs(Point(()))
        values: dict[str, Value] = {}
        for name in names:
            if is_knob(name):
                values[name] = getattr(knobs, name)
            elif name == FRAMES:
                values[name] = knobs.frames_per_pass
        return Point.of(values)

    # Tiers

    def outcome(self, point: Point, tier: str, known: Outcome | None = None, tell: Tell = no_words) -> Outcome:
        """The outcome of a point after it has climbed to a tier, or until it turned out infeasible.

        Args:
            point: choices.
            tier: tier to climb to.
            known: outcome of a lower tier, to continue from.
            tell: called with a few words at the start of each long step.
        """
        start = time.perf_counter()
        found = known or Outcome(point, RULES)
        try:
            design = self.design(point)
            found = replace(found, knobs={knob.name: getattr(design.knobs, knob.name) for knob in knob_fields()})
            first = 0 if known is None else TIERS.index(known.tier) + 1
            for step in TIERS[first : TIERS.index(tier) + 1]:
                figures = self._figures(step, design, point, tell)
                found = replace(found, tier=step, figures={**found.figures, **figures})
                reason, sentence = first_broken(self.limits, found.figures, self.board)
                if reason:
                    found = replace(found, feasible=False, reason=reason, detail=sentence)
                    break
        except InfeasibleError as error:
            found = replace(found, feasible=False, reason=error.reason, detail=error.message)
        except (KnobError, CapacityError, ProgramError, SimulationError) as error:
            found = replace(found, feasible=False, reason=reason_of(error), detail=error.message)
        return replace(found, seconds=found.seconds + time.perf_counter() - start)

    def outcome_by_layer(self, point: Point, tier: str) -> tuple[Outcome, dict[str, int]]:
        """The outcome of a point, and cycles of its run by layer: in the estimate by kind of operation, none of an
        infeasible point."""
        found = self.outcome(point, tier)
        if not found.feasible:
            return found, {}
        design = self.design(point)
        frames = self.frames(point, design.knobs)
        if reached(tier, TIMED):
            return found, dict(self._cache[_layers_of(design, frames)])
        outline = outline_network(design, self.model.spec, self.tasks[:1] * frames)
        return found, dict(estimate_cycles(outline).by_kind)

    def warm(self, point: Point, tier: str, tell: Tell = no_words) -> None:
        """Compiles the library for C simulation of a point, while its timed simulation is compiled elsewhere."""
        if tier == CSIM:
            tell(COMPILING_ENGINE)
            with suppress(EdgeMoEError):  # `outcome` says what is wrong
                Engine.compile(self.design(point))

    def _figures(self, tier: str, design: Design, point: Point, tell: Tell) -> dict[str, Figure]:
        frames = self.frames(point, design.knobs)
        if tier == RULES:
            return self._rules(design)
        if tier == ESTIMATE:
            return self._estimate(design, frames)
        return self._timed(design, frames, tell) if tier == TIMED else self._simulated(design, frames, tell)

    def _rules(self, design: Design) -> dict[str, Figure]:
        resources = estimate_resources(design)
        over = resources.over(self.board)
        if over:
            needs = ", ".join(f"{used:,} of {there:,} {name}" for name, used, there in over)
            raise InfeasibleError(
                f"more {over[0][0]} than the board has", f"the {self.board.title} is too small: {needs}"
            )
        return resource_figures(resources)

    def _estimate(self, design: Design, frames: int) -> dict[str, Figure]:
        program = outline_network(design, self.model.spec, self.tasks[:1] * frames)
        cycles = estimate_cycles(program).total
        found = self._times(design, cycles * self.cycle_scale, moved_bytes(program), frames, ESTIMATE)
        if self.gains is not None:
            found["error"] = Figure(error_of(self.noise(design.knobs), self.gains), ESTIMATE)
        return found

    def _timed(self, design: Design, frames: int, tell: Tell = no_words) -> dict[str, Figure]:
        self._need_images(TIMED)
        tell("scheduling its loops")
        sources = render_sources(design)
        fault = clock_fault(design, sources)
        if fault:
            raise InfeasibleError(TOO_FAST, fault)
        program = self.prepared.program(design, self.tasks[:1] * frames)
        buffer = pack_image(program, self.model.spec, [self.images[i % len(self.images)] for i in range(frames)])
        tell("compiling its timed simulation")
        timing, _ = known_timing(design, sources)
        tell("running its timed simulation")
        result = time_program(program, buffer, timing, record=False)
        if not result.passed:
            sentence = result.deadlock.sentence() if result.deadlock is not None else result.violations[0]
            raise InfeasibleError("the timed simulation finds a fault", sentence)
        self._cache[_layers_of(design, frames)] = {row.group: row.cycles for row in result.by_group()}
        return self._times(design, result.cycles, result.ddr_bytes, frames, TIMED)

    def _simulated(self, design: Design, _: int, tell: Tell = no_words) -> dict[str, Figure]:
        self._need_images(CSIM)
        tell(COMPILING_ENGINE)
        engine = Engine.compile(design)
        if design.knobs.widths.narrow_weights and self.rounding == TOGETHER:
            tell("rounding narrow weights together")
        program = self.prepared.program(design, self.tasks, taps=True, logits=True)
        results = []
        for number, image in enumerate(self.images, start=1):
            tell(f"running its C simulation, picture {number} of {len(self.images)}")
            results.append(run_frames(engine, program, self.model.spec, [image] * len(self.tasks))[0])
        by_task = [dict(zip(self.tasks, frames, strict=True)) for frames in results]
        return simulated_figures(design, self.prepared, self.truths, by_task)

    # What tiers share

    def _times(self, design: Design, cycles: float, moved: float, frames: int, tier: str) -> dict[str, Figure]:
        milliseconds = cycles / (design.knobs.clock_mhz * 1e3)
        frame_bytes = moved / frames
        values = {
            "latency_ms": milliseconds,
            "throughput_fps": 1e3 * frames / milliseconds,
            "ddr_bytes": frame_bytes,
        }
        energy = energy_mj(design, self._macs(design), frame_bytes)  # a rule, whatever its bytes come from
        return {**{name: Figure(value, tier) for name, value in values.items()}, "energy_mj": Figure(energy, ESTIMATE)}

    def _macs(self, design: Design) -> dict[str, int]:
        """Products of a frame of the first task, its decoder's too if the engine runs it."""
        spec, task = self.model.spec, self.tasks[0]
        return macs(spec) | (decoder_macs(spec, task) if self.prepared.decoders(design.knobs, [task]) else {})

    def _need_images(self, tier: str) -> None:
        if not self.images:
            raise ConfigError(f"the tier '{tier}' runs pictures, but none is named", "give --image FILE_OR_FOLDER")

    def noise(self, knobs: Knobs) -> dict[str, float]:
        """Power of a design's noise by kind of tensor, see `noise`."""
        return self._noise(knobs, {} if self.gains is None else self.gains.together)

    def _noise(self, knobs: Knobs, left: Mapping[str, float]) -> dict[str, float]:
        powers = noise_powers(self.prepared.powers, knobs, bool(self.prepared.decoders(knobs, self.tasks)))
        return rounded_together(powers, left, knobs.widths)

    def _gains(self, knobs: Knobs, error: float) -> Gains:
        """Weight of each kind's noise: some runs of the float reference, a few seconds at most."""
        formats = self.prepared.formats(replace(knobs, **_all_as_wide(ATTRIBUTED_FROM)).widths)
        task = self.tasks[0]
        truths = [truth for truth in self.truths if truth.task == task][:ATTRIBUTED_PICTURES]
        frames = [(self.images[truth.image], truth.tokens, truth.experts) for truth in truths]
        squares = squared_errors(self.model, self.prepared.network, formats, frames, task, ATTRIBUTED_AT)
        narrow = self._noise(replace(knobs, **_all_as_wide(ATTRIBUTED_AT)), {})
        left = self.prepared.left_together()
        return replace(measure_gains(squares, narrow, self._noise(knobs, left), error), together=left)

    def scaled_by(self, outcome: Outcome) -> Evaluator:
        """This evaluator with errors and cycles estimated in proportion to those of a simulated outcome."""
        if outcome.tier != CSIM or not outcome.feasible:
            return self
        design = self.design(outcome.point)
        frames = self.frames(outcome.point, design.knobs)
        estimate = replace(self, cycle_scale=1.0)._estimate(design, frames)["latency_ms"].value
        return replace(
            self,
            gains=self._gains(design.knobs, outcome.figures["error"].value),
            cycle_scale=outcome.figures["latency_ms"].value / estimate,
            _cache=self._cache,
        )


def _layers_of(design: Design, frames: int) -> tuple[str, Design, int]:
    """Key for the cycles by layer of a timed run."""
    return "layers", design, frames


def _all_as_wide(bits: int) -> dict[str, int]:
    """Knobs that give all weights one width."""
    return {"weight_bits": bits, **dict.fromkeys(NARROW_KNOBS, 0)}


def make_evaluator(
    model: Model,
    images: Sequence[Float32],
    tasks: Sequence[str],
    board: Board,
    chosen: Mapping[str, Value] | None = None,
    limits: Sequence[Limit] = (),
    fifo_depths: Mapping[str, int] | None = None,
    pinned: Mapping[str, int] | None = None,
    progress: Progress = no_progress,
    rounding: str = TOGETHER,
) -> Evaluator:
    """Runs the float reference on all pictures and tasks, once for the whole search; see `Evaluator`.

    Without pictures, points climb to the estimate at most, and errors are not known.
    """
    done = 0
    truths: list[Truth] = []

    def step() -> None:
        nonlocal done
        done += 1
        progress("running the float reference", done, len(images) * len(tasks))

    def keep(image: int, task: str, result: ReferenceResult) -> None:
        experts = None if result.routes is None else np.sort(result.routes.experts, axis=-1)
        truths.append(Truth(image, task, result.tokens, experts))

    # Points may turn the width of maps: only where it is fixed at 0 no engine runs decoders.
    wide = {"max_map_width": map_width(model.spec), **(chosen or {})}
    maps = map_sizes(model.spec, wide)
    decoders = bool(engine_decoders(model, tasks, maps["max_map_width"], maps["max_map_channels"]))
    seen = observe_ranges(model, images, tasks, step, keep, decoders) if images else {}
    return Evaluator(
        model, board, dict(chosen or {}), dict(fifo_depths or {}), dict(pinned or {}), tuple(tasks), tuple(images),
        seen, tuple(truths), tuple(limits), rounding,
    )  # fmt: skip
