"""Facts for an overlay, beside the files of a build."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.design import Design
from edgemoe_gen.flow.rtl_source import VITIS
from edgemoe_gen.model import ModelSpec
from edgemoe_gen.numerics.placing import DecoderPlace
from edgemoe_gen.overlay.decoders import Tensors
from edgemoe_gen.program.compile import Program


@dataclass(frozen=True)
class Figure:
    """A figure with its unit and its tier: estimate, C simulation, implementation, board."""

    name: str
    value: str
    tier: str


@dataclass(frozen=True)
class OverlayFacts:
    """Facts that the files of a build do not tell.

    Attributes:
        design: the accelerator, with its board.
        spec: the network.
        program: the program of `data/program.bin`: one frame for each task, in the order of the tasks.
        clock_mhz: clock that the bitstream was built for.
        picture: uint8 [height, width, 3] that the notebook shows; None = a test pattern.
        figures: figures for the README.
        decoders: the decoders' tensors by task, {} for a network without decoders.
        head: a plain ViT's tensors, {} for any other network.
        estimate: expected time of a frame: "milliseconds_per_frame" (a number, or one for each task), where tasks share
            the backbone "milliseconds_all_tasks", and "tier".
        has_bitstream: False for a preview, which only the simulated board runs.
        hls: maker of the RTL in the bitstream (`flow.rtl_source`).
        passes: the same network for full passes of the weights, see `pass_groups`; None where a pass is one frame's.
        variants: the same tasks with other results, see `compile_variants`; None where no decoder runs on the engine.
        places: where each task's decoder runs.
    """

    design: Design
    spec: ModelSpec
    program: Program
    clock_mhz: float
    picture: NDArray[np.uint8] | None = None
    figures: tuple[Figure, ...] = ()
    decoders: Mapping[str, Tensors] = field(default_factory=dict)
    head: Tensors = field(default_factory=dict)
    estimate: Mapping[str, Any] | None = None
    has_bitstream: bool = True
    hls: str = VITIS
    passes: Program | None = None
    variants: Program | None = None
    places: Mapping[str, DecoderPlace] = field(default_factory=dict)

    @property
    def host_decoders(self) -> dict[str, Tensors]:
        """Tensors of the decoders on the host, by task."""
        engine = {frame.task for frame in self.program.frames if frame.decoded is not None}
        return {task: tensors for task, tensors in self.decoders.items() if task not in engine}
