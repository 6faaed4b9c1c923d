"""Formats and folded network of a small model, for tests."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.design import Design
from edgemoe_gen.model import Model
from edgemoe_gen.numerics.formats import Formats, choose_formats, observe_ranges, prepare
from edgemoe_gen.numerics.lower import LoweredNetwork


def formats_and_network(design: Design, model: Model, image: NDArray[np.float32]) -> tuple[LoweredNetwork, Formats]:
    """Calibrated on one picture."""
    seen = observe_ranges(model, [image], model.spec.task_names)
    network = prepare(model, seen)
    return network, choose_formats(network, seen, design.knobs.widths)
