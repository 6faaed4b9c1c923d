"""Cases of the kernels that take one token at a time: linear layers, GELU, LayerNorm, patch embedding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.design import Design
from edgemoe_gen.hardware.memories import HIDDEN, NORMED, QUERY, RESIDUAL
from edgemoe_gen.numerics import tables
from edgemoe_gen.numerics.fixed import Format, Integers, dequantise, fraction_for, quantise
from edgemoe_gen.numerics.lower import Linear
from edgemoe_gen.numerics.shifts import inverse_error
from edgemoe_gen.program.product import Finish, Weights
from edgemoe_gen.sim import references as ref
from edgemoe_gen.sim.checks import Bench, Case, Check, Deviation, compare
from edgemoe_gen.sim.engine import Engine
from edgemoe_gen.sim.kernel_inputs import (
    exact_linear,
    extreme_rows,
    identity_linear,
    limits,
    memory_columns,
    random_linear,
    random_values,
)

Values = NDArray[np.float64]
EPS = 1e-6


@dataclass(frozen=True)
class Layer:
    """One linear layer as a case runs it: which memories, fractional bits, and what happens to the result.

    Attributes:
        source, destination: memories.
        source_fraction, out_fraction: fractional bits of inputs and results.
        gelu: apply GELU.
        old_fraction: fractional bits of what the result is added to; None replaces the destination.
    """

    source: str
    destination: str
    source_fraction: int
    out_fraction: int
    gelu: bool = False
    old_fraction: int | None = None


def run_linear(
    bench: Bench, layer: Layer, x: Integers, linear: Linear, weight_form: Format, old: Integers | None = None
) -> list[Deviation]:
    """Runs one layer on inputs [tokens, inputs] and compares its results with W x + b.

    The weights must be exact in `weight_form`. Bound: `references.product_bound` and `bias_bound`, or `gelu_bound`; an
    old value that is rounded to the new format costs half a step more.
    """
    tokens, outputs = x.shape[0], linear.weight.shape[0]
    source = bench.place(layer.source, x.shape[1], layer.source_fraction)
    destination = bench.place(layer.destination, outputs, layer.out_fraction)
    values = bench.load(source, x)
    old_form = None if layer.old_fraction is None else bench.form(layer.old_fraction)
    old_values = None
    if old is not None and old_form is not None:
        old_values = bench.load(replace(destination, form=old_form), old)
    finish = Finish(gelu=layer.gelu, added_to=old_form if old is not None else None)
    bench.builder.linear(Weights(linear, weight_form), source, destination, tokens, finish)
    bench.store("y", destination, tokens)
    bench.run()
    wanted, bound = linear_reference(
        bench.design, layer, values, linear, weight_form, destination.form, added=old is not None
    )
    if old_values is not None and old_form is not None:
        fine = ref.residual_form(bench.design, destination.form)
        wanted = ref.clip(old_values + wanted, fine)
        bound += fine.step / 2 if old_form.fraction > destination.form.fraction else 0.0
    return [compare("y", bench.values("y"), wanted, bound)]


def linear_reference(
    design: Design, layer: Layer, values: Values, linear: Linear, weight_form: Format, out: Format, added: bool = False
) -> tuple[Values, float]:
    """Result of a layer before it is `added` to the residual, and its bound."""
    total = values @ linear.weight.T + (0.0 if linear.bias is None else linear.bias)
    bias = ref.bias_bound(linear.bias, layer.source_fraction + weight_form.fraction)
    if layer.gelu:
        return ref.clip(ref.gelu(total), out), ref.gelu_bound(design, out) + ref.GELU_SLOPE * bias
    limit = ref.residual_form(design, out) if added else out
    return ref.clip(total, limit), ref.product_bound(design, out, added) + bias


def linear_cases(design: Design) -> Iterator[Case]:
    """Plain, with bias, GELU and accumulation; every path; shapes that are no multiples of the parallelism."""
    k = design.knobs
    t, o, i = k.tokens_parallel, k.out_parallel, k.in_parallel
    near = k.activation_bits - 4  # a range of -8 to 8
    most = k.max_tokens

    def shaped(
        layer: Layer, tokens: int, inputs: int, outputs: int, bias: bool = True, bits: int = k.weight_bits
    ) -> Check:
        tokens = min(tokens, most)
        inputs = min(inputs, memory_columns(design, layer.source, tokens))
        outputs = min(outputs, memory_columns(design, layer.destination, tokens))

        def check(engine: Engine, rng: np.random.Generator) -> list[Deviation]:
            bench = Bench(engine)
            x = random_values(rng, tokens, inputs, bench.form(layer.source_fraction), 1.5)
            linear, form = random_linear(rng, design, inputs, outputs, bias, bits=bits)
            old = None
            if layer.old_fraction is not None:
                old = random_values(rng, tokens, outputs, bench.form(layer.old_fraction), 2.0)
            return run_linear(bench, layer, x, linear, form, old)

        return check

    plain = Layer(NORMED, QUERY, near, near)
    yield Case("all tokens, largest layer", "random", shaped(plain, most, k.max_dim, k.max_query))
    yield Case("one value", "random", shaped(plain, 1, 1, 1))
    yield Case("one more than fits at once", "random", shaped(plain, t + 1, i + 1, o + 1))
    yield Case("one less than fits at once", "random", shaped(plain, max(2 * t - 1, 1), 2 * i - 1, 2 * o - 1))
    yield Case("one tile, no bias", "random", shaped(plain, t, i, o, bias=False))
    yield Case("no bias", "random", shaped(plain, 3 * t + 1, 3 * i - 5, 2 * o + 3, bias=False))
    yield Case("more tokens than weights take to load", "random", shaped(plain, min(most, 97), 7, o + 2))
    up = Layer(NORMED, HIDDEN, near, near, gelu=True)
    yield Case("GELU", "random", shaped(up, 2 * t + 3, i + 9, 3 * o + 7))
    down = Layer(HIDDEN, RESIDUAL, near, near - 1)
    yield Case("long inner dimension", "random", shaped(down, 2 * t + 1, k.max_hidden, o + 5))
    added = {
        "added, same binary point": (near - 1, near - 1),
        "added, binary point moves left": (near + 2, near - 1),
        "added, binary point moves right": (near - 3, near),
    }
    for name, (old, out) in added.items():
        layer = Layer(QUERY, RESIDUAL, near, out, old_fraction=old)
        yield Case(name, "random", shaped(layer, 3 * t - 1, 2 * i + 1, o + 1))
    yield Case("residual to hidden", "random", shaped(Layer(RESIDUAL, HIDDEN, near - 2, near), t + 2, i + 3, o - 1))
    yield Case("query to hidden", "random", shaped(Layer(QUERY, HIDDEN, near, near - 1), t + 1, i + 2, o + 3))
    for name, saturating in (("extreme inputs and weights, saturating", True), ("extreme inputs and weights", False)):
        yield Case(name, "extreme", _extreme_linear(design, saturating))
    yield Case("extreme sums on extreme residuals", "extreme", _extreme_accumulation(design))
    if design.has_narrow_weights:
        bits = design.narrow_weight_bits
        yield Case("narrow weights", "random", shaped(plain, 2 * t + 1, k.max_dim, k.max_query, bits=bits))
        for words in (1, 3):  # of an odd number of parts, the last step brings but one
            yield Case(
                f"narrow weights, {words} words", "random", shaped(down, t + 1, words * i - 1, 2 * o + 1, bits=bits)
            )
        yield Case("narrow weights, no bias", "random", shaped(plain, t, i + 1, o + 1, bias=False, bits=bits))
        yield Case("narrow weights with GELU", "random", shaped(up, t + 2, 2 * i + 3, 2 * o - 1, bits=bits))
        yield Case("extreme narrow weights", "extreme", _extreme_linear(design, False, bits))


def _extreme_linear(design: Design, saturating: bool, bits: int | None = None) -> Check:
    """Every extreme row of inputs against every extreme row of weights of `bits`; the design's width by default."""

    def check(engine: Engine, rng: np.random.Generator) -> list[Deviation]:  # noqa: ARG001
        bench = Bench(engine)
        k = design.knobs
        inputs = min(k.max_dim, memory_columns(design, NORMED, 10))
        x = extreme_rows(inputs, k.activation_bits)[: k.max_tokens]
        width = bits or k.weight_bits
        form = Format(width, width - 1)
        weight = extreme_rows(inputs, width)[: memory_columns(design, QUERY, 10)]
        bias = np.where(np.arange(len(weight)) % 2 == 1, -7.75, 7.75)
        # Inputs reach 8 and weights 1: sums reach 8 x inputs, and the bias adds 8.
        near = k.activation_bits - 4
        room = 0 if saturating else int(np.ceil(np.log2(inputs + 1)))
        layer = Layer(NORMED, QUERY, near, near - room)
        return run_linear(bench, layer, x, Linear(dequantise(weight, form), bias), form)

    return check


