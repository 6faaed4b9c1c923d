"""Compiles the frames that share a pass of the weights: each layer's weights pass once, over the rows of all frames.

A frame begins a block in every memory (`Design.pitch`). So pictures, attention and results can address one frame, and
all other layers process all rows together. Rows between two frames are computed and never used; they are in no expert's
queue.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edgemoe_gen.base.arithmetic import even_pieces
from edgemoe_gen.model import Model, allowed_experts
from edgemoe_gen.numerics.formats import Formats
from edgemoe_gen.numerics.lower import Linear, LoweredBlock, LoweredNetwork
from edgemoe_gen.program.attention import Attention, spread_inputs
from edgemoe_gen.program.builder import Builder
from edgemoe_gen.program.capacity import head_columns
from edgemoe_gen.program.decoder import Decoded, DecoderRows
from edgemoe_gen.program.moves import transfer_beats
from edgemoe_gen.program.places import Gathering, ImageSlice, Place, Region, Rows
from edgemoe_gen.program.product import Finish
from edgemoe_gen.program.rings import ROWS
from edgemoe_gen.program.shared import Shared


@dataclass(frozen=True)
class Frame:
    """One frame of a program for one task: the places of its picture and of its results.

    Tasks that share a pass of the backbone are frames with one picture and one place of the tokens.

    Attributes:
        task: name.
        slices: the picture's patches in the image buffer.
        regions: results in the result buffer by name: `tokens`; and with taps `blocks.i` and `routes.i`.
        decoded: result of its decoder; None if the decoder runs on the host.
    """

    task: str
    slices: tuple[ImageSlice, ...]
    regions: dict[str, Region]
    decoded: Decoded | None = None


@dataclass(frozen=True)
class FrameGroup:
    """Frames that share a pass of the weights.

    Attributes:
        decoders: tasks of each frame, and whether the engine doubles the last map of a task's decoder (None: the
            decoder does not run on the engine). Several tasks only where they share a backbone
            (`ModelSpec.shares_backbone`).
        count: number of frames.
    """

    decoders: Mapping[str, bool | None]
    count: int = 1

    @property
    def tasks(self) -> tuple[str, ...]:
        """Tasks of each frame, in order."""
        return tuple(self.decoders)


class Group:
    """Turns frames that share a pass of the weights into operations."""

    def __init__(
        self,
        builder: Builder,
        model: Model,
        network: LoweredNetwork,
        formats: Formats,
        frames: FrameGroup,
        taps: bool,
        depth: int | None,
    ) -> None:
        self.b = builder
        self.design = builder.design
        self.model = model
        self.spec = model.spec
        self.network = network
        self.formats = formats
        self.frames = frames
        # Where gates do not depend on the task, all tasks' programs name the same one, which is stored once.
        self.gate_task = self.spec.task_names[0] if self.spec.shares_backbone else frames.tasks[0]
        self.taps = taps
        self.depth = self.spec.depth if depth is None else depth
        self.rows = Rows(self.spec.tokens, frames.count, self.design.pitch(self.spec.tokens))
        self.shared = Shared(builder, self.spec, formats, self.rows)
        self.residual = builder.place("residual", self.spec.dim, formats["embed"])
        self.regions: list[dict[str, Region]] = [{} for _ in range(frames.count)]

    def build(self) -> list[Frame]:
        """Adds all operations; returns for each frame its tasks' frames."""
        images = self._embed()
        for block in self.network.blocks[: self.depth]:
            self._block(block)
        # A frame's results lie in one piece, as in a program of its own. Decoders leave its tokens in the residual.
        found = []
        for frame, (image, regions) in enumerate(zip(images, self.regions, strict=True)):
            self._store_frame("tokens", frame)
            for task, doubles in self.frames.decoders.items():
                decoded = None if doubles is None else self.decode(task, frame, doubles)
                found.append(Frame(task, image, regions, decoded))
        return found

    def decode(self, task: str, frame: int, doubles: bool, most_rows: int = ROWS[0]) -> Decoded:
        """Adds a task's decoder of a frame, after the last block; its convolutions make at most `most_rows` rows."""
        taken = self.b.blocks(self.rows.total) * self.residual.stride
        rows = DecoderRows(
            self.b, self.spec, self.network.decoders[task], self.formats, task,
            self.shared.of_frame(self.residual, frame), taken, doubles, most_rows,
        )  # fmt: skip
        return rows.build()

    def _embed(self) -> list[tuple[ImageSlice, ...]]:
        """Adds positions, then patches; returns the place of each frame's picture, one behind another."""
        self.b.layer = "position"
        for frame in range(self.rows.frames):
            self.b.load_constant(self.network.position, self.shared.of_frame(self.residual, frame), "position")
        weight = self.network.patch.weight
        cuts = even_pieces(weight.shape[1], self.shared.hidden_columns(), self.design.knobs.out_parallel)
        # Slice by slice all frames come, but each picture lies in one piece.
        sizes = [transfer_beats(self.design, self.rows.tokens, len(cut), 16) for cut in cuts]
        begin, each = self.b.image_beats, sum(sizes)
        images: list[list[ImageSlice]] = [[] for _ in range(self.rows.frames)]
        for cut in cuts:
            patches = self.b.place("hidden", len(cut), self.formats["image"])
            self.b.layer = "image"
            for frame, image in enumerate(images):
                first = begin + frame * each + sum(sizes[: len(image)])
                self.b.load_image(
                    self.rows.tokens, self.shared.of_frame(patches, frame), self.formats["image"], first=first
                )
                image.append(ImageSlice(first, cut.start, cut.stop))
            part = Linear(weight[:, cut.start : cut.stop], None)
            finish = Finish(added_to=self.residual.form)
            self.shared.linear(f"patch.{cut.start}", "patch", part, patches, self.residual, finish)
        return [tuple(image) for image in images]

    def _store(self, name: str) -> None:
        for frame in range(self.rows.frames):
            self._store_frame(name, frame)

    def _store_frame(self, name: str, frame: int) -> None:
        self.b.layer = "result"
        place = self.shared.of_frame(self.residual, frame)
        self.regions[frame][name] = self.b.store(name, place, self.rows.tokens)

    def _block(self, block: LoweredBlock) -> None:
        name = f"blocks.{block.index}"
        spec = self.spec
        if block.routers and spec.router.input_ahead:
            self._route(block, self.residual)
        self.b.layer = f"{name}.norm1"
        normed = self.b.place("normed", spec.dim, self.formats[f"{name}.norm1"])
        self.b.normalise(self.residual, normed, self.rows.total, spec.norm_eps, block.shifts1, f"{name}.norm1")
        attended = Attention(self.shared, block).add(normed)
        old_form = self.residual.form
        self.residual = self.b.place("residual", spec.dim, self.formats[f"{name}.residual"])
        projection = spread_inputs(block.projection, spec.heads, spec.head_dim, head_columns(self.design, spec))
        self.shared.linear(
            f"{name}.projection", f"{name}.projection.weight", projection, attended, self.residual,
            Finish(added_to=old_form),
        )  # fmt: skip
        self.b.layer = f"{name}.norm2"
        normed = self.b.place("normed", spec.dim, self.formats[f"{name}.norm2"])
        self.b.normalise(self.residual, normed, self.rows.total, spec.norm_eps, block.shifts2, f"{name}.norm2")
        if block.routers:
            if not spec.router.input_ahead:
                self._route(block, normed)
            self._experts(block, normed)
        else:
            self._mlp(f"{name}.", f"{name}.hidden", block.mlp[0], normed, expert=-1)
        if self.taps:
            self._store(name)

    def _route(self, block: LoweredBlock, source: Place) -> None:
        name = f"blocks.{block.index}"
        router = self.spec.router
        linear = block.routers[self.spec.task_index(self.gate_task)]
        logits = self.b.place("hidden", linear.weight.shape[0], self.formats[f"{name}.logits"])
        key = f"{name}.router.{self.gate_task}"
        self.shared.linear(key, f"{key}.weight", linear, source, logits)
        self.b.layer = key
        allowed = np.flatnonzero(allowed_experts(self.model, block.index, self.gate_task))
        experts = range(int(allowed[0]), int(allowed[-1]) + 1)
        self.b.route(logits, self.rows, experts, router.top_k, router.gate_type == "noisy", router.score_threshold)
        if self.taps:
            every = self.b.store_routes(f"routes.{block.index}", self.rows, router.top_k)
            for regions, region in zip(self.regions, every, strict=True):
                regions[region.name] = region

    def _experts(self, block: LoweredBlock, normed: Place) -> None:
        name = f"blocks.{block.index}"
        allowed = allowed_experts(self.model, block.index, self.gate_task)
        gathered = self.b.place("query", self.spec.dim, normed.form)
        gatherings = [Gathering(int(expert), normed, gathered) for expert in np.flatnonzero(allowed)]
        beside = self.b.schedule.gather_beside
        # While an expert's second layer runs, the tokens of the next one are gathered beside it.
        for place, now in enumerate(gatherings):
            if place == 0 or not beside:
                self.b.layer = f"{name}.gather"
                self.b.gather(now)
            following = gatherings[place + 1] if beside and place + 1 < len(gatherings) else None
            prefix = f"{name}.experts.{now.expert}."
            self._mlp(prefix, f"{name}.hidden", block.mlp[now.expert], gathered, now.expert, following)

    def _mlp(
        self,
        name: str,
        hidden_name: str,
        mlp: tuple[Linear, Linear],
        source: Place,
        expert: int,
        gathering: Gathering | None = None,
    ) -> None:
        """Dense MLP or one expert, in slices of hidden features where not all fit at once.

        `gathering` runs beside the last slice's second layer, when `source` is no longer read.
        """
        up, down = mlp
        assert up.bias is not None
        hidden_features = up.weight.shape[0]
        last = Finish(added_to=self.residual.form, scatter=expert >= 0)
        for piece in even_pieces(hidden_features, self.shared.hidden_columns(), self.design.knobs.out_parallel):
            rows = slice(piece.start, piece.stop)
            hidden = self.b.place("hidden", len(piece), self.formats[hidden_name])
            part = Linear(up.weight[rows], up.bias[rows])
            self.shared.linear(
                f"{name}fc1.{piece.start}", f"{name}fc1.weight", part, source, hidden, Finish(gelu=True), expert
            )
            part = Linear(down.weight[:, rows], down.bias if piece.start == 0 else None)
            self.shared.linear(
                f"{name}fc2.{piece.start}", f"{name}fc2.weight", part, hidden, self.residual, last, expert,
                gathering if piece.stop == hidden_features else None,
            )  # fmt: skip
