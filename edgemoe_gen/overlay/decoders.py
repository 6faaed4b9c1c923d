"""Decoders in an overlay: the decoder of each task, and all their tensors in one archive.

In: the tensors of a model. Out: bytes of `decoders.npz` for the board, or the same decoder ready to run on the host.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from edgemoe_gen.model import Model, ModelSpec
from edgemoe_gen.overlay.driver.decoder import PLAIN_HEAD, UP_HEAD, Decoder, DecoderFacts

ARCHIVE = "decoders.npz"
Tensors = Mapping[str, np.ndarray[Any, Any]]
_DATE = (1980, 1, 1, 0, 0, 0)
_COUNTERS = "num_batches_tracked"  # training's, not needed to decode


def decoder_facts(spec: ModelSpec) -> DecoderFacts:
    """Facts of a network for its decoder."""
    image = spec.image
    size = image.height, image.width
    return DecoderFacts(
        spec.grid, size, spec.class_token, spec.norm_eps, spec.align_corners, spec.extra_tokens
    )  # fmt: skip


def decoder_kind(task: str, names: tuple[str, ...], decoders: Mapping[str, Tensors], head: Tensors) -> tuple[str, str]:
    """Kind of a task's decoder, and prefix of its tensors' names in the archive; ("", "") without one.

    Args:
        task: name.
        names: names of all tasks, in order.
        decoders: tensors by task.
        head: tensors of a plain ViT's head, or {}.
    """
    if task in decoders:
        return UP_HEAD, f"{names.index(task)}."
    return (PLAIN_HEAD, "head/") if "head.weight" in head else ("", "")


def archive(names: tuple[str, ...], decoders: Mapping[str, Tensors], head: Tensors) -> bytes:
    """`decoders.npz`: float32, uncompressed, the same bytes for the same tensors on every machine; b"" without any."""
    tensors: dict[str, np.ndarray[Any, Any]] = {}
    for task in names:
        kind, prefix = decoder_kind(task, names, decoders, head)
        if kind:
            own = decoders[task] if kind == UP_HEAD else head
            tensors |= {prefix + name: values for name, values in own.items() if not name.endswith(_COUNTERS)}
    if not tensors:
        return b""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as file:
        for name in sorted(tensors):
            content = io.BytesIO()
            np.lib.format.write_array(content, np.ascontiguousarray(tensors[name], np.float32), (1, 0), False)
            entry = zipfile.ZipInfo(f"{name}.npy", _DATE)
            entry.create_system = 3  # as the wheel's: Unix, whatever this machine is
            entry.external_attr = 0o100644 << 16
            file.writestr(entry, content.getvalue())
    return stream.getvalue()


def model_decoder(model: Model, task: str) -> Decoder | None:
    """A task's decoder, the one that the board runs; None without one."""
    kind, _ = decoder_kind(task, model.spec.task_names, model.decoders, model.head)
    if not kind:
        return None
    tensors = model.decoders[task] if kind == UP_HEAD else model.head
    facts = decoder_facts(model.spec)
    return Decoder(facts, kind, {name: np.asarray(values, np.float32) for name, values in tensors.items()})
