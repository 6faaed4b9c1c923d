"""Folds features into a plain network's tensors where the result is exact; all arithmetic in float64.

In: tensors of a network under the names below its backbone. Out: the same function under the plain names, and a
sentence for each feature. `positions` handles tokens before the patches, which depend on the image's size.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from edgemoe_gen.base.errors import CheckpointError
from edgemoe_gen.base.names import shown
from edgemoe_gen.model.features import find_features
from edgemoe_gen.model.safe import Array

REGISTERS, DISTILLATION = "reg_token", "dist_token"

_SCALE = re.compile(r"(blocks\.\d+\.)(?:gamma_([12])|ls([12])\.gamma)")
_EXPERT = re.compile(r"(blocks\.\d+\.mlp\.experts\.)(\d{1,6})\.(.+)")
_QKV = re.compile(r"(blocks\.\d+\.attn\.)[qkv]_bias")


def fold(path: Path, tensors: Mapping[str, Array]) -> tuple[dict[str, Array], tuple[str, ...]]:
    """Tensors under the plain names, and the treatment of each feature.

    Raises:
        CheckpointError: a feature is incomplete, or its tensor does not fit its layer.
    """
    rows = find_features(tensors).of("folded")
    result = {REGISTERS if name == "register_tokens" else name: values for name, values in tensors.items()}
    if len(result) != len(tensors):
        raise CheckpointError(f"{path} holds registers under two names.", "Save one state dict a file.")
    result = _join_experts(path, result)
    _join_biases(path, result)
    _fold_scales(path, result)
    return result, tuple(f"{row.title}: {row.why}" for row in rows)


def _join_experts(path: Path, tensors: dict[str, Array]) -> dict[str, Array]:
    """Experts with separate tensors, as one tensor of all."""
    parts: dict[str, dict[int, Array]] = {}
    result: dict[str, Array] = {}
    for name, values in tensors.items():
        if match := _EXPERT.fullmatch(name):
            joined = match.group(1) + match.group(3)
            parts.setdefault(joined, {})[int(match.group(2))] = values
            result.setdefault(joined, values)
        else:
            result[name] = values
    for name, experts in parts.items():
        prefix, rest = name.split(".experts.")
        for index in range(max(experts) + 1):
            if index not in experts:
                raise CheckpointError(
                    f"{path}: tensor {shown(f'{prefix}.experts.{index}.{rest}')} is missing between the experts.",
                    "Use a complete checkpoint of one model.",
                )
            if experts[index].shape != experts[0].shape:
                raise _misshapen(path, f"{prefix}.experts.{index}.{rest}", experts[index], experts[0].shape)
        if name in tensors:
            raise CheckpointError(
                f"{path}: tensor {shown(name)} is there for all experts and for each of them.",
                "Save one state dict a file.",
            )
        result[name] = np.stack([experts[index] for index in range(len(experts))])
    return result


def _join_biases(path: Path, tensors: dict[str, Array]) -> None:
    """`q_bias`, `k_bias` and `v_bias` as one bias of qkv; a missing bias is zero, as BEiT's keys have none."""
    for prefix in dict.fromkeys(match.group(1) for name in tensors if (match := _QKV.fullmatch(name))):
        own = {part: tensors.pop(f"{prefix}{part}_bias", None) for part in "qkv"}
        first = next(values for values in own.values() if values is not None)
        for part, values in own.items():
            if values is not None and (values.ndim != 1 or values.shape != first.shape):
                raise _misshapen(path, f"{prefix}{part}_bias", values, first.shape[:1])
        if f"{prefix}qkv.bias" in tensors:
            raise CheckpointError(
                f"{path}: {prefix}qkv.bias and {prefix}q_bias are both there.", "Save one state dict a file."
            )
        zero = np.zeros_like(first)
        tensors[f"{prefix}qkv.bias"] = np.concatenate([zero if own[part] is None else own[part] for part in "qkv"])


def _fold_scales(path: Path, tensors: dict[str, Array]) -> None:
    """LayerScale: gamma * (W x + b) = (gamma W) x + gamma b, of every expert where there are experts."""
    for name in [name for name in tensors if _SCALE.fullmatch(name)]:
        match = _SCALE.fullmatch(name)
        assert match is not None
        block, place = match.group(1), match.group(2) or match.group(3)
        gamma = tensors.pop(name)
        layer = f"{block}attn.proj" if place == "1" else f"{block}mlp.fc2"
        if place == "2" and f"{block}mlp.experts.h4toh.weight" in tensors:
            layer = f"{block}mlp.experts.h4toh"
        weight, bias = tensors.get(f"{layer}.weight"), tensors.get(f"{layer}.bias")
        if weight is None:
            raise CheckpointError(
                f"{path}: tensor {layer}.weight is missing, which {shown(name)} scales.",
                "Use a complete checkpoint of one model.",
            )
        if weight.ndim < 2 or gamma.shape != weight.shape[-2:-1]:
            raise _misshapen(path, name, gamma, weight.shape[-2:-1])
        exact = gamma.astype(np.float64)
        tensors[f"{layer}.weight"] = _rounded(path, name, weight.astype(np.float64) * exact[:, None])
        if bias is not None and bias.shape[-1:] == gamma.shape:
            tensors[f"{layer}.bias"] = _rounded(path, name, bias.astype(np.float64) * exact)


def _rounded(path: Path, name: str, values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Array:
    with np.errstate(over="ignore"):
        result = values.astype(np.float32)
    if not np.isfinite(result).all():
        raise CheckpointError(
            f"{path}: what tensor {shown(name)} scales leaves the range of float32.", "Use weights that have converged."
        )
    return result


def _misshapen(path: Path, name: str, values: Array, wanted: tuple[int, ...]) -> CheckpointError:
    return CheckpointError(
        f"{path}: tensor {shown(name)} has the shape {list(values.shape)}, the model needs {list(wanted)}.",
        "Use a complete checkpoint of one model.",
    )
