"""A network as the programs of points take it: folded, its binary points chosen, its narrow weights rounded.

What one point has needed is kept for the others: they differ in widths seldom, and rounding takes seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.design import Design, Knobs
from edgemoe_gen.model import Model
from edgemoe_gen.numerics.calibrate import Calibrated, calibrate
from edgemoe_gen.numerics.formats import Formats, Observations, choose_formats, prepare
from edgemoe_gen.numerics.lower import LoweredNetwork
from edgemoe_gen.numerics.narrow_errors import ALL, measure_narrow
from edgemoe_gen.numerics.placing import engine_decoders
from edgemoe_gen.numerics.widths import NEAREST, TOGETHER, Widths
from edgemoe_gen.pictures.calibration import calibration_pictures
from edgemoe_gen.program.compile import Program, compile_network
from edgemoe_gen.tuning.noise import Powers, tensor_powers

Float32 = NDArray[np.float32]
# Widths from and to which a kind of weights is narrowed to see what its noise does.
ATTRIBUTED_FROM, ATTRIBUTED_AT = 16, 8


@dataclass(frozen=True, eq=False)
class Prepared:
    """The network of a search; its fields are those of `Evaluator`, and `kept` is what was made already."""

    model: Model
    images: tuple[Float32, ...]
    seen: Observations
    pinned: Mapping[str, int]
    tasks: tuple[str, ...]
    rounding: str
    kept: dict[Any, Any]

    @property
    def network(self) -> LoweredNetwork:
        """The folded network, outliers evened out."""
        if "network" not in self.kept:
            self.kept["network"] = prepare(self.model, self.seen)
        network: LoweredNetwork = self.kept["network"]
        return network

    def formats(self, widths: Widths) -> Formats:
        """Binary points for a design's widths, chosen once for each."""
        return self.calibrated(widths, together=False).formats

    def calibrated(self, widths: Widths, together: bool) -> Calibrated:
        """The network for a design's widths, once for each; every fourth picture is kept out of rounding together."""
        together = together and self.rounding == TOGETHER and widths.narrow_weights
        if (widths, together) not in self.kept:
            pictures = calibration_pictures(self.images, self.model.spec.image, None, keep_out=True).seen
            self.kept[widths, together] = calibrate(
                self.model, self.seen, widths, self.pinned, pictures, self.tasks, together
            )
        found: Calibrated = self.kept[widths, together]
        return found

    def program(self, design: Design, tasks: Sequence[str], taps: bool = False, logits: bool = False) -> Program:
        """The program with its weights, one frame a task; `logits`: decoders end before their last doubling."""
        decoders = self.decoders(design.knobs, self.network.decoders)
        if logits:
            decoders = dict.fromkeys(decoders, False)
        # How long a frame takes hangs on no weight, so only C simulation has them rounded together.
        found = self.calibrated(design.knobs.widths, together=taps)
        return compile_network(design, self.model, found.network, found.formats, tasks, taps=taps, decoders=decoders)

    def decoders(self, knobs: Knobs, tasks: Iterable[str]) -> dict[str, bool]:
        """Tasks whose decoders the engine runs, see `engine_decoders`."""
        return engine_decoders(self.model, tasks, knobs.max_map_width, knobs.max_map_channels)

    def powers(self, bits: int) -> Powers:
        """Power of the noise of each tensor where weights and activations have so many bits."""
        if ("powers", bits) not in self.kept:
            formats = choose_formats(self.network, self.seen, Widths(bits, bits), self.pinned)
            self.kept["powers", bits] = tensor_powers(formats)
        powers: Powers = self.kept["powers", bits]
        return powers

    def left_together(self) -> dict[str, float]:
        """Share of each kind's squared error that is left when narrow weights are rounded together."""
        if self.rounding != TOGETHER:
            return {}
        pictures = calibration_pictures(self.images, self.model.spec.image, None, keep_out=True)
        found = self.calibrated(Widths(ATTRIBUTED_FROM, ATTRIBUTED_AT), together=True)
        rows = measure_narrow(found, pictures.seen, pictures.unseen, self.tasks[:1]).kinds
        errors = {row.kind: row.unseen or row.seen for row in rows if row.kind != ALL}
        return {
            kind: (ways[TOGETHER].forced / ways[NEAREST].forced) ** 2
            for kind, ways in errors.items()
            if TOGETHER in ways and ways[NEAREST].forced > 0.0
        }
