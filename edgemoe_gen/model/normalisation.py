"""The usual normalisations of pixels of 0..255 to a network's input, by name.

Nothing in a checkpoint shows its normalisation, so the user must name it. A name gives all three values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgemoe_gen.base.errors import SpecError

Rgb = tuple[float, float, float]
PARTS = ("scale", "mean", "std")
FORMULA = "(pixel * scale - mean) / std"


@dataclass(frozen=True)
class Normalisation:
    """`(pixel * scale - mean) / std` for each channel: red, green, blue.

    Attributes:
        scale: factor of a pixel of 0..255.
        mean, std: after scaling.
        meaning: a few words.
    """

    scale: float
    mean: Rgb
    std: Rgb
    meaning: str

    def as_dict(self) -> dict[str, Any]:
        """Scale, mean and std by name."""
        return {part: getattr(self, part) for part in PARTS}


_ZERO, _ONE, _HALF = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (0.5, 0.5, 0.5)
NORMALISATIONS: Mapping[str, Normalisation] = {
    # Mean and std of torchvision's and timm's ImageNet weights.
    "imagenet": Normalisation(
        1 / 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "pixel / 255, less ImageNet's mean, over its std"
    ),
    # IMAGENET_INCEPTION_MEAN and _STD of timm, which many of its plain ViTs are trained with.
    "symmetric": Normalisation(1 / 255, _HALF, _HALF, "pixel / 255, then from 0..1 to -1..1"),
    "unit": Normalisation(1 / 255, _ZERO, _ONE, "pixel / 255"),
    # The M3ViT-tiny that is published with Edge-MoE takes its Cityscapes frames so.
    "unit256": Normalisation(1 / 256, _ZERO, _ONE, "pixel / 256"),
    "none": Normalisation(1.0, _ZERO, _ONE, "the pixel itself, 0..255"),
}
NAMES = ", ".join(NORMALISATIONS)


def normalisation(name: str) -> Normalisation:
    """One of `NORMALISATIONS`.

    Raises:
        SpecError: there is none of this name.
    """
    if name not in NORMALISATIONS:
        raise SpecError(f'normalise is "{name}", which is unknown.', f"Use one of {NAMES}, or say scale, mean and std.")
    return NORMALISATIONS[name]


def name_of(scale: float, mean: Rgb, std: Rgb) -> str:
    """The name of these values; "" where they have none."""
    return next((name for name, it in NORMALISATIONS.items() if (it.scale, it.mean, it.std) == (scale, mean, std)), "")
