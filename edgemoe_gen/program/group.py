"""Frames of one task on their way to a program: each layer's weights pass once, over the rows of all of them.

A frame begins a block in every memory (`Design.pitch`), so that pictures, attention and results are those of one frame,
and all other layers take the rows as they lie. Rows between two frames are computed and never used; they are in no
expert's queue.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from edgemoe_gen.base.errors import CapacityError
from edgemoe_gen.model import Model, allowed_experts
from edgemoe_gen.numerics.fixed import Format
from edgemoe_gen.numerics.formats import Formats
from edgemoe_gen.numerics.lower import Linear, LoweredBlock, LoweredNetwork
from edgemoe_gen.program.attention import attend, slices, spread_inputs
from edgemoe_gen.program.builder import Builder
from edgemoe_gen.program.capacity import head_columns
from edgemoe_gen.program.moves import transfer_beats
from edgemoe_gen.program.places import Gathering, ImageSlice, Place, Region, Rows


@dataclass(frozen=True)
class Frame:
    """One frame of a program: its task, where its picture goes and where its results are.

    Attributes:
        task: name.
        slices: the picture's patches in the image buffer.
        regions: results in the result buffer by name: `tokens`; and with taps `blocks.i` and `routes.i`.
    """

    task: str
    slices: tuple[ImageSlice, ...]
    regions: dict[str, Region]


class Group:
    """Frames of one task that share a pass of the weights.

    What does not fit on the chip at once is cut as for a full pass of the design, however few the frames are: so all
    programs of a network read the same weights and round alike.
    """

    def __init__(
        self,
        builder: Builder,
        model: Model,
        network: LoweredNetwork,
        formats: Formats,
        task: str,
        frames: int,
        taps: bool,
        depth: int | None,
    ) -> None:
        self.b = builder
        self.design = builder.design
        self.model = model
        self.spec = model.spec
        self.network = network
        self.formats = formats
        self.task = task
        self.taps = taps
        self.depth = self.spec.depth if depth is None else depth
        self.rows = Rows(self.spec.tokens, frames, self.design.pitch(self.spec.tokens))
        self.residual = builder.place("residual", self.spec.dim, formats["embed"])
        self.regions: list[dict[str, Region]] = [{} for _ in range(frames)]

    def build(self) -> list[Frame]:
        """Adds all operations; returns the frames."""
        images = self._embed()
        for block in self.network.blocks[: self.depth]:
            self._block(block)
        self._store("tokens")
        return [Frame(self.task, image, regions) for image, regions in zip(images, self.regions, strict=True)]

    # Where rows lie

    def first_block(self, memory: str, frame: int) -> int:
        """First block of a frame in a memory."""
        return self.b.memory_blocks(memory, frame * self.rows.pitch)

    def capacity_words(self, memory: str) -> int:
        """Words a row that a memory holds of a full pass of this network."""
        return self.b.capacity_words(memory, self.design.pass_rows(self.spec.tokens))

    def _of_frame(self, place: Place, frame: int) -> Place:
        return replace(place, block=place.block + self.first_block(place.memory, frame))

    def _hidden_columns(self) -> int:
        """Columns that the hidden memory holds of this network's tokens, as far as the weight buffer can use them."""
        words = min(self.capacity_words("hidden"), self.design.max_in_words)
        columns = words * self.design.knobs.in_parallel
        if columns < self.design.knobs.out_parallel:
            raise CapacityError(
                f"the hidden memory holds {columns} columns of {self.design.pass_rows(self.rows.tokens)} rows, less "
                "than one output tile",
                "raise the knob max_hidden",
            )
        return columns

    def _embed(self) -> list[tuple[ImageSlice, ...]]:
        """Positions, then patches; returns where each frame's picture lies, one picture behind another."""
        self.b.layer = "position"
        for frame in range(self.rows.frames):
            self.b.load_constant(self.network.position, self._of_frame(self.residual, frame), "position")
        weight = self.network.patch.weight
        cuts = list(slices(weight.shape[1], self._hidden_columns(), self.design.knobs.out_parallel))
        # Slice by slice all frames come, but each picture lies in one piece.
        sizes = [transfer_beats(self.design, self.rows.tokens, stop - start, 16) for start, stop in cuts]
        begin, each = self.b.image_beats, sum(sizes)
        images: list[list[ImageSlice]] = [[] for _ in range(self.rows.frames)]
        for start, stop in cuts:
            patches = self.b.place("hidden", stop - start, self.formats["image"])
            self.b.layer = "image"
            for frame, image in enumerate(images):
                first = begin + frame * each + sum(sizes[: len(image)])
                self.b.load_image(self.rows.tokens, self._of_frame(patches, frame), self.formats["image"], first=first)
                image.append(ImageSlice(first, start, stop))
            self.linear(
                f"patch.{start}", "patch", Linear(weight[:, start:stop], None), patches, self.residual, accumulate=True
            )
        return [tuple(image) for image in images]

    def _store(self, name: str) -> None:
        self.b.layer = "result"
        for frame, regions in enumerate(self.regions):
            regions[name] = self.b.store(name, self._of_frame(self.residual, frame), self.rows.tokens)

    def linear(
        self,
        key: str,
        name: str,
        linear: Linear,
        source: Place,
        destination: Place,
        *,
        gelu: bool = False,
        accumulate: bool = False,
        old_form: Format | None = None,
        expert: int = -1,
        scatter: bool = False,
        gathering: Gathering | None = None,
    ) -> None:
        """A product with weights over all rows, see `Builder.linear`; `key` names the weights, `name` their format."""
        if accumulate and old_form is None:
            old_form = destination.form
        self.b.layer = key
        self.b.linear(
            linear,
            self.formats[name],
            source,
            destination,
            self.rows.total,
            gelu=gelu,
            accumulate=accumulate,
            old_form=old_form,
            expert=expert,
            scatter=scatter,
            gathering=gathering,
            key=key,
        )

    def _block(self, block: LoweredBlock) -> None:
        name = f"blocks.{block.index}"
        spec = self.spec
        if block.routers and spec.router.input_ahead:
            self._route(block, self.residual)
        self.b.layer = f"{name}.norm1"
        normed = self.b.place("normed", spec.dim, self.formats[f"{name}.norm1"])
        self.b.normalise(self.residual, normed, self.rows.total, spec.norm_eps, block.shifts1, f"{name}.norm1")
        attended = attend(self, block, normed)
        old_form = self.residual.form
        self.residual = self.b.place("residual", spec.dim, self.formats[f"{name}.residual"])
        projection = spread_inputs(block.projection, spec.heads, spec.head_dim, head_columns(self.design, spec))
        self.linear(
            f"{name}.projection", f"{name}.projection.weight", projection, attended, self.residual,
            accumulate=True, old_form=old_form,
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
        task = self.spec.task_index(self.task)
        linear = block.routers[task]
        logits = self.b.place("hidden", linear.weight.shape[0], self.formats[f"{name}.logits"])
        key = f"{name}.router.{self.task}"
        self.linear(key, f"{key}.weight", linear, source, logits)
        self.b.layer = key
        allowed = np.flatnonzero(allowed_experts(self.model, block.index, self.task))
        experts = range(int(allowed[0]), int(allowed[-1]) + 1)
        self.b.route(logits, self.rows, experts, router.top_k, router.gate_type == "noisy", router.score_threshold)
        if self.taps:
            every = self.b.store_routes(f"routes.{block.index}", self.rows, router.top_k)
            for regions, region in zip(self.regions, every, strict=True):
                regions[region.name] = region

    def _experts(self, block: LoweredBlock, normed: Place) -> None:
        name = f"blocks.{block.index}"
        allowed = allowed_experts(self.model, block.index, self.task)
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

        `gathering` goes beside the last slice's second layer, when `source` has been read for the last time.
        """
        up, down = mlp
        assert up.bias is not None
        hidden_features = up.weight.shape[0]
        for start, stop in slices(hidden_features, self._hidden_columns(), self.design.knobs.out_parallel):
            hidden = self.b.place("hidden", stop - start, self.formats[hidden_name])
            part = Linear(up.weight[start:stop], up.bias[start:stop])
            self.linear(f"{name}fc1.{start}", f"{name}fc1.weight", part, source, hidden, gelu=True, expert=expert)
            part = Linear(down.weight[:, start:stop], down.bias if start == 0 else None)
            self.linear(
                f"{name}fc2.{start}", f"{name}fc2.weight", part, hidden, self.residual,
                accumulate=True, expert=expert, scatter=expert >= 0,
                gathering=gathering if stop == hidden_features else None,
            )  # fmt: skip
