"""Names and shapes of the tensors that a network has, and the check of a checkpoint against them.

The names are those of M3ViT's models/vision_transformer_moe.py, models/custom_moe_layer.py and models/vit_up_head.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from edgemoe_gen.base.errors import CheckpointError
from edgemoe_gen.base.names import shown
from edgemoe_gen.model.safe import Array
from edgemoe_gen.model.spec import BlockSpec, ModelSpec

Shapes = dict[str, tuple[int, ...]]

DECODER_CONVOLUTIONS = 5  # the last one is 1x1, the others 3x3 with a batch norm each
BATCH_NORM_EPS = 1e-5  # PyTorch's and mmcv's default, which the authors keep

_AFFINE = r"\.(weight|bias)"
# Names of a backbone as a checkpoint has them, once features are folded.
PLAIN = re.compile(
    r"cls_token|dist_token|reg_token|pos_embed|patch_embed\.proj" + _AFFINE + r"|gate_task_represent\.(fc1|fc2|norm)"
    + _AFFINE + r"|blocks\.\d{1,6}\.((norm[12]|attn\.(qkv|proj)|mlp\.fc[12]|mlp\.experts\.(htoh4|h4toh))" + _AFFINE
    + r"|mlp\.gate\.(\d{1,6}\.)?(w_gate|w_noise))"
)  # fmt: skip


def gate_name(spec: ModelSpec, block: int, task: int) -> str:
    """Name of the gate's matrix that a task uses in a block."""
    return (
        f"blocks.{block}.mlp.gate.{task}.w_gate" if spec.router.kind == "multi" else f"blocks.{block}.mlp.gate.w_gate"
    )


def backbone_shapes(spec: ModelSpec) -> Shapes:
    """Shape of every tensor of the backbone by name."""
    dim = spec.dim
    shapes: Shapes = {"cls_token": (1, 1, dim)} if spec.class_token else {}
    if spec.extra_tokens:
        shapes["extra_tokens"] = (1, spec.extra_tokens, dim)
    shapes |= {
        "pos_embed": (1, spec.tokens, dim),
        "patch_embed.proj.weight": (dim, 3, spec.patch, spec.patch),
        "patch_embed.proj.bias": (dim,),
    }
    if spec.router.kind == "task_conditioned":
        shapes |= _task_represent_shapes(spec, spec.router.task_features)
    for block in spec.blocks:
        shapes |= {f"blocks.{block.index}.{name}": shape for name, shape in _block_shapes(spec, block).items()}
    return shapes


def _task_represent_shapes(spec: ModelSpec, features: int) -> Shapes:
    return {
        "gate_task_represent.fc1.weight": (features, spec.router.task_inputs),
        "gate_task_represent.fc1.bias": (features,),
        "gate_task_represent.fc2.weight": (features, features),
        "gate_task_represent.fc2.bias": (features,),
        "gate_task_represent.norm.weight": (features,),
        "gate_task_represent.norm.bias": (features,),
    }


def _block_shapes(spec: ModelSpec, block: BlockSpec) -> Shapes:
    dim, experts, hidden = spec.dim, block.experts, block.hidden
    shapes: Shapes = {f"{norm}.{part}": (dim,) for norm in ("norm1", "norm2") for part in ("weight", "bias")}
    shapes |= {
        "attn.qkv.weight": (3 * dim, dim),
        "attn.qkv.bias": (3 * dim,),
        "attn.proj.weight": (dim, dim),
        "attn.proj.bias": (dim,),
    }
    if not experts:
        return shapes | {
            "mlp.fc1.weight": (hidden, dim),
            "mlp.fc1.bias": (hidden,),
            "mlp.fc2.weight": (dim, hidden),
            "mlp.fc2.bias": (dim,),
        }
    gates = range(len(spec.tasks)) if spec.router.kind == "multi" else range(1)
    prefix = f"blocks.{block.index}."
    shapes |= {
        gate_name(spec, block.index, task).removeprefix(prefix): (dim + spec.router.task_features, experts)
        for task in gates
    }
    return shapes | {
        "mlp.experts.htoh4.weight": (experts, hidden, dim),
        "mlp.experts.htoh4.bias": (experts, hidden),
        "mlp.experts.h4toh.weight": (experts, dim, hidden),
        "mlp.experts.h4toh.bias": (experts, dim),
    }


