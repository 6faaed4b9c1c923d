"""Where a task's decoder runs: on the engine, on the engine up to its last map, or on the host; and the reason."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edgemoe_gen.hardware.kinds import MOST_CLASSES
from edgemoe_gen.model import Model, ModelSpec
from edgemoe_gen.model.layout import DECODER_CONVOLUTIONS

ENGINE, LOGITS, HOST = "engine", "logits", "host"
PATCH = 16  # pixels of a patch that four doublings give back


@dataclass(frozen=True)
class DecoderPlace:
    """Where a task's decoder runs.

    Attributes:
        where: "engine": all of it; "logits": on the engine up to the map before the last doubling; "host".
        reason: one sentence that says why a part is not on the engine; "" if all of it is.
    """

    where: str
    reason: str = ""


def decoder_place(model: Model, task: str, max_map_width: int, max_map_channels: int) -> DecoderPlace | None:
    """Where a task's decoder runs on a design; None if it has no decoder.

    Args:
        model: the network.
        task: name.
        max_map_width: pixels of a row of the widest map that the design convolves; 0: the design runs no decoders.
        max_map_channels: most channels of a map in the design.
    """
    if task not in model.decoders:
        if "head.weight" not in model.head:
            return None
        return DecoderPlace(HOST, f"{task}: a plain ViT's head is one token's product, which the host computes")
    reason = host_reason(model.spec, _outputs(model, task, 0), max_map_width, max_map_channels)
    if reason:
        return DecoderPlace(HOST, f"{task}: {reason}, so its decoder runs on the host")
    reason = _logits_reason(model, task)
    return DecoderPlace(LOGITS, f"{task}: {reason}") if reason else DecoderPlace(ENGINE)


def decoder_places(
    model: Model, tasks: Iterable[str], max_map_width: int, max_map_channels: int
) -> dict[str, DecoderPlace]:
    """Where each decoder runs, by task."""
    places = {task: decoder_place(model, task, max_map_width, max_map_channels) for task in tasks}
    return {task: place for task, place in places.items() if place is not None}


def doubles_last(model: Model, task: str) -> bool:
    """Whether the engine, where it runs a task's decoder, also doubles the last map."""
    return not _logits_reason(model, task)


def engine_decoders(model: Model, tasks: Iterable[str], max_map_width: int, max_map_channels: int) -> dict[str, bool]:
    """Tasks whose decoders run on the engine, and whether the engine doubles their last map too."""
    places = decoder_places(model, tasks, max_map_width, max_map_channels)
    return {task: place.where == ENGINE for task, place in places.items() if place.where != HOST}


def host_reason(spec: ModelSpec, channels: int, max_map_width: int, max_map_channels: int) -> str:
    """The reason why a decoder with this many channels cannot run on the engine at all; "" if it can."""
    widest = map_width(spec)
    if spec.align_corners:
        return "align_corners is true, but the engine doubles maps without aligned corners only"
    if max_map_width == 0:
        return "the design has max_map_width 0"
    if widest > max_map_width:
        return f"its last map is {widest} pixels wide, but the design's max_map_width is {max_map_width}"
    if channels > max_map_channels:
        return f"its maps have {channels} channels, but the design's max_map_channels is {max_map_channels}"
    return ""


def map_width(spec: ModelSpec) -> int:
    """Pixels of a row of the widest map that a network's decoder convolves."""
    return spec.grid[1] * PATCH // 2


def _logits_reason(model: Model, task: str) -> str:
    """The reason why a decoder leaves the engine before its last doubling; "" if it does not."""
    spec = model.spec
    rows, columns = spec.grid
    classes = _outputs(model, task, DECODER_CONVOLUTIONS - 1)
    if spec.patch != PATCH:
        return (
            f"four doublings of {rows} × {columns} patches give {PATCH * rows} × {PATCH * columns} pixels, but the "
            f"picture has {spec.image.height} × {spec.image.width}, so the host resizes its last map"
        )
    if classes > MOST_CLASSES:
        return f"a class leaves the engine as a byte, but it has {classes}, so the host finds each pixel's largest"
    return ""


def _outputs(model: Model, task: str, convolution: int) -> int:
    return int(model.decoders[task][f"conv_{convolution}.weight"].shape[0])
