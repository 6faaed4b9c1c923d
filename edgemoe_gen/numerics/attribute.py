"""Ranks weights by the worth of their bits: the error of the final tokens when one kind in one block is narrow.

In: a model with its folded network and formats, calibration images and a task. Out: a row for every group of weights
and width; of the task's decoder too, by the error of its output. All else stays float, so that a row's error is its
own; rows of independent noise add up in squares.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.model import Model, ModelSpec, Reference, ReferenceResult
from edgemoe_gen.model.layout import gate_name
from edgemoe_gen.numerics.decoder import evaluate
from edgemoe_gen.numerics.fixed import FINEST_OUTPUT, Floats, Format, dequantise, finer_outputs, quantise
from edgemoe_gen.numerics.formats import Formats
from edgemoe_gen.numerics.lower import LoweredBlock, LoweredDecoder, LoweredNetwork
from edgemoe_gen.numerics.widths import DECODERS, kind_of

Change = Callable[[NDArray[np.float32]], NDArray[np.float32]]
LEAST_BITS = 2


@dataclass(frozen=True)
class Attribution:
    """Error of one group of weights at a width.

    Attributes:
        group: block and kind, such as `blocks.3.experts.fc1`; all experts of a block are one group.
        kind: without the block, such as `experts.fc1`.
        weights: number of weights.
        bits, full_bits: the tried width, and the width of `formats`.
        error: RMS error of the final tokens relative to their RMS, experts chosen as in float; for a decoder's group,
            the error of its map from float's tokens.
        free_error: the same with experts chosen freely.
        sets_equal, sets: token-layers with float's set of experts, and all token-layers.
    """

    group: str
    kind: str
    weights: int
    bits: int
    full_bits: int
    error: float
    free_error: float
    sets_equal: int
    sets: int

    @property
    def worth(self) -> float:
        """Squared error that a bit of storage removes when this group is made as wide as `full_bits` again."""
        return self.error**2 / max(self.weights * (self.full_bits - self.bits), 1)


def attribute_error(
    model: Model,
    network: LoweredNetwork,
    formats: Formats,
    images: Sequence[NDArray[np.float32]],
    task: str,
    widths: Sequence[int] = (8,),
    progress: Callable[[str, int, int], None] | None = None,
) -> tuple[Attribution, ...]:
    """Error of the final tokens for every group of weights, alone at every width, in the order of the data path.

    Convolutions of the task's decoder follow, if it was lowered.

    Weights are rounded as the engine does it: folded, each output as fine as its largest weight allows.

    Args:
        model: the network in float.
        network: the folded network with outliers evened out, whose weights are rounded.
        formats: formats of the full widths; a narrower format covers the same range.
        images: network inputs [3, height, width].
        task: task of the frames.
        widths: bits, each less than the group's own.
        progress: called with the group, rows done and rows in all.

    Raises:
        ConfigError: a width is not one of 2 to the full one, or there is no image.
    """
    if not images:
        raise ConfigError("no image is given to attribute errors with", "give at least one calibration image")
    groups = list(_groups(model, network, task))
    reference = Reference(model)
    exact = [reference.run(image, task, with_output=False) for image in images]
    decoder = _DecoderErrors.of(network, task, [result.tokens for result in exact])
    rows: list[Attribution] = []
    for bits in widths:
        for group in (*groups, *decoder.groups):
            full = formats[group.tensors[0].name].bits
            if not LEAST_BITS <= bits <= full:
                raise ConfigError(
                    f"a width of {bits} bits is asked for {group.name}", f"give {LEAST_BITS} to {full}, its full width"
                )
            if progress is not None:
                progress(group.name, len(rows), len(widths) * (len(groups) + len(decoder.groups)))
            if group in groups:
                measured = _measured(Reference(_narrowed(model, group, formats, bits)), images, task, exact)
            else:
                error = decoder.error(decoder.groups.index(group), formats, bits)
                measured = error, error, 0, 0
            rows.append(Attribution(group.name, group.kind, group.weights, bits, full, *measured))
    return tuple(rows)


def squared_errors(
    model: Model,
    network: LoweredNetwork,
    formats: Formats,
    frames: Sequence[tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64] | None]],
    task: str,
    bits: int,
) -> dict[str, float]:
    """Mean squared error of the final tokens for each kind of weights (`numerics.widths`) that is narrow in all blocks.

    Experts are chosen as in float. One run of the float reference for each kind and frame. The task's decoder follows,
    if it was lowered: its map's relative error, as if it were the tokens'.

    Args:
        model, network, formats, task, bits: as `attribute_error` takes them.
        frames: network input [3, height, width], and of the float reference final tokens [tokens, dim] and experts
            [moe_blocks, tokens, top_k] (None: there are none).
    """
    tensors: dict[str, list[_Tensor]] = {}
    for group in _groups(model, network, task):
        for tensor in group.tensors:
            tensors.setdefault(kind_of(tensor.name), []).append(tensor)
    found = {}
    for kind, every in tensors.items():
        narrow = Reference(_narrowed(model, _Group(kind, kind, tuple(every)), formats, bits))
        errors = [narrow.run(image, task, routes, with_output=False).tokens - exact for image, exact, routes in frames]
        found[kind] = float(np.mean([np.mean(np.square(error, dtype=np.float64)) for error in errors]))
    decoder = _DecoderErrors.of(network, task, [exact for _, exact, _ in frames])
    if decoder.groups:
        power = float(np.mean([np.mean(np.square(exact, dtype=np.float64)) for _, exact, _ in frames]))
        found[DECODERS] = power * sum(decoder.error(layer, formats, bits) ** 2 for layer in range(len(decoder.groups)))
    return found


def by_worth(rows: Sequence[Attribution]) -> tuple[Attribution, ...]:
    """The same rows, ordered by the error that a bit of storage removes, the most first."""
    return tuple(sorted(rows, key=lambda row: row.worth, reverse=True))


@dataclass(frozen=True)
class _Tensor:
    """One folded weight matrix and its source: `cut` gives its part of a tensor, shaped like `folded`."""

    name: str
    folded: Floats
    source: str
    cut: Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class _Group:
    name: str
    kind: str
    tensors: tuple[_Tensor, ...]

    @property
    def weights(self) -> int:
        return sum(tensor.folded.size for tensor in self.tensors)


def _groups(model: Model, network: LoweredNetwork, task: str) -> Iterator[_Group]:
    dim = network.spec.dim
    source = "patch_embed.proj.weight"
    patch = _Tensor("patch", network.patch.weight, source, lambda values: values.reshape(dim, -1))
    yield _Group("patch", "patch", (patch,))
    for block in network.blocks:
        for kind, tensors in _block_tensors(model, block, task).items():
            yield _Group(f"blocks.{block.index}.{kind}", kind, tuple(tensors))


@dataclass(frozen=True)
class _DecoderErrors:
    """A task's decoder, if it was lowered: final tokens of every image, and its maps of them.

    Its layers are rounded after folding, since a norm's offset becomes weights that no tensor of the model has.
    """

    spec: ModelSpec
    decoder: LoweredDecoder | None
    groups: tuple[_Group, ...]
    tokens: tuple[NDArray[np.float64], ...]
    maps: tuple[NDArray[np.float64], ...]

    @classmethod
    def of(cls, network: LoweredNetwork, task: str, exact: Sequence[NDArray[np.float32]]) -> _DecoderErrors:
        decoder = network.decoders.get(task)
        if decoder is None:
            return cls(network.spec, None, (), (), ())
        groups = []
        for i, layer in enumerate(decoder.layers[: len(decoder.scales)]):
            name = f"{DECODERS}.{task}.conv_{i}"
            tensor = _Tensor(f"{name}.weight", layer.weight, "", lambda values: values)
            groups.append(_Group(name, f"{DECODERS}.conv_{i}", (tensor,)))
        tokens = tuple(each.astype(np.float64) for each in exact)
        maps = tuple(evaluate(decoder, network.spec, each) for each in tokens)
        return cls(network.spec, decoder, tuple(groups), tokens, maps)

    def error(self, layer: int, formats: Formats, bits: int) -> float:
        """RMS error of the maps, relative to their RMS, when one layer's weights are narrow."""
        assert self.decoder is not None, "only a decoder has layers"
        (tensor,) = self.groups[layer].tensors
        layers = list(self.decoder.layers)
        layers[layer] = replace(layers[layer], weight=_rounded(tensor, formats, bits))
        narrow = replace(self.decoder, layers=tuple(layers))
        power = error = 0.0
        for tokens, wanted in zip(self.tokens, self.maps, strict=True):
            power += float(np.square(wanted).sum())
            error += float(np.square(evaluate(narrow, self.spec, tokens) - wanted).sum())
        return float(np.sqrt(error / max(power, np.finfo(np.float64).tiny)))