def decoder_convolutions(tensors: Iterable[str]) -> int:
    """Number of a decoder's convolutions by the names of its tensors; M3ViT's decoders have `DECODER_CONVOLUTIONS`."""
    return sum(name.startswith("conv_") and name.endswith(".weight") for name in tensors)


def decoder_shapes(dim: int, tensors: Mapping[str, Array]) -> Shapes:
    """Shapes of a decoder whose width and classes are read from its tensors."""
    first, classes = tensors.get("conv_0.weight"), tensors.get(f"conv_{DECODER_CONVOLUTIONS - 1}.weight")
    width = first.shape[0] if first is not None and first.ndim == 4 else 256
    outputs = classes.shape[0] if classes is not None and classes.ndim == 4 else 1
    return up_head_shapes(dim, width, outputs)


def up_head_shapes(dim: int, width: int, outputs: int, convolutions: int = DECODER_CONVOLUTIONS) -> Shapes:
    """Shapes of a `VisionTransformerUpHead`, by default with four upsampling steps."""
    last = convolutions - 1
    shapes: Shapes = {"norm.weight": (dim,), "norm.bias": (dim,)}
    for i in range(last):
        shapes[f"conv_{i}.weight"] = (width, width if i else dim, 3, 3)
        shapes[f"conv_{i}.bias"] = (width,)
        shapes |= {f"syncbn_fc_{i}.{part}": (width,) for part in ("weight", "bias", "running_mean", "running_var")}
    return shapes | {f"conv_{last}.weight": (outputs, width, 1, 1), f"conv_{last}.bias": (outputs,)}


def head_shapes(dim: int, tensors: Mapping[str, Array]) -> Shapes:
    """Shapes of a plain ViT's last norm and of its classifiers, if it has them; {} without both.

    The norm is `norm`, or `fc_norm` where it follows the mean of the patches; a distilled network has two classifiers.
    """
    if not tensors:
        return {}
    norm = "fc_norm" if any(name.startswith("fc_norm.") for name in tensors) else "norm"
    shapes: Shapes = {f"{norm}.weight": (dim,), f"{norm}.bias": (dim,)}
    for head in ("head", "head_dist"):
        if any(name.startswith(f"{head}.") for name in tensors):
            weight = tensors.get("head.weight")
            classes = weight.shape[0] if weight is not None and weight.ndim == 2 else 1
            shapes |= {"head.weight": (classes, dim), "head.bias": (classes,)}
            shapes |= {f"{head}.weight": (classes, dim), f"{head}.bias": (classes,)}
    return shapes


def check_tensors(path: Path, where: str, tensors: Mapping[str, Array], shapes: Shapes) -> None:
    """Refuse missing and unexpected tensors and wrong shapes.

    Args:
        path: file to name.
        where: prefix of the names in messages, e.g. "decoders.depth.".
        tensors: tensors of the file.
        shapes: shapes that the network needs.
    """
    for name, shape in shapes.items():
        if name not in tensors:
            raise CheckpointError(
                f"{path}: tensor {where}{name} is missing.", "Use a complete checkpoint of one model."
            )
        if tensors[name].shape != shape:
            raise CheckpointError(
                f"{path}: tensor {where}{name} has the shape {list(tensors[name].shape)}, the model needs "
                f"{list(shape)}.",
                "Use a complete checkpoint of one model.",
            )
    extra = [where + name for name in tensors if name not in shapes]
    if extra:
        raise unknown(path, extra)


def unknown(path: Path, names: Sequence[str], where: str = "") -> CheckpointError:
    """The error about unknown tensors; `where` tells their place."""
    more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
    return CheckpointError(
        f"{path}: tensor {shown(names[0])}{more} is unexpected{f' {where}' if where else ''}; if it takes part in "
        "inference, the network would be wrong without it.",
        f"If it plays no part in inference, say so: --ignore {shown(names[0])} (* stands for any text); else this "
        "network is not supported.",
    )
