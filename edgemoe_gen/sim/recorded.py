"""Recorded inputs of a few layers of a trained network from one picture, and the kernel cases made of them.

The float reference observes; the tensors are quantised to the network's own formats and run with its own weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.design import Design
from edgemoe_gen.hardware.memories import HIDDEN, NORMED, QUERY, RESIDUAL
from edgemoe_gen.model import Model, Reference, allowed_experts
from edgemoe_gen.numerics.fixed import Format, Integers, quantise
from edgemoe_gen.numerics.formats import Formats
from edgemoe_gen.numerics.lower import LOG2_E, Linear, LoweredBlock, LoweredNetwork
from edgemoe_gen.program.compile import check_capacity, to_patches
from edgemoe_gen.sim.cases_attention import run_attention, run_softmax, softmax_rows_that_fit
from edgemoe_gen.sim.cases_dense import Layer, run_layer_norm, run_linear, run_patch_embed
from edgemoe_gen.sim.cases_experts import OF_EXPERTS, Experts, Gate, run_experts, run_whole_router
from edgemoe_gen.sim.checks import Bench, Case, Deviation
from edgemoe_gen.sim.engine import Engine
from edgemoe_gen.sim.kernel_inputs import memory_columns, rounded_linear

Tensors = Mapping[str, NDArray[np.float32]]
SOFTMAX_ROWS = 16


@dataclass(frozen=True)
class Recorded:
    """Recordings of `record_inputs`.

    Attributes:
        model, network, formats, task: of the recorded run.
        patches: the picture, one row for each token [tokens, patch inputs].
        tensors: the reference's tensors by name, of the chosen blocks.
        blocks: the chosen blocks: the first and last dense one and the first and last one with experts.
    """

    model: Model
    network: LoweredNetwork
    formats: Formats
    task: str
    patches: NDArray[np.float64]
    tensors: Tensors
    blocks: tuple[int, ...]


def record_inputs(
    model: Model, network: LoweredNetwork, formats: Formats, image: NDArray[np.float32], task: str
) -> Recorded:
    """Runs the float reference once.

    Args:
        model: a checked network.
        network: the same, folded.
        formats: its binary points, in the widths of the design that will be checked.
        image: network input [3, height, width].
        task: name of a task.

    Raises:
        ImageError: the image does not fit the model.
        SpecError: there is no such task.
        CheckpointError: PyTorch is not installed.
    """
    blocks = _chosen(network)
    wanted = {"embed"} | {f"blocks.{b}" for b in blocks} | {f"blocks.{b - 1}.output" for b in blocks if b}
    tensors: dict[str, NDArray[np.float32]] = {}

    def observe(name: str, values: NDArray[np.float32]) -> None:
        if name in wanted or name.rsplit(".", 1)[0] in wanted:
            tensors[name] = values

    Reference(model).run(image, task, observe=observe, with_output=False)
    return Recorded(model, network, formats, task, to_patches(image, model.spec), tensors, blocks)


def _chosen(network: LoweredNetwork) -> tuple[int, ...]:
    dense = [block.index for block in network.blocks if not block.routers]
    sparse = [block.index for block in network.blocks if block.routers]
    return tuple(sorted({blocks[place] for blocks in (dense, sparse) if blocks for place in (0, -1)}))


def recorded_cases(kernel: str, design: Design, recorded: Recorded) -> Iterator[Case]:
    """The cases of one kernel.

    Raises:
        CapacityError: the network exceeds what the design holds.
    """
    check_capacity(design, recorded.model.spec)
    if kernel not in RECORDED:
        return
    if kernel == PATCH_EMBED:
        yield Case("picture", "recorded", lambda engine, _: _patch_embed(engine, recorded))
        return
    for index in recorded.blocks:
        layer = _Layer(design, recorded, recorded.network.blocks[index])
        has_experts = bool(layer.block.routers)
        if (kernel in OF_EXPERTS) > has_experts:
            continue
        yield Case(f"block {index}, {recorded.task}", "recorded", partial(_run_layer, layer, kernel))


def _run_layer(layer: _Layer, kernel: str, engine: Engine, _: np.random.Generator) -> list[Deviation]:
    return _OF_BLOCKS[kernel](layer, engine)


def _patch_embed(engine: Engine, recorded: Recorded) -> list[Deviation]:
    bench, spec = Bench(engine), recorded.model.spec
    form = recorded.formats["image"]
    step = memory_columns(engine.design, HIDDEN, spec.tokens)
    cuts = list(range(step, spec.patch_inputs, step))
    patches = quantise(recorded.patches, form)
    fraction = recorded.formats["embed"].fraction
    return run_patch_embed(bench, patches, form, recorded.network.position, recorded.network.patch, fraction, cuts)


class _Layer:
    """One block, with its tensors as integers."""

    def __init__(self, design: Design, recorded: Recorded, block: LoweredBlock) -> None:
        self.design = design
        self.recorded = recorded
        self.formats = recorded.formats
        self.block = block
        self.name = f"blocks.{block.index}"
        self.tokens = recorded.model.spec.tokens

    def tensor(self, name: str) -> NDArray[np.float64]:
        return np.asarray(self.recorded.tensors[f"{self.name}.{name}"], np.float64)

    def integers(self, name: str, form: Format, factor: float = 1.0) -> Integers:
        return quantise(self.tensor(name) * factor, form)

    def form(self, name: str) -> Format:
        return self.formats[f"{self.name}.{name}"]

    def before(self) -> tuple[Integers, Format]:
        """The block's input."""
        index = self.block.index
        name, form = (
            ("embed", "embed") if index == 0 else (f"blocks.{index - 1}.output", f"blocks.{index - 1}.residual")
        )
        return quantise(self.recorded.tensors[name], self.formats[form]), self.formats[form]

    def rounded(self, linear: Linear, name: str) -> tuple[Linear, Format]:
        form = self.form(f"{name}.weight")
        return rounded_linear(linear, form), form

    def softmax(self, engine: Engine) -> list[Deviation]:
        heads = self.tensor("scores")
        rows = min(SOFTMAX_ROWS, softmax_rows_that_fit(self.design, self.tokens), self.tokens)
        found = []
        for head, scores in enumerate(heads):
            form = self.form(f"scores.{head}")
            picked = scores[:: -(-self.tokens // rows)]
            found += run_softmax(Bench(engine), quantise(picked * LOG2_E, form), form.fraction)
        return found

    def gelu(self, engine: Engine) -> list[Deviation]:
        up, form = self._mlp(0)[0]
        layer = Layer(NORMED, HIDDEN, self.form("norm2").fraction, self.form("hidden").fraction, gelu=True)
        return run_linear(Bench(engine), layer, self.integers("norm2", self.form("norm2")), up, form)

    def layer_norm(self, engine: Engine) -> list[Deviation]:
        x, form = self.before()
        eps = self.recorded.model.spec.norm_eps
        return run_layer_norm(Bench(engine), x, form.fraction, self.form("norm1").fraction, eps)

    def linear(self, engine: Engine) -> list[Deviation]:
        found = []
        x = self.integers("norm1", self.form("norm1"))
        for part in ("query", "key", "value"):
            linear, form = self.rounded(getattr(self.block, part), part)
            layer = Layer(NORMED, QUERY, self.form("norm1").fraction, self.form(part).fraction)
            found += run_linear(Bench(engine), layer, x, linear, form)
        if not self.block.routers:
            down, form = self._mlp(0)[1]
            fraction = self.form("residual").fraction
            layer = Layer(HIDDEN, RESIDUAL, self.form("hidden").fraction, fraction, old_fraction=fraction)
            hidden = self.integers("activated", self.form("hidden"))[:, : down.weight.shape[1]]
            old = self.integers("middle", self.form("residual"))
            found += run_linear(Bench(engine), layer, hidden, down, form, old)
        return found

    def attention(self, engine: Engine) -> list[Deviation]:
        factor = LOG2_E / float(np.sqrt(self.recorded.model.spec.head_dim))
        query = self.integers("q", self.form("query"), factor)
        key, value = self.integers("k", self.form("key")), self.integers("v", self.form("value"))
        fractions = [self.form(part).fraction for part in ("query", "key", "value")]
        found = []
        for head in range(len(query)):
            one = slice(head, head + 1)
            all_fractions = (fractions[0], fractions[1], fractions[2], self.form(f"scores.{head}").fraction)
            found += run_attention(Bench(engine), query[one], key[one], value[one], all_fractions)
        return found

    def router(self, engine: Engine) -> list[Deviation]:
        spec = self.recorded.model.spec
        if spec.router.input_ahead:
            x, form = self.before()
        else:
            form = self.form("norm2")
            x = self.integers("norm2", form)
        task = self.recorded.task
        linear, weight_form = self.rounded(self.block.routers[spec.task_index(task)], f"router.{task}")
        fraction = self.form("logits").fraction
        return run_whole_router(Bench(engine), x, form.fraction, linear, weight_form, fraction, self._gate())

    def experts(self, engine: Engine) -> list[Deviation]:
        layers = [self._mlp(expert) for expert in range(len(self.block.mlp))]
        norm2, residual, logits = self.form("norm2"), self.form("residual"), self.form("logits")
        experts = Experts(
            [(up[0], down[0]) for up, down in layers],
            [(up[1], down[1]) for up, down in layers],
            norm2.fraction,
            self.form("hidden").fraction,
            residual.fraction,
        )
        x, old = self.integers("norm2", norm2), self.integers("middle", residual)
        values = self.integers("logits", logits, LOG2_E)
        return run_experts(Bench(engine), x, old, values, logits.fraction, self._gate(), experts)

    def _gate(self) -> Gate:
        router = self.recorded.model.spec.router
        allowed = np.flatnonzero(allowed_experts(self.recorded.model, self.block.index, self.recorded.task))
        experts = range(int(allowed[0]), int(allowed[-1]) + 1)
        assert router.top_k is not None
        return Gate(experts, router.top_k, router.gate_type == "noisy", router.score_threshold)

    def _mlp(self, expert: int) -> tuple[tuple[Linear, Format], tuple[Linear, Format]]:
        """Both layers of an MLP, cut to as many hidden features as the hidden memory holds at once."""
        up, down = self.block.mlp[expert]
        most = memory_columns(self.design, HIDDEN, self.tokens)
        which = f"experts.{expert}." if self.block.routers else ""
        up = Linear(up.weight[:most], None if up.bias is None else up.bias[:most])
        return self.rounded(up, f"{which}fc1"), self.rounded(Linear(down.weight[:, :most], down.bias), f"{which}fc2")


PATCH_EMBED = "patch-embed"
_OF_BLOCKS: Mapping[str, Callable[[_Layer, Engine], list[Deviation]]] = {
    "softmax": _Layer.softmax, "gelu": _Layer.gelu, "layernorm": _Layer.layer_norm, "linear": _Layer.linear,
    "attention": _Layer.attention, "router": _Layer.router, "moe": _Layer.experts,
}  # fmt: skip
RECORDED = frozenset({PATCH_EMBED, *_OF_BLOCKS})  # kernels whose inputs a recording has

__all__ = ["RECORDED", "Recorded", "record_inputs", "recorded_cases"]
