"""Small random checkpoints of any shape and router, in the layouts that people have: for tests of every sub-package.

`write_checkpoint` writes one in M3ViT's names (or a plain ViT's), `write_spec` the spec file that goes with it,
`options` the same as `SpecOptions`. All take the same sizes, so that a test keeps one dict of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgemoe_gen.model import SpecOptions
from edgemoe_gen.model.normalisation import normalisation

Array = np.ndarray[Any, Any]
TASKS: Mapping[str, int] = {"semseg": 5, "depth": 1}


def make_state(
    *,
    dim: int = 32,
    depth: int = 4,
    experts: int = 4,
    expert_hidden: int | None = None,
    mlp_ratio: float = 4.0,
    image: tuple[int, int] = (32, 64),
    patch: int = 8,
    tasks: Mapping[str, int] = TASKS,
    router: str = "multi",
    gate_type: str = "noisy_vmoe",
    task_features: int = 6,
    decoders: bool = True,
    decoder_width: int = 16,
    head_classes: int | None = None,
    class_token: bool = True,
    registers: int = 0,
    distilled: bool = False,
    positions: str = "all",
    layer_scale: str = "",
    split_bias: bool = False,
    mean_head: bool = False,
    seed: int = 0,
) -> dict[str, Array]:
    """Tensors by name, without wrapper's prefix, float32 (counters int64).

    Args:
        dim, depth, patch, mlp_ratio: as in the spec; blocks with odd index have experts unless `router` is "none".
        experts, expert_hidden: experts a block, their hidden size (default: twice `dim`).
        image: height, width.
        tasks: output channels by name, in order.
        router: "none", "single", "multi" or "task_conditioned".
        gate_type: "noisy" adds w_noise tensors.
        task_features: width of a task's feature ("task_conditioned").
        decoders: write a decoder a task, `decoder_width` channels wide.
        head_classes: write a plain ViT instead: no `backbone.` prefix, no decoders, norm and head of so many classes.
        class_token: False leaves it out.
        registers: register tokens behind the class token (`reg_token`).
        distilled: a second token and, of a plain ViT, a second head, as of a distilled DeiT.
        positions: which tokens have one: "all", "patches", or "class" (it and the patches).
        layer_scale: scale each residual branch: "gamma" for BEiT's names, "ls" for timm's, "" for none.
        split_bias: biases of q and v by themselves and none of k, as of BEiT.
        mean_head: the norm before a plain ViT's head is `fc_norm`, of the mean of the patches.
        seed: of all random numbers.
    """
    rng = np.random.default_rng(seed)

    def normal(*shape: int, fan_in: int | None = None, scale: float = 1.0) -> Array:
        spread = scale / np.sqrt(fan_in or shape[-1])
        return (rng.standard_normal(shape) * spread).astype(np.float32)

    def affine(name: str, size: int) -> dict[str, Array]:
        weight = (1 + 0.2 * rng.standard_normal(size)).astype(np.float32)
        return {f"{name}.weight": weight, f"{name}.bias": normal(size, fan_in=1, scale=0.2)}

    def linear(name: str, outputs: int, inputs: int) -> dict[str, Array]:
        return {
            f"{name}.weight": normal(outputs, inputs),
            f"{name}.bias": normal(outputs, fan_in=1, scale=0.1),
        }

    extra = registers + int(distilled)
    tokens = (image[0] // patch) * (image[1] // patch)
    tokens += {"all": int(class_token) + extra, "class": int(class_token), "patches": 0}[positions]
    body: dict[str, Array] = {"cls_token": normal(1, 1, dim, fan_in=1)} if class_token else {}
    for name, count in (("reg_token", registers), ("dist_token", int(distilled))):
        if count:
            body[name] = normal(1, count, dim, fan_in=1)
    body["pos_embed"] = normal(1, tokens, dim, fan_in=1, scale=0.5)
    body["patch_embed.proj.weight"] = normal(dim, 3, patch, patch, fan_in=3 * patch * patch, scale=4.0)
    body["patch_embed.proj.bias"] = normal(dim, fan_in=1, scale=0.1)
    if router == "task_conditioned":
        body |= linear("gate_task_represent.fc1", task_features, len(tasks))
        body |= linear("gate_task_represent.fc2", task_features, task_features)
        body |= affine("gate_task_represent.norm", task_features)
    hidden = int(dim * mlp_ratio)
    wide = expert_hidden or 2 * dim
    for i in range(depth):
        name = f"blocks.{i}"
        body |= affine(f"{name}.norm1", dim)
        body |= linear(f"{name}.attn.qkv", 3 * dim, dim)
        if split_bias:
            bias = body.pop(f"{name}.attn.qkv.bias")
            body |= {f"{name}.attn.q_bias": bias[:dim], f"{name}.attn.v_bias": bias[2 * dim :]}
        for place in ("1", "2") if layer_scale else ():
            scale = f"gamma_{place}" if layer_scale == "gamma" else f"ls{place}.gamma"
            body[f"{name}.{scale}"] = normal(dim, fan_in=1, scale=0.6)
        body |= linear(f"{name}.attn.proj", dim, dim)
        body |= affine(f"{name}.norm2", dim)
        if router == "none" or i % 2 == 0:
            body |= linear(f"{name}.mlp.fc1", hidden, dim) | linear(f"{name}.mlp.fc2", dim, hidden)
            continue
        gates = [f"gate.{t}" for t in range(len(tasks))] if router == "multi" else ["gate"]
        rows = dim + (task_features if router == "task_conditioned" else 0)
        for gate in gates:
            body[f"{name}.mlp.{gate}.w_gate"] = normal(rows, experts, fan_in=rows, scale=2.0)
            if gate_type == "noisy":
                body[f"{name}.mlp.{gate}.w_noise"] = normal(rows, experts, fan_in=rows)
        body[f"{name}.mlp.experts.htoh4.weight"] = normal(experts, wide, dim)
        body[f"{name}.mlp.experts.htoh4.bias"] = normal(experts, wide, fan_in=1, scale=0.1)
        body[f"{name}.mlp.experts.h4toh.weight"] = normal(experts, dim, wide)
        body[f"{name}.mlp.experts.h4toh.bias"] = normal(experts, dim, fan_in=1, scale=0.1)
    if head_classes is not None:
        body |= affine("fc_norm" if mean_head else "norm", dim) | linear("head", head_classes, dim)
        return body | (linear("head_dist", head_classes, dim) if distilled else {})
    state = {f"backbone.{name}": values for name, values in body.items()}
    for task, classes in tasks.items() if decoders else ():
        state |= {f"decoders.{task}.{k}": v for k, v in _decoder(rng, dim, decoder_width, classes).items()}
    return state


def _decoder(rng: np.random.Generator, dim: int, width: int, classes: int) -> dict[str, Array]:
    def random(*shape: int, scale: float) -> Array:
        return (rng.standard_normal(shape) * scale).astype(np.float32)

    state = {"norm.weight": 1 + random(dim, scale=0.2), "norm.bias": random(dim, scale=0.2)}
    for i in range(5):
        inputs, outputs, size = (dim if i == 0 else width), (classes if i == 4 else width), (1 if i == 4 else 3)
        state[f"conv_{i}.weight"] = random(outputs, inputs, size, size, scale=(2 / (inputs * size * size)) ** 0.5)
        state[f"conv_{i}.bias"] = random(outputs, scale=0.1)
        if i < 4:
            name = f"syncbn_fc_{i}"
            state[f"{name}.weight"] = 1 + random(outputs, scale=0.2)
            state[f"{name}.bias"] = random(outputs, scale=0.2)
            state[f"{name}.running_mean"] = random(outputs, scale=0.3)
            state[f"{name}.running_var"] = (0.5 + rng.random(outputs)).astype(np.float32)
            state[f"{name}.num_batches_tracked"] = np.array(7, np.int64)
    return state


def save_state(
    path: Path,
    state: Mapping[str, Array],
    *,
    shards: int = 0,
    prefix: str = "module.",
    dtype: str = "float32",
    wrap: str | None = "state_dict",
    legacy: bool = False,
) -> Path:
    """Write tensors as a checkpoint.

    Args:
        path: file, folder (with `shards`), or a name ending in .safetensors.
        state: as of `make_state`.
        shards: write a folder 0.pth ... with the experts split over so many ranks; 0 = one file.
        prefix: put before every name.
        dtype: "float32", "float16", "bfloat16" or "float64".
        wrap: key under which the tensors stand beside the training's other values; None = a bare state dict.
        legacy: PyTorch's file format before 1.6, not a zip.
    """
    import torch

    kind = getattr(torch, dtype)
    tensors = {prefix + name: torch.from_numpy(np.array(values)) for name, values in state.items()}
    tensors = {name: t.to(kind) if t.is_floating_point() else t for name, t in tensors.items()}
    if path.suffix == ".safetensors":
        from safetensors.torch import save_file

        save_file(tensors, path)
        return path

    def save(part: Mapping[str, torch.Tensor], file: Path) -> None:
        beside = {"epoch": 3, "best_result": {"score": np.float64(1.5)}, "optimizer": {"state": {}, "param_groups": []}}
        content = {**beside, wrap: dict(part)} if wrap else dict(part)
        torch.save(content, file, _use_new_zipfile_serialization=not legacy)

    if not shards:
        save(tensors, path)
        return path
    path.mkdir(parents=True)
    for rank in range(shards):
        part = {}
        for name, tensor in tensors.items():
            if ".mlp.experts." in name:
                per_rank = len(tensor) // shards
                part[name] = tensor[rank * per_rank : (rank + 1) * per_rank].clone()
            elif rank == 0:
                part[name] = tensor
        save(part, path / f"{rank}.pth")
    return path


def write_checkpoint(
    path: Path,
    *,
    shards: int = 0,
    prefix: str = "module.",
    dtype: str = "float32",
    wrap: str | None = "state_dict",
    legacy: bool = False,
    heads: int = 2,  # noqa: ARG001  not in a file; one dict of sizes serves all functions
    top_k: int = 2,  # noqa: ARG001
    **sizes: Any,
) -> Path:
    """A random checkpoint: `save_state` of `make_state(**sizes)`; see there. Returns `path`."""
    return save_state(path, make_state(**sizes), shards=shards, prefix=prefix, dtype=dtype, wrap=wrap, legacy=legacy)


def options(
    *, heads: int = 2, top_k: int = 2, image: tuple[int, int] = (32, 64), router: str = "multi", **other: Any
) -> SpecOptions:
    """What a user must say of such a checkpoint; `other` fields of `SpecOptions` go through, others do not."""
    said = {**normalisation("unit256").as_dict(), **{key: value for key, value in other.items() if key in _SAID}}
    k = None if router == "none" else top_k
    return SpecOptions(heads=heads, image_height=image[0], image_width=image[1], top_k=k, **said)


_SAID = ("input_ahead", "expert_prune", "experts_per_task", "align_corners", "scale", "mean", "std", "resize")


def write_spec(
    path: Path, *, heads: int = 2, top_k: int = 2, image: tuple[int, int] = (32, 64), router: str = "multi", **_: Any
) -> Path:
    """The spec file (.toml) that says what such a checkpoint does not."""
    lines = ["[model]", f"heads = {heads}"] + ([] if router == "none" else [f"top_k = {top_k}"])
    lines += ["[model.image]", f"height = {image[0]}", f"width = {image[1]}", 'normalise = "unit256"']
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
