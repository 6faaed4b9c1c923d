"""The model: checkpoint and spec in, checked tensors, float reference and counts out."""

from edgemoe_gen.model.checkpoint import Checkpoint, load_checkpoint
from edgemoe_gen.model.images import load_image
from edgemoe_gen.model.infer import infer_spec, option_name
from edgemoe_gen.model.macs import macs, total, weights
from edgemoe_gen.model.model import Model, allowed_experts, load_model, router_tensors
from edgemoe_gen.model.reference import Reference, ReferenceResult, Routes, decode
from edgemoe_gen.model.spec import (
    PRUNE_THRESHOLD,
    BlockSpec,
    ImageSpec,
    ModelSpec,
    RouterSpec,
    SpecOptions,
    TaskSpec,
    expert_windows,
)
from edgemoe_gen.model.specfile import read_spec_file, spec_to_toml

__all__ = [
    "PRUNE_THRESHOLD",
    "BlockSpec",
    "Checkpoint",
    "ImageSpec",
    "Model",
    "ModelSpec",
    "Reference",
    "ReferenceResult",
    "RouterSpec",
    "Routes",
    "SpecOptions",
    "TaskSpec",
    "allowed_experts",
    "decode",
    "expert_windows",
    "infer_spec",
    "load_checkpoint",
    "load_image",
    "load_model",
    "macs",
    "option_name",
    "read_spec_file",
    "router_tensors",
    "spec_to_toml",
    "total",
    "weights",
]
