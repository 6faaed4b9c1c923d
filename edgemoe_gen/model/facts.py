"""Facts that the tensors of a checkpoint alone show: sizes, blocks, experts, gates, positions.

In: a `Checkpoint`. Out: `Facts`, which `infer` completes with the user's options.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from edgemoe_gen.base.errors import CheckpointError
from edgemoe_gen.model.checkpoint import Checkpoint
from edgemoe_gen.model.positions import read_prefix
from edgemoe_gen.model.safe import Array
from edgemoe_gen.model.spec import BlockSpec, RouterKind

_BLOCK = re.compile(r"blocks\.([0-9]{1,6})\.")
_GATE = re.compile(r"blocks\.([0-9]{1,6})\.mlp\.gate\.(?:([0-9]{1,6})\.)?w_gate")


class Facts:
    """Facts that the tensors alone show."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        self.path = checkpoint.path
        tensors = checkpoint.backbone
        weight = tensor(self.path, tensors, "patch_embed.proj.weight", 4)
        self.dim, channels, self.patch, across = weight.shape
        if channels != 3 or self.patch != across:
            raise CheckpointError(
                f"{self.path}: tensor patch_embed.proj.weight has the shape {list(weight.shape)}, which is not that of "
                "square patches of three channels.",
                "Use a model of square RGB patches.",
            )
        if "pos_embed" not in tensors:
            raise CheckpointError(
                f"{self.path}: tensor pos_embed is missing: a network with other positions (rotary, relative) is "
                "not supported.",
                "Use a network with learned positions; fixed ones can be saved as the tensor pos_embed.",
            )
        self.positions = int(tensor(self.path, tensors, "pos_embed", 3).shape[1])
        self.prefix = read_prefix(self.path, tensors)
        indices = {int(match.group(1)) for name in tensors if (match := _BLOCK.match(name))}
        gap = next((place for place, index in enumerate(sorted(indices)) if place != index), None)
        if gap is not None:
            raise CheckpointError(
                f"{self.path}: tensor blocks.{gap}.norm1.weight is missing.", "Use a complete checkpoint."
            )
        self.blocks = tuple(_block(self.path, tensors, index) for index in sorted(indices))
        self.experts = tuple(block.experts for block in self.blocks if block.experts)
        self.gates: dict[int, set[str | None]] = {}
        for name in tensors:
            if match := _GATE.fullmatch(name):
                self.gates.setdefault(int(match.group(1)), set()).add(match.group(2))
        self.kind = self._kind()
        self.noise = any(name.endswith(".w_noise") for name in tensors)

    def _kind(self) -> RouterKind:
        if not self.experts:
            return "none"
        moe = [block.index for block in self.blocks if block.experts]
        for index in moe:
            if index not in self.gates:
                raise CheckpointError(
                    f"{self.path}: tensor blocks.{index}.mlp.gate.w_gate is missing, and so are gates by task.",
                    "Use a complete checkpoint of one model.",
                )
            if self.gates[index] != self.gates[moe[0]]:
                raise CheckpointError(
                    f"{self.path}: blocks.{index}.mlp.gate has other gates than blocks.{moe[0]}.mlp.gate.",
                    "Use a complete checkpoint of one model.",
                )
        self.gate_count = len(self.gates[moe[0]])
        if None not in self.gates[moe[0]]:
            return "multi"
        first = tensor(self.path, self.checkpoint.backbone, f"blocks.{moe[0]}.mlp.gate.w_gate", 2)
        self.features = first.shape[0] - self.dim
        represent = "gate_task_represent.fc1.weight" in self.checkpoint.backbone
        if self.features > 0 and not represent:
            raise CheckpointError(
                f"{self.path}: tensor gate_task_represent.fc1.weight is missing, though blocks.{moe[0]}.mlp.gate."
                f"w_gate has {self.features} rows for a task's feature.",
                "Use a complete checkpoint of one model.",
            )
        return "task_conditioned" if represent else "single"


def tensor(path: Path, tensors: Mapping[str, Array], name: str, ndim: int) -> Array:
    """A tensor on which all facts depend; refused where it is missing or of other dimensions."""
    if name not in tensors:
        raise CheckpointError(f"{path}: tensor {name} is missing.", "Use a complete checkpoint of one model.")
    if tensors[name].ndim != ndim:
        shape = list(tensors[name].shape)
        raise CheckpointError(
            f"{path}: tensor {name} has the shape {shape}, not {ndim} dimensions.", "Use an M3ViT or ViT."
        )
    return tensors[name]


def _block(path: Path, tensors: Mapping[str, Array], index: int) -> BlockSpec:
    prefix = f"blocks.{index}.mlp."
    if any(name.startswith(prefix + "experts.") for name in tensors):
        weight = tensor(path, tensors, prefix + "experts.htoh4.weight", 3)
        experts = _gate_experts(path, tensors, index)
        if experts is not None and experts != weight.shape[0]:
            raise CheckpointError(
                f"{path}: tensor {prefix}experts.htoh4.weight holds {weight.shape[0]} experts, the gate chooses among "
                f"{experts}.",
                "Give the folder with the files of all ranks."
                if weight.shape[0] < experts
                else "Use one model's checkpoint.",
            )
        return BlockSpec(index, int(weight.shape[0]), int(weight.shape[1]))
    hidden = int(tensor(path, tensors, prefix + "fc1.weight", 2).shape[0])
    down = tensors.get(prefix + "fc2.weight")
    if down is not None and down.ndim == 2 and 2 * down.shape[1] == hidden:
        raise CheckpointError(
            f"{path} is a network with gated MLP (tensor {prefix}fc1.weight makes {hidden} values, {prefix}fc2.weight "
            f"reads {down.shape[1]}), which is not supported.",
            "Its hidden values are products of two; use a network with plain MLPs.",
        )
    return BlockSpec(index, 0, hidden)


def _gate_experts(path: Path, tensors: Mapping[str, Array], index: int) -> int | None:
    for name in tensors:
        if (match := _GATE.fullmatch(name)) and int(match.group(1)) == index:
            return int(tensor(path, tensors, name, 2).shape[1])
    return None
