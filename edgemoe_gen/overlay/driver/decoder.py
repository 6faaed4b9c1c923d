"""From a network's final tokens to its task's map or classes, in NumPy and float32.

In: tokens, and the tensors of a task's decoder (M3ViT's `VisionTransformerUpHead`) or of a plain ViT's head. Out: the
result of PyTorch, except for rounding. `edgemoe-gen run --backend csim` decodes with this module too, so a board
without faults gives the same bits.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .bilinear import Bilinear
from .errors import OverlayError

CONVOLUTIONS = 5  # four of 3x3 with batch norm and ReLU, the last 1x1
BATCH_NORM_EPS = 1e-5  # PyTorch's and mmcv's default, which the authors keep
STRIP_BYTES = 4 << 20  # of patches that are multiplied at once; fits a board's second-level cache in part
UP_HEAD, PLAIN_HEAD = "up_head", "head"


@dataclass(frozen=True)
class DecoderFacts:
    """Facts of a network for its decoder.

    Attributes:
        grid: patches down and across.
        image: height and width in pixels.
        class_token: whether token 0 is a class token.
        norm_eps: epsilon of the layer norm.
        align_corners: whether the decoder's own doublings align corners; the last resize to the image never does.
        extra_tokens: tokens between the class token and the patches.
    """

    grid: tuple[int, int]
    image: tuple[int, int]
    class_token: bool
    norm_eps: float
    align_corners: bool
    extra_tokens: int = 0

    @property
    def prefix_tokens(self) -> int:
        """Tokens before those of the patches."""
        return int(self.class_token) + self.extra_tokens


class Decoder:
    """The decoder of one task, ready to run: batch norms are folded into the convolutions, in float64.

    Each thread keeps a set of scratch memory from frame to frame.

    Args:
        facts: facts of the network.
        kind: "up_head" or "head".
        tensors: float32 by the names in the checkpoint below `decoders.<task>.`, or a plain ViT's `norm.*` (`fc_norm.*`
            where it follows the mean of the patches), `head.*`, and `head_dist.*` of a second token's classifier.

    Raises:
        OverlayError: a tensor is missing.
    """

    def __init__(self, facts: DecoderFacts, kind: str, tensors: Mapping[str, Any]) -> None:
        self.facts = facts
        self.kind = kind
        self._scratch = threading.local()
        try:
            self._mean_first = kind == PLAIN_HEAD and "fc_norm.weight" in tensors
            norm = "fc_norm" if self._mean_first else "norm"
            self._norm = (_float32(tensors[f"{norm}.weight"]), _float32(tensors[f"{norm}.bias"]))
            if kind == PLAIN_HEAD:
                self._heads = [
                    (_float32(tensors[f"{name}.weight"]).T.copy(), _float32(tensors[f"{name}.bias"]))
                    for name in ("head", "head_dist")
                    if name == "head" or f"{name}.weight" in tensors
                ]
            else:
                self._layers = [_convolution(tensors, i) for i in range(CONVOLUTIONS)]
        except KeyError as error:
            raise OverlayError(f"the decoder has no tensor {error}", "build the overlay again") from error
        self._resize = Bilinear()

    def __call__(self, tokens: Any) -> Any:
        """The task's result.

        Args:
            tokens: float32 [tokens, dim], the last block's output.

        Returns:
            float32 [classes, height, width] of a decoder, [classes] of a plain ViT's head.
        """
        facts = self.facts
        x = np.asarray(tokens, np.float32)
        if self._mean_first:
            x = x[facts.prefix_tokens :].mean(axis=0, keepdims=True, dtype=np.float32)
        x = layer_norm(x, *self._norm, facts.norm_eps)
        if self.kind == PLAIN_HEAD:
            return self._classify(x)
        x = x[facts.prefix_tokens :].reshape(*facts.grid, -1)
        last = CONVOLUTIONS - 1
        for place, (weight, bias) in enumerate(self._layers[:last]):
            x = self._convolve(x, weight, bias)
            np.maximum(x, 0, out=x)
            if place < last - 1:
                x = self._double(x)
        weight, bias = self._layers[last]
        x = self._double(x @ weight + bias)
        x = self._resize(x, facts.image, False)
        return np.ascontiguousarray(x.transpose(2, 0, 1))

    def _classify(self, x: Any) -> Any:
        """Scores of classes from tokens after their norm; with two classifiers, the mean of both."""
        if self._mean_first or self.facts.class_token:
            scores = [x[place] @ weight + bias for place, (weight, bias) in enumerate(self._heads)]
            return scores[0] if len(scores) == 1 else (scores[0] + scores[1]) / np.float32(2)
        weight, bias = self._heads[0]
        return x[self.facts.prefix_tokens :].mean(axis=0, dtype=np.float32) @ weight + bias

    def _convolve(self, x: Any, weight: Any, bias: Any) -> Any:
        """3x3 convolution with zero padding: patches side by side, as many rows at once as fit the scratch memory."""
        height, width, channels = x.shape
        padded = self._buffer("padded", (height + 2, width + 2, channels))
        padded[0] = padded[-1] = 0
        padded[:, 0] = padded[:, -1] = 0
        padded[1:-1, 1:-1] = x
        out = np.empty((height, width, weight.shape[1]), np.float32)
        strip = max(1, min(height, STRIP_BYTES // (width * 9 * channels * 4)))
        for first in range(0, height, strip):
            rows = min(strip, height - first)
            patches = self._buffer("patches", (rows, width, 9, channels))
            for tap in range(9):
                down, across = divmod(tap, 3)
                patches[:, :, tap] = padded[first + down : first + down + rows, across : across + width]
            target = out[first : first + rows].reshape(rows * width, -1)
            np.matmul(patches.reshape(rows * width, -1), weight, out=target)
        out += bias
        return out

    def _double(self, x: Any) -> Any:
        return self._resize(x, (2 * x.shape[0], 2 * x.shape[1]), self.facts.align_corners)

    def _buffer(self, name: str, shape: tuple[int, ...]) -> Any:
        """Scratch memory of this thread."""
        size = int(np.prod(shape))
        kept = getattr(self._scratch, name, None)
        if kept is None or kept.size < size:
            kept = np.empty(size, np.float32)
            setattr(self._scratch, name, kept)
        return kept[:size].reshape(shape)


def layer_norm(x: Any, weight: Any, bias: Any, eps: float) -> Any:
    """Rows of [tokens, dim] to mean 0 and variance 1, times weight plus bias; float32."""
    centred = x - x.mean(axis=1, keepdims=True, dtype=np.float32)
    variance = np.mean(centred * centred, axis=1, keepdims=True, dtype=np.float32)
    centred /= np.sqrt(variance + np.float32(eps))
    return centred * weight + bias


def decoders_of(facts: DecoderFacts, kinds: Mapping[str, tuple[str, str]], archive: Any) -> dict[str, Decoder]:
    """Decoders by task.

    Args:
        facts: of the network.
        kinds: by task, the kind of its decoder and the prefix of its tensors' names.
        archive: tensors by name.
    """
    decoders = {}
    for task, (kind, prefix) in kinds.items():
        names: list[str] = [name for name in archive if name.startswith(prefix)]
        decoders[task] = Decoder(facts, kind, {name[len(prefix) :]: archive[name] for name in names})
    return decoders


def _convolution(tensors: Mapping[str, Any], place: int) -> tuple[Any, Any]:
    """Weights of a convolution [inputs of a patch, outputs] and its bias, with the batch norm after it folded in."""
    weight = np.asarray(tensors[f"conv_{place}.weight"], np.float64)
    bias = np.asarray(tensors[f"conv_{place}.bias"], np.float64)
    if place < CONVOLUTIONS - 1:
        name = f"syncbn_fc_{place}."
        mean, variance = (np.asarray(tensors[name + part], np.float64) for part in ("running_mean", "running_var"))
        gain = np.asarray(tensors[name + "weight"], np.float64) / np.sqrt(variance + BATCH_NORM_EPS)
        weight = weight * gain[:, None, None, None]
        bias = (bias - mean) * gain + np.asarray(tensors[name + "bias"], np.float64)
    outputs = weight.shape[0]
    matrix = weight.transpose(2, 3, 1, 0).reshape(-1, outputs)
    return np.ascontiguousarray(matrix, np.float32), bias.astype(np.float32)


def _float32(values: Any) -> Any:
    return np.ascontiguousarray(values, np.float32)