def _block_tensors(model: Model, block: LoweredBlock, task: str) -> Mapping[str, list[_Tensor]]:
    spec = model.spec
    dim, name = spec.dim, f"blocks.{block.index}"
    kinds: dict[str, list[_Tensor]] = {}

    def add(kind: str, tensor: str, folded: Floats, source: str, cut: Change = lambda values: values) -> None:
        kinds.setdefault(kind, []).append(_Tensor(f"{name}.{tensor}.weight", folded, source, cut))

    for place, part in enumerate(("query", "key", "value")):
        rows = slice(place * dim, (place + 1) * dim)
        add(part, part, getattr(block, part).weight, f"{name}.attn.qkv.weight", _part(rows))
    add("projection", "projection", block.projection.weight, f"{name}.attn.proj.weight")
    if not block.routers:
        for part, linear in zip(("fc1", "fc2"), block.mlp[0], strict=True):
            add(part, part, linear.weight, f"{name}.mlp.{part}.weight")
        return kinds
    index = spec.task_index(task)
    gate = gate_name(spec, block.index, index)
    add("router", f"router.{task}", block.routers[index].weight, gate, lambda values: values[:dim].T)
    for half, part, source in ((0, "fc1", "htoh4"), (1, "fc2", "h4toh")):
        for expert, pair in enumerate(block.mlp):
            add(
                f"experts.{part}", f"experts.{expert}.{part}", pair[half].weight,
                f"{name}.mlp.experts.{source}.weight", _part(expert),
            )  # fmt: skip
    return kinds


