"""Compiles a network to a program: the frames and tasks of one run, layer after layer.

What does not fit on the chip at once is cut here: heads by the key and value memory, rows of scores and hidden features
by the hidden memory, patches by the same. Nothing of that is known to the hardware.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.design import Design
from edgemoe_gen.errors import CapacityError, ProgramError
from edgemoe_gen.model import Model, ModelSpec, allowed_experts
from edgemoe_gen.numerics.fixed import Format, quantise
from edgemoe_gen.numerics.formats import Formats
from edgemoe_gen.numerics.lower import Linear, LoweredBlock, LoweredNetwork
from edgemoe_gen.program.builder import Builder
from edgemoe_gen.program.descriptor import Operation
from edgemoe_gen.program.pack import Bytes, pack_words
from edgemoe_gen.program.places import Gathering, ImageSlice, Place, Region
from edgemoe_gen.program.schedule import Schedule


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


@dataclass(frozen=True)
class Program:
    """A compiled program with everything in DDR but the pictures.

    Attributes:
        design: what it was compiled for.
        operations: in order.
        layers: part of the network that each operation computes, such as `blocks.3.experts.7.fc1.0`.
        weights: [ports, beats, bytes of a beat].
        constants: [beats, bytes of a beat].
        frames: in order.
        image_form: format of an input value.
        image_beats, result_beats: sizes of the two buffers.
    """

    design: Design
    operations: tuple[Operation, ...]
    layers: tuple[str, ...]
    weights: Bytes
    constants: Bytes
    frames: tuple[Frame, ...]
    image_form: Format
    image_beats: int
    result_beats: int

    @property
    def weight_bytes_per_run(self) -> int:
        """Bytes of weights that one run reads."""
        return sum(op.weight_beats for op in self.operations) * self.design.knobs.weight_ports * self.design.beat_bytes


def compile_network(
    design: Design,
    model: Model,
    network: LoweredNetwork,
    formats: Formats,
    tasks: Sequence[str],
    taps: bool = False,
    depth: int | None = None,
    schedule: Schedule | None = None,
    packing: bool = True,
) -> Program:
    """A program that runs one frame after another, each for its task.

    Args:
        design: the accelerator.
        model: the network's spec and routers.
        network: its folded weights.
        formats: its binary points.
        tasks: task of each frame; weights that tasks share are stored once.
        taps: also store every block's output and routes.
        depth: run only so many blocks.
        schedule: what may overlap; everything by default.
        packing: False leaves weights and constants out, see `Builder`; `outline_network` needs no weights at all.

    Raises:
        CapacityError: the network exceeds what the design holds; names sizes and knobs.
    """
    check_capacity(design, model.spec)
    _check_widths(design, formats)
    builder = Builder(design, schedule, packing)
    frames = [_Frame(builder, model, network, formats, task, taps, depth).build() for task in tasks]
    return Program(
        design,
        tuple(builder.operations),
        tuple(builder.layers),
        builder.contents.weights(),
        builder.contents.constants(),
        tuple(frames),
        formats["image"],
        builder.image_beats,
        builder.result_beats,
    )


def _check_widths(design: Design, formats: Formats) -> None:
    widths = design.knobs.widths
    for row in formats.rows():
        # Any weights may be as wide as the widest: it is the program that says which are narrow.
        bits = widths.weight if row.kind == "weight" else widths.of(row.name)
        if row.form.bits > bits:
            raise ProgramError(
                f"the format of {row.name} has {row.form.bits} bits, but the design's has {bits}",
                "choose formats for this design's widths",
            )


def check_capacity(design: Design, spec: ModelSpec) -> None:
    """Refuses a network that exceeds the largest one that a design holds.

    Raises:
        CapacityError: names what exceeds which knob.
    """
    k = design.knobs
    limits = [
        ("tokens", spec.tokens, "max_tokens", k.max_tokens),
        ("features a token", spec.dim, "max_dim", k.max_dim),
        ("columns of queries", query_columns(design, spec), "max_query", k.max_query),
        ("columns of one head's keys and values", 2 * head_columns(design, spec), "max_cache", k.max_cache),
        ("experts", max((b.experts for b in spec.blocks), default=0), "max_experts", k.max_experts),
        ("experts a token", spec.router.top_k, "max_top_k", k.max_top_k),
    ]
    for what, value, knob, limit in limits:
        if value > limit:
            raise CapacityError(
                f"the network has {value} {what}, but the design's largest network has {limit}",
                f"raise the knob {knob} to {value} or more",
            )


def head_columns(design: Design, spec: ModelSpec) -> int:
    """Columns that one head's queries take: its width, padded to whole output tiles."""
    return design.out_tiles(spec.head_dim) * design.knobs.out_parallel


def query_columns(design: Design, spec: ModelSpec) -> int:
    """Columns of the query memory that a network needs."""
    return max(spec.heads * head_columns(design, spec), spec.dim)