def _extreme_accumulation(design: Design) -> Check:
    """Largest and smallest results added to largest and smallest old values: sums that must saturate."""

    def check(engine: Engine, rng: np.random.Generator) -> list[Deviation]:  # noqa: ARG001
        bench = Bench(engine)
        k = design.knobs
        inputs, outputs = k.in_parallel, min(k.out_parallel + 1, k.max_dim)
        x = extreme_rows(inputs, k.activation_bits)[: k.max_tokens]
        old = extreme_rows(outputs, k.activation_bits)[: k.max_tokens]
        form = Format(k.weight_bits, k.weight_bits - 1)
        weight = np.resize(extreme_rows(inputs, k.weight_bits), (outputs, inputs))
        near = k.activation_bits - 4
        layer = Layer(HIDDEN, RESIDUAL, near, near, old_fraction=near)
        return run_linear(bench, layer, x, Linear(dequantise(weight, form), None), form, old)

    return check


def gelu_cases(design: Design) -> Iterator[Case]:
    """Through a layer of unit weights: every value of an activation; and the function alone at its full resolution."""
    bits = design.knobs.activation_bits
    near = bits - 4
    low, high = limits(bits)

    def through_identity(values: Integers, fraction: int, out_fraction: int) -> Check:
        def check(engine: Engine, rng: np.random.Generator) -> list[Deviation]:  # noqa: ARG001
            bench = Bench(engine)
            columns = min(4 * design.knobs.out_parallel, memory_columns(design, NORMED, design.knobs.max_tokens))
            linear, form = identity_linear(columns, design)
            source = bench.place(NORMED, columns, fraction)
            destination = bench.place(HIDDEN, columns, out_fraction)
            padded = np.zeros(-(-values.size // columns) * columns, np.int64)
            padded[: values.size] = values
            matrix = padded.reshape(-1, columns)
            pieces = []
            for start in range(0, len(matrix), design.knobs.max_tokens):
                rows = matrix[start : start + design.knobs.max_tokens]
                pieces.append(bench.load(source, rows))
                weights = Weights(linear, form, "identity")
                bench.builder.linear(weights, source, destination, len(rows), Finish(gelu=True))
                bench.store(f"y{start}", destination, len(rows))
            bench.run()
            got = np.concatenate([bench.values(f"y{s}") for s in range(0, len(matrix), design.knobs.max_tokens)])
            wanted = ref.clip(ref.gelu(np.concatenate(pieces)), destination.form)
            return [compare("gelu", got, wanted, ref.gelu_bound(design, destination.form))]

        return check

    def random(engine: Engine, rng: np.random.Generator) -> list[Deviation]:
        values = quantise(rng.normal(0.0, 2.0, 4000), Format(bits, near))
        return through_identity(values, near, near)(engine, rng)

    def alone(engine: Engine, rng: np.random.Generator) -> list[Deviation]:  # noqa: ARG001
        # The table ends before 5; beyond, the result is max(x, 0), which the other cases cover.
        x = np.arange(-5 << tables.GELU_FRACTION, (5 << tables.GELU_FRACTION) + 1, dtype=np.int64)
        got = engine.evaluate("gelu", x)[0] * 2.0**-tables.GELU_OUT_FRACTION
        wanted = ref.gelu(dequantise(x, Format(32, tables.GELU_FRACTION)))
        return [compare("gelu", got, wanted, tables.gelu_error_bound(design.gelu_table))]

    yield Case("random", "random", random)
    every = np.arange(low, high + 1, dtype=np.int64)
    yield Case("every activation from -8 to 8", "extreme", through_identity(every, near, near))
    ends = np.concatenate([every[:: max(len(every) // 4096, 1)], extreme_rows(16, bits).ravel()])
    yield Case("widest range", "extreme", through_identity(ends, bits - 11, bits - 11))
    yield Case("saturating results", "extreme", through_identity(ends, near, near + 2))
    yield Case("the function alone, every argument from -5 to 5", "extreme", alone)


def run_layer_norm(
    bench: Bench,
    x: Integers,
    fraction: int,
    out_fraction: int,
    eps: float,
    tail: int = 0,
    shifts: Integers | None = None,
) -> list[Deviation]:
    """LayerNorm of tokens [tokens, features] that have `tail` more fractional bits than an activation's `fraction`.

    `shifts` [features] divide each feature by a power of two. Bound: `references.layer_norm_bound`.
    """
    source = bench.place(RESIDUAL, x.shape[1], fraction)
    destination = bench.place(NORMED, x.shape[1], out_fraction)
    values = bench.load(source, x, tail)
    bench.builder.normalise(source, destination, x.shape[0], eps, shifts)
    bench.store("y", destination, x.shape[0])
    bench.run()
    out = destination.form
    factors = np.exp2(-(np.zeros(x.shape[1]) if shifts is None else shifts.astype(np.float64)))
    wanted = ref.clip(ref.layer_norm(values, eps) * factors, out)
    bound = ref.layer_norm_bound(bench.design, x, source.form, eps, tail) * factors + out.step / 2
    return [compare("y", bench.values("y"), wanted, bound)]


def layer_norm_cases(design: Design) -> Iterator[Case]:
    """Full and odd widths; offsets much larger than the spread; rows without any spread; outliers that saturate."""
    k = design.knobs
    bits = k.activation_bits
    near = bits - 6  # a range of -32 to 32
    low, high = limits(bits)

    def shaped(tokens: int, columns: int, offset: float, spread: float) -> Check:
        tokens, columns = min(tokens, k.max_tokens), min(columns, k.max_dim)

        def check(engine: Engine, rng: np.random.Generator) -> list[Deviation]:
            bench = Bench(engine)
            x = rng.normal(0.0, spread, (tokens, columns)) + offset * rng.standard_normal((tokens, 1))
            return run_layer_norm(bench, quantise(x, bench.form(near)), near, bits - 4, EPS)

        return check

    def finer(engine: Engine, rng: np.random.Generator) -> list[Deviation]:
        bench, tail = Bench(engine), k.residual_tail_bits
        x = rng.normal(0.0, 0.2, (min(k.max_tokens, 21), k.max_dim)) * 2.0**-tail
        return run_layer_norm(bench, quantise(x, bench.form(near + tail)), near, bits - 4, EPS, tail)

    def shifted(engine: Engine, rng: np.random.Generator) -> list[Deviation]:
        bench = Bench(engine)
        x = rng.normal(0.0, 2.0, (min(k.max_tokens, 21), k.max_dim))
        shifts = rng.integers(0, min(5, 1 << (k.weight_bits - 1)), k.max_dim)
        return run_layer_norm(bench, quantise(x, bench.form(near)), near, bits - 4, EPS, shifts=shifts)

    def extreme(columns: int, out_fraction: int) -> Check:
        columns = min(columns, k.max_dim)

        def check(engine: Engine, rng: np.random.Generator) -> list[Deviation]:
            rows = [extreme_rows(columns, bits)]
            rows.append(rng.integers(high - 1, high + 1, (2, columns)))  # hardly any spread far from zero
            rows.append(rng.integers(low, low + 3, (2, columns)))
            rows.append(rng.integers(0, 2, (2, columns)))
            x = np.concatenate(rows)[: k.max_tokens]
            return run_layer_norm(Bench(engine), x, near, out_fraction, EPS)

        return check

    yield Case("all tokens, all features", "random", shaped(k.max_tokens, k.max_dim, 0.5, 2.0))
    yield Case("small values", "random", shaped(3 * k.tokens_parallel + 1, k.max_dim, 0.0, 0.01))
    yield Case("offset larger than spread", "random", shaped(17, 2 * k.in_parallel + 1, 8.0, 0.2))
    for columns in (1, 7, k.in_parallel - 1, k.in_parallel + 3, 2 * k.out_parallel - 1):
        yield Case(f"{columns} features", "random", shaped(k.tokens_parallel + 1, columns, 1.0, 3.0))
    yield Case("features shifted down", "random", shifted)
    if k.residual_tail_bits:
        yield Case("tokens finer than activations", "random", finer)
    yield Case("extreme tokens", "extreme", extreme(k.max_dim, bits - 6))
    yield Case("extreme tokens, saturating", "extreme", extreme(k.max_dim, bits - 2))
    worst = max(range(1, k.max_dim + 1), key=inverse_error)
    yield Case("extreme tokens, width whose inverse is rounded most", "extreme", extreme(worst, bits - 6))


def run_patch_embed(
    bench: Bench, patches: Integers, image_form: Format, position: Values, linear: Linear, out_fraction: int,
    cuts: list[int],
) -> list[Deviation]:  # fmt: skip
    """Patches [tokens, inputs] times weights onto position embeddings, cut into slices of the inputs at `cuts`.

    Bound: the position is rounded to as many bits as the residual has, then to the residual's format; every slice adds
    a `product_bound`.
    """
    tokens = patches.shape[0]
    residual = bench.place(RESIDUAL, linear.weight.shape[0], out_fraction)
    bench.builder.load_constant(position, residual)
    bits = bench.design.knobs.activation_bits + bench.design.knobs.residual_tail_bits
    form = Format(bits, fraction_for(float(np.abs(position).max(initial=0.0)), bits))
    out = residual.form
    fine = ref.residual_form(bench.design, out)
    wanted = ref.clip(position, fine)
    bound = form.step / 2 + fine.step / 2
    for start, stop in zip([0, *cuts], [*cuts, patches.shape[1]], strict=True):
        part, weight_form = exact_linear(Linear(linear.weight[:, start:stop], None), bench.design)
        source = bench.builder.place(HIDDEN, stop - start, image_form)
        values = bench.load_narrow(source, patches[:, start:stop], image_form)
        bench.builder.linear(Weights(part, weight_form), source, residual, tokens, Finish(added_to=out))
        wanted = ref.clip(wanted + ref.clip(values @ part.weight.T, fine), fine)
        bound += ref.product_bound(bench.design, out, added=True)
    bench.store("x", residual, tokens)
    bench.run()
    return [compare("x", bench.values("x"), wanted, bound)]


def patch_embed_cases(design: Design) -> Iterator[Case]:
    """Whole and in uneven slices; the class token's row, whose patch is zero; images that saturate."""
    k = design.knobs
    image_bits = min(16, k.activation_bits)
    near = k.activation_bits - 5
    image_form = Format(image_bits, image_bits - 3)

    def shaped(tokens: int, inputs: int, dim: int, slices: int, extreme: bool = False) -> Check:
        tokens, dim = min(tokens, k.max_tokens), min(dim, k.max_dim)
        most = memory_columns(design, HIDDEN, tokens)
        inputs = min(inputs, slices * (most // 2))

        def check(engine: Engine, rng: np.random.Generator) -> list[Deviation]:
            bench = Bench(engine)
            patches = random_values(rng, tokens, inputs, image_form, 1.0)
            position = rng.normal(0.0, 0.5, (tokens, dim))
            linear, _ = random_linear(rng, design, inputs, dim, bias=False)
            if extreme:
                rows = extreme_rows(inputs, image_bits)
                patches = np.resize(rows, (tokens, inputs))
                position = np.where(np.arange(dim) % 2 == 1, -14.9, 14.9) * np.ones((tokens, 1))
                linear = Linear(np.where(np.arange(dim)[:, None] % 3 == 2, -0.99, 0.99) * np.ones((dim, inputs)), None)
            patches[0] = 0  # the class token
            cuts = sorted({c for c in (inputs * n // slices + n for n in range(1, slices)) if 0 < c < inputs})
            return run_patch_embed(bench, patches, image_form, position, linear, near, cuts)

        return check

    yield Case("all tokens", "random", shaped(k.max_tokens, 256, min(k.max_dim, 5 * k.out_parallel), 1))
    yield Case("three uneven slices", "random", shaped(2 * k.tokens_parallel + 1, 200, k.out_parallel + 3, 3))
    yield Case("one token, one value", "random", shaped(1, 1, 1, 1))
    yield Case("extreme images", "extreme", shaped(21, 3 * k.in_parallel + 1, k.out_parallel + 1, 2, extreme=True))