def _part(index: int | slice) -> Change:
    return lambda values: values[index]


def _narrowed(model: Model, group: _Group, formats: Formats, bits: int) -> Model:
    """The model with one group's weights rounded."""
    changed: dict[str, NDArray[np.float32]] = {}
    for tensor in group.tensors:
        rounded = _rounded(tensor, formats, bits)
        # Folding multiplies each weight by a constant, so rounding changes both by the same factor.
        ratio = np.divide(rounded, tensor.folded, out=np.ones_like(rounded), where=tensor.folded != 0)
        if tensor.source not in changed:
            changed[tensor.source] = model.backbone[tensor.source].copy()
        part = tensor.cut(changed[tensor.source])  # a view
        part *= ratio.astype(np.float32)
    return replace(model, backbone={**model.backbone, **changed})


def _rounded(tensor: _Tensor, formats: Formats, bits: int) -> NDArray[np.float64]:
    """Folded weights, rounded to a number of bits over the range of their format."""
    full = formats[tensor.name]
    form = Format(bits, full.fraction - (full.bits - bits))
    scales = np.exp2(finer_outputs(tensor.folded, form, FINEST_OUTPUT).astype(np.float64))[:, None]
    return dequantise(quantise(tensor.folded * scales, form), form) / scales


def _measured(
    narrow: Reference, images: Sequence[NDArray[np.float32]], task: str, exact: Sequence[ReferenceResult]
) -> tuple[float, float, int, int]:
    """Relative errors with float's experts and with freely chosen experts; equal sets, and all sets."""
    power = forced_power = free_power = 0.0
    equal = sets = 0
    for image, wanted in zip(images, exact, strict=True):
        free = narrow.run(image, task, with_output=False)
        forced = free
        if wanted.routes is not None and free.routes is not None:
            same = (np.sort(free.routes.experts) == np.sort(wanted.routes.experts)).all(axis=-1)
            equal, sets = equal + int(same.sum()), sets + same.size
            if not same.all():
                forced = narrow.run(image, task, routes=wanted.routes.experts, with_output=False)
        power += float(np.sum(np.square(wanted.tokens, dtype=np.float64)))
        forced_power += float(np.sum(np.square(forced.tokens.astype(np.float64) - wanted.tokens)))
        free_power += float(np.sum(np.square(free.tokens.astype(np.float64) - wanted.tokens)))
    power = max(power, np.finfo(np.float64).tiny)
    return float(np.sqrt(forced_power / power)), float(np.sqrt(free_power / power)), equal, sets