def pack_image(program: Program, spec: ModelSpec, images: Sequence[NDArray[np.float32]]) -> Bytes:
    """The image buffer of a run: one picture [3, H, W] a frame, cut into patches; [beats, bytes of a beat]."""
    buffer = np.zeros((program.image_beats, program.design.beat_bytes), np.uint8)
    for frame, image in zip(program.frames, images, strict=True):
        patches = quantise(to_patches(image, spec), program.image_form)
        for part in frame.slices:
            beats = pack_words(program.design, patches[:, part.start : part.stop], 16)
            buffer[part.first : part.first + beats.shape[0]] = beats
    return buffer


def to_patches(image: NDArray[np.float32], spec: ModelSpec) -> NDArray[np.float64]:
    """[3, H, W] to one row a token [tokens, 3 * patch * patch]; the class token's is zero."""
    rows, columns, p = *spec.grid, spec.patch
    tiles = np.asarray(image, np.float64).reshape(3, rows, p, columns, p).transpose(1, 3, 0, 2, 4)
    patches = np.zeros((spec.tokens, spec.patch_inputs))
    patches[int(spec.class_token) :] = tiles.reshape(rows * columns, -1)
    return patches


def slices(columns: int, most: int, multiple: int) -> Iterator[tuple[int, int]]:
    """Cuts columns into even pieces of at most `most`, each but the last a multiple of `multiple`: start and stop."""
    usable = most // multiple * multiple
    pieces = -(-columns // usable)
    size = -(-columns // (pieces * multiple)) * multiple
    for start in range(0, columns, size):
        yield start, min(start + size, columns)


class _Frame:
    """One frame on its way to a program."""

    def __init__(
        self,
        builder: Builder,
        model: Model,
        network: LoweredNetwork,
        formats: Formats,
        task: str,
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
        self.tokens = self.spec.tokens
        self.residual = builder.place("residual", self.spec.dim, formats["embed"])
        self.regions: dict[str, Region] = {}

    def build(self) -> Frame:
        image = self._embed()
        for block in self.network.blocks[: self.depth]:
            self._block(block)
        self.b.layer = "result"
        self.regions["tokens"] = self.b.store("tokens", self.residual, self.tokens)
        return Frame(self.task, image, self.regions)

    def _hidden_columns(self) -> int:
        """Columns that the hidden memory holds of this network's tokens, as far as the weight buffer can use them."""
        words = min(self.b.capacity_words("hidden", self.tokens), self.design.max_in_words)
        columns = words * self.design.knobs.in_parallel
        if columns < self.design.knobs.out_parallel:
            raise CapacityError(
                f"the hidden memory holds {columns} columns of {self.tokens} tokens, less than one output tile",
                "raise the knob max_hidden",
            )
        return columns

    def _embed(self) -> tuple[ImageSlice, ...]:
        self.b.layer = "position"
        self.b.load_constant(self.network.position, self.residual, "position")
        image = []
        weight = self.network.patch.weight
        for start, stop in slices(weight.shape[1], self._hidden_columns(), self.design.knobs.out_parallel):
            patches = self.b.place("hidden", stop - start, self.formats["image"])
            self.b.layer = "image"
            first = self.b.load_image(self.tokens, patches, self.formats["image"])
            image.append(ImageSlice(first, start, stop))
            self._linear(
                f"patch.{start}", "patch", Linear(weight[:, start:stop], None), patches, self.residual, accumulate=True
            )
        return tuple(image)

    def _linear(
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
        if accumulate and old_form is None:
            old_form = destination.form
        self.b.layer = key
        self.b.linear(
            linear,
            self.formats[name],
            source,
            destination,
            self.tokens,
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
        self.b.normalise(self.residual, normed, self.tokens, spec.norm_eps, block.shifts1, f"{name}.norm1")
        attended = self._attention(block, normed)
        old_form = self.residual.form
        self.residual = self.b.place("residual", spec.dim, self.formats[f"{name}.residual"])
        projection = _spread_inputs(block.projection, spec.heads, spec.head_dim, head_columns(self.design, spec))
        self._linear(
            f"{name}.projection", f"{name}.projection.weight", projection, attended, self.residual,
            accumulate=True, old_form=old_form,
        )  # fmt: skip
        self.b.layer = f"{name}.norm2"
        normed = self.b.place("normed", spec.dim, self.formats[f"{name}.norm2"])
        self.b.normalise(self.residual, normed, self.tokens, spec.norm_eps, block.shifts2, f"{name}.norm2")
        if block.routers:
            if not spec.router.input_ahead:
                self._route(block, normed)
            self._experts(block, normed)
        else:
            self._mlp(f"{name}.", f"{name}.hidden", block.mlp[0], normed, expert=-1)
        if self.taps:
            self.b.layer = "result"
            self.regions[name] = self.b.store(name, self.residual, self.tokens)

    def _attention(self, block: LoweredBlock, normed: Place) -> Place:
        """Head after head; the result replaces the head's queries. Returns the place of all results."""
        name = f"blocks.{block.index}"
        spec, design = self.spec, self.design
        width, padded = spec.head_dim, head_columns(design, spec)
        words = design.words(padded)
        queries = self.b.place("query", spec.heads * padded, self.formats[f"{name}.query"])
        query = _spread_outputs(block.query, spec.heads, width, padded)
        self._linear(f"{name}.query", f"{name}.query.weight", query, normed, queries)
        per_pass = self.b.capacity_words("cache", self.tokens) // (2 * words)
        for first in range(0, spec.heads, per_pass):
            heads = range(first, min(first + per_pass, spec.heads))
            stride = 2 * len(heads) * words
            places = {}
            for part, word in (("key", 0), ("value", len(heads) * words)):
                form = self.formats[f"{name}.{part}"]
                places[part] = Place("cache", len(heads) * padded, form, stride, word)
                every = getattr(block, part)
                rows = slice(heads.start * width, heads.stop * width)
                linear = _spread_outputs(Linear(every.weight[rows], every.bias[rows]), len(heads), width, padded)
                self._linear(f"{name}.{part}.{first}", f"{name}.{part}.weight", linear, normed, places[part])
            for i, head in enumerate(heads):
                key, value = (
                    Place("cache", padded, p.form, stride, p.word + i * words) for p in (places["key"], places["value"])
                )
                self._head(name, head, head * words, queries.stride, key, value)
        return Place("query", spec.heads * padded, self._attended(places["value"].form), queries.stride)

    def _attended(self, value: Format) -> Format:
        """Format of means of values: of the same range, as fine as activations are."""
        bits = self.design.knobs.activation_bits
        return Format(bits, value.fraction + bits - value.bits)

    def _head(self, name: str, head: int, word: int, stride: int, key: Place, value: Place) -> None:
        """Attention of one head, as many rows at a time as their scores fit the hidden memory."""
        parallel = self.design.knobs.tokens_parallel
        score_words = self.design.padded_words(self.tokens)
        rows = self.design.memory_depths["hidden"] // score_words * parallel
        scores = Place("hidden", self.tokens, self.formats[f"{name}.scores.{head}"], score_words)
        for first, stop in slices(self.tokens, min(rows, self.design.max_rows), parallel):
            block = first // parallel
            query = Place("query", key.columns, self.formats[f"{name}.query"], stride, word, block)
            result = Place("query", key.columns, self._attended(value.form), stride, word, block)
            self.b.layer = f"{name}.scores.{head}"
            self.b.scores(query, key, scores, stop - first, self.tokens)
            self.b.layer = f"{name}.values.{head}"
            self.b.values(scores, value, result, stop - first, self.tokens)

    def _route(self, block: LoweredBlock, source: Place) -> None:
        name = f"blocks.{block.index}"
        router = self.spec.router
        task = self.spec.task_index(self.task)
        linear = block.routers[task]
        logits = self.b.place("hidden", linear.weight.shape[0], self.formats[f"{name}.logits"])
        key = f"{name}.router.{self.task}"
        self._linear(key, f"{key}.weight", linear, source, logits)
        self.b.layer = key
        allowed = np.flatnonzero(allowed_experts(self.model, block.index, self.task))
        experts = range(int(allowed[0]), int(allowed[-1]) + 1)
        self.b.route(logits, self.tokens, experts, router.top_k, router.gate_type == "noisy", router.score_threshold)
        if self.taps:
            region = self.b.store_routes(f"routes.{block.index}", self.tokens, router.top_k)
            self.regions[region.name] = region

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
            self._linear(f"{name}fc1.{start}", f"{name}fc1.weight", part, source, hidden, gelu=True, expert=expert)
            part = Linear(down.weight[:, start:stop], down.bias if start == 0 else None)
            self._linear(
                f"{name}fc2.{start}", f"{name}fc2.weight", part, hidden, self.residual,
                accumulate=True, expert=expert, scatter=expert >= 0,
                gathering=gathering if stop == hidden_features else None,
            )  # fmt: skip


def _spread_outputs(linear: Linear, heads: int, width: int, padded: int) -> Linear:
    """Pads each head's outputs from `width` to `padded` rows of zeros."""
    assert linear.bias is not None
    inputs = linear.weight.shape[1]
    weight = np.zeros((heads, padded, inputs))
    weight[:, :width] = linear.weight.reshape(heads, width, inputs)
    bias = np.zeros((heads, padded))
    bias[:, :width] = linear.bias.reshape(heads, width)
    return Linear(weight.reshape(-1, inputs), bias.reshape(-1))


def _spread_inputs(linear: Linear, heads: int, width: int, padded: int) -> Linear:
    """Pads each head's inputs from `width` to `padded` columns of zeros."""
    outputs = linear.weight.shape[0]
    weight = np.zeros((outputs, heads, padded))
    weight[:, :, :width] = linear.weight.reshape(outputs, heads, width)
    return Linear(weight.reshape(outputs, -1), linear.bias)


__all__ = ["Frame", "Program", "check_capacity", "compile_network", "pack_image", "to_patches"]
