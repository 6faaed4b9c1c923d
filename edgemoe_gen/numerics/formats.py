"""Binary points: one for every tensor and layer, from the weights and from calibration images.

`observe_ranges` runs the float reference on images; `choose_formats` turns its observations into `Formats`, with the
range and the error of each tensor. Formats can be pinned by name, as in `edgemoe.toml`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.model import Model, Reference, ReferenceResult
from edgemoe_gen.numerics.decoder import even_out, has_values, lower_decoder
from edgemoe_gen.numerics.fixed import FINEST_OUTPUT, Format, dequantise, finer_outputs, fraction_for, quantise
from edgemoe_gen.numerics.lower import LOG2_E, Array, Linear, LoweredDecoder, LoweredNetwork, equalise, lower
from edgemoe_gen.numerics.tables import EXP_POSITION_BITS
from edgemoe_gen.numerics.widths import DECODERS, NARROW, Widths

IMAGE_BITS = 16  # of an input value in DDR, and of a decoder's values that go there
# Headroom over what calibration saw: other images may reach further, and a saturated value costs more than a lost bit.
HEADROOM = 1.25
# Values kept of each observed tensor, to measure its rounding error on.
SAMPLES = 65536
# Bits that a narrow format may be finer than one that holds all values.
_FINER = 4


@dataclass
class Observation:
    """Observations of one tensor: the largest absolute value of each column, and some of its rows."""

    columns: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    rows: list[NDArray[np.float32]] = field(default_factory=list)

    def add(self, values: NDArray[np.float32]) -> None:
        """Adds one more frame's values [..., columns]."""
        matrix = values.reshape(-1, values.shape[-1])
        seen = np.abs(matrix).max(axis=0, initial=0.0).astype(np.float64)
        self.columns = np.maximum(self.columns, seen) if self.columns.size else seen
        self.rows.append(matrix[:: max(1, matrix.size // SAMPLES)].copy())

    def scaled(self, factors: NDArray[np.float64]) -> Observation:
        """The same observation with every column times its factor."""
        return Observation(self.columns * factors, [(rows * factors).astype(np.float32) for rows in self.rows])

    @property
    def largest(self) -> float:
        """Largest absolute value."""
        return float(self.columns.max(initial=0.0))

    @property
    def samples(self) -> NDArray[np.float32]:
        """All rows kept, flattened."""
        return np.concatenate([rows.reshape(-1) for rows in self.rows])


Observations = dict[str, Observation]


def prepare(model: Model, seen: Observations) -> LoweredNetwork:
    """The folded network, with observed outliers evened out, and with the observed decoders."""
    return evened(model, {name: observation.columns for name, observation in seen.items()})


def evened(model: Model, largest: Mapping[str, Array]) -> LoweredNetwork:
    """The result of `prepare`, from the largest absolute value of each column by tensor."""
    decoders = {}
    for task in model.decoders:
        if f"{DECODERS}.{task}.norm" in largest:
            lowered = lower_decoder(model, task)
            convolutions = [largest[f"{DECODERS}.{task}.conv_{i}"] for i in range(len(lowered.scales))]
            decoders[task] = even_out(lowered, largest[f"{DECODERS}.{task}.norm"], convolutions, HEADROOM)
    return replace(equalise(lower(model), largest), decoders=decoders)


@dataclass(frozen=True)
class TensorFormat:
    """One row of the table of formats.

    Attributes:
        name: tensor and layer, such as `blocks.3.query`.
        kind: "activation" or "weight".
        form: the format.
        largest: largest absolute value seen, or held by the weights.
        error: root mean square of the rounding error relative to that of the values.
        pinned: chosen by the user.
    """

    name: str
    kind: str
    form: Format
    largest: float
    error: float
    pinned: bool = False


@dataclass(frozen=True)
class Formats:
    """All formats of a network, by name."""

    table: Mapping[str, TensorFormat]

    def __getitem__(self, name: str) -> Format:
        return self.table[name].form

    def rows(self) -> Iterable[TensorFormat]:
        """Rows in the order of the data path."""
        return self.table.values()


def observe_ranges(
    model: Model,
    images: Iterable[NDArray[np.float32]],
    tasks: Iterable[str],
    progress: Callable[[], None] | None = None,
    keep: Callable[[int, str, ReferenceResult], None] | None = None,
    decoders: bool = False,
) -> Observations:
    """Runs every image [3, H, W] and task through the float reference.

    Args:
        model: the network.
        images, tasks: each image runs for each task.
        progress: called after each run.
        keep: called with number of the image, task and result of each run, the decoder's too if it runs.
        decoders: also run and observe each task's decoder, for decoders on the engine.
    """
    reference = Reference(model)
    seen: Observations = {}

    def observe(name: str, values: NDArray[np.float32]) -> None:
        for key, part in _named(name, values):
            seen.setdefault(key, Observation()).add(part)

    tasks = tuple(tasks)
    for number, image in enumerate(images):
        seen.setdefault("image", Observation()).add(image)
        for task in tasks:
            result = reference.run(image, task, observe=observe, with_output=decoders)
            if keep is not None:
                keep(number, task, result)
            if progress is not None:
                progress()
    return seen


def _named(name: str, values: NDArray[np.float32]) -> Iterable[tuple[str, NDArray[np.float32]]]:
    """The engine's tensor for one of the reference's: name and values, folded constants included."""
    *path, last = name.split(".")
    block = ".".join(path)
    if path[:1] == [DECODERS]:
        yield name, values
    elif last == "scores":
        for head, rows in enumerate(values):
            yield f"{block}.scores.{head}", (rows * LOG2_E).astype(np.float32)
    elif last == "q":
        yield f"{block}.query", (values * (LOG2_E / np.sqrt(values.shape[-1]))).astype(np.float32)
    elif last == "logits":
        yield f"{block}.logits", (values * LOG2_E).astype(np.float32)
    elif last in ("middle", "output"):
        # The residual keeps one format from the attention's addition to the end of the block.
        yield f"{block}.residual", values
    elif name == "embed":
        yield "embed", values
    elif last in ("norm1", "norm2"):
        yield name, values
    elif last in ("k", "v", "activated"):
        yield f"{block}.{ {'k': 'key', 'v': 'value', 'activated': 'hidden'}[last] }", values


def choose_formats(
    network: LoweredNetwork,
    seen: Observations,
    widths: Widths,
    pinned: Mapping[str, int] | None = None,
) -> Formats:
    """A format for every activation and weight of a network.

    Args:
        network: folded network.
        seen: observations of this very model.
        widths: bits of every kind of tensor.
        pinned: fractional bits by tensor name, as far as the user fixes them.

    Raises:
        ConfigError: a pinned name is not a tensor of this network, or pinned finer than its reader can take.
    """
    pins = dict(pinned or {})
    rows: dict[str, TensorFormat] = {}

    def add(
        name: str,
        kind: str,
        bits: int,
        largest: float,
        samples: Callable[[Format], NDArray[np.floating]],
        headroom: float = 1.0,
        most: int | None = None,
        fitted: bool = False,
    ) -> None:
        chosen = name in pins
        fraction = pins.pop(name) if chosen else fraction_for(largest * headroom, bits, most)
        if fitted and not chosen and bits < NARROW:
            fraction = _least_squares(samples(Format(bits, fraction)), Format(bits, fraction), most)
        if most is not None and fraction > most:
            raise ConfigError(
                f"formats: '{name}' is pinned to {fraction} fractional bits, but what reads it takes at most {most}",
                f"pin it to {most} or fewer",
            )
        form = Format(bits, fraction)
        rows[name] = TensorFormat(name, kind, form, largest, _relative_error(samples(form), form), chosen)

    def activation(name: str, most: int | None = None, factors: Array | None = None, bits: int | None = None) -> None:
        observation = seen[name] if factors is None else seen[name].scaled(factors)
        bits = widths.of(name) if bits is None else bits
        add(name, "activation", bits, observation.largest, lambda _: observation.samples, HEADROOM, most, True)

    def weight(name: str, linear: Linear) -> None:
        def samples(form: Format) -> NDArray[np.floating]:
            # Each output is as fine as its own largest weight allows, so the error is that of the weights scaled so.
            scales = np.exp2(finer_outputs(linear.weight, form, FINEST_OUTPUT).astype(np.float64))
            flat = (linear.weight * scales[:, None]).reshape(-1)
            return flat[:: max(1, flat.size // SAMPLES)]

        add(name, "weight", widths.of(name), float(np.abs(linear.weight).max(initial=0.0)), samples)

    # An input is known to lie within what the picture's normalisation allows, so it gets no headroom.
    image = seen["image"]
    add("image", "activation", min(IMAGE_BITS, widths.activation), image.largest, lambda _: image.samples)
    weight("patch", network.patch)
    activation("embed")
    for block in network.blocks:
        name = f"blocks.{block.index}"
        activation(f"{name}.norm1", factors=_down(block.shifts1))
        for part in ("query", "key", "value"):
            weight(f"{name}.{part}.weight", getattr(block, part))
            activation(f"{name}.{part}")
        for head in range(network.spec.heads):
            # No score is finer than its products.
            products = rows[f"{name}.query"].form.fraction + rows[f"{name}.key"].form.fraction
            activation(f"{name}.scores.{head}", most=min(EXP_POSITION_BITS, products))
        weight(f"{name}.projection.weight", block.projection)
        activation(f"{name}.residual")
        activation(f"{name}.norm2", factors=_down(block.shifts2))
        for task, router in zip(network.spec.task_names, block.routers, strict=False):
            weight(f"{name}.router.{task}.weight", router)
        if block.routers:
            activation(f"{name}.logits", most=EXP_POSITION_BITS)
        activation(f"{name}.hidden")
        for expert, (up, down) in enumerate(block.mlp):
            which = f"experts.{expert}." if block.routers else ""
            weight(f"{name}.{which}fc1.weight", up)
            weight(f"{name}.{which}fc2.weight", down)
    for task, decoder in network.decoders.items():
        name = f"{DECODERS}.{task}"
        # The feature of ones has the norm's format, which must hold it.
        most = widths.decoded - 2 - round(math.log2(decoder.ones))
        activation(f"{name}.norm", most, _down(decoder.shifts))
        for i, layer in enumerate(decoder.layers):
            weight(f"{name}.conv_{i}.weight", layer)
            if i < len(decoder.scales):
                activation(f"{name}.conv_{i}", factors=decoder.scales[i])
        activation(f"{name}.logits", bits=_result_bits(decoder, widths))
    if pins:
        raise ConfigError(
            f"formats: '{next(iter(pins))}' is not a tensor of this network",
            "`edgemoe-gen build` prints the names in its table of formats",
        )
    return Formats(rows)


def check_pinned_names(model: Model, decoders: Iterable[str], widths: Widths, pinned: Mapping[str, int]) -> None:
    """Refuses pinned names without a tensor.

    Args:
        model: the network.
        decoders: tasks whose decoders run on the engine.
        widths: bits of every kind of tensor.
        pinned: fractional bits by tensor name.

    Raises:
        ConfigError: names the first.
    """

    class Unseen(Observations):
        def __missing__(self, _: str) -> Observation:
            return Observation(np.zeros(1), [np.zeros((1, 1), np.float32)])

    network = replace(lower(model), decoders={task: lower_decoder(model, task) for task in decoders})
    choose_formats(network, Unseen(), widths, pinned)


def _least_squares(samples: NDArray[np.floating], widest: Format, most: int | None) -> int:
    """Fractional bits with the least squared error of narrow values, saturated values included.

    Values of other pictures reach further, so all values count as `HEADROOM` times as large as those seen.

    Args:
        samples: observed values.
        widest: format that holds all of them with headroom.
        most: upper limit of the answer.
    """
    values = samples.astype(np.float64) * HEADROOM
    best, least = widest.fraction, _squares(values, widest)
    for finer in range(1, _FINER + 1):
        fraction = widest.fraction + finer
        if most is not None and fraction > most:
            break
        error = _squares(values, Format(widest.bits, fraction))
        if error < least:
            best, least = fraction, error
    return best


def _squares(values: NDArray[np.float64], form: Format) -> float:
    return float(np.square(dequantise(quantise(values, form), form) - values).sum())


def _down(shifts: NDArray[np.int64]) -> Array:
    return np.exp2(-shifts.astype(np.float64))


def _result_bits(decoder: LoweredDecoder, widths: Widths) -> int:
    """Bits of a decoder's logits: values leave the chip unchanged, so they are no wider than in DDR."""
    return min(widths.decoded, IMAGE_BITS) if has_values(decoder.classes) else widths.decoded


def _relative_error(samples: NDArray[np.floating], form: Format) -> float:
    power = float(np.mean(np.square(samples, dtype=np.float64))) if samples.size else 0.0
    if power == 0.0:
        return 0.0
    difference = dequantise(quantise(samples, form), form) - samples
    return float(np.sqrt(np.mean(np.square(difference)) / power))
