"""Tokens before the patches, and which tokens have a position.

Networks differ: they have a position for every token (ViT, DeiT), for the patches alone (DeiT III, timm's
`no_embed_class`), or for class token and patches but not for registers (DINOv2). The number of positions tells which,
once the image's size is known. `place_tokens` gives all networks one form: a position for every token, zero if missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgemoe_gen.base.errors import CheckpointError, SpecError
from edgemoe_gen.model.folding import DISTILLATION, REGISTERS
from edgemoe_gen.model.safe import Array

_FEW = 16  # positions too many that rather belong to tokens without a tensor than to patches of another image


@dataclass(frozen=True)
class Prefix:
    """Tokens that a file holds for the places before the patches.

    Attributes:
        class_token: whether the first one is a class token.
        extra: the others.
        name: name of the tensor of the others, or "".
        unread: the others are in the file, but the network never reads them.
    """

    class_token: bool
    extra: int = 0
    name: str = ""
    unread: bool = False

    @property
    def tokens(self) -> int:
        """Number of tokens."""
        return int(self.class_token) + self.extra

    def __str__(self) -> str:
        others = {DISTILLATION: "the distillation token"}.get(
            self.name, f"{self.extra} register{'s' * (self.extra != 1)}"
        )
        parts = ["the class token"] * self.class_token + [others] * bool(self.extra)
        return " and ".join(parts)


def read_prefix(path: Path, tensors: Mapping[str, Array]) -> Prefix:
    """The prefix that the tensors show.

    Raises:
        CheckpointError: the order of the tokens is unknown, or a tensor has another shape.
    """
    names = [name for name in (DISTILLATION, REGISTERS) if name in tensors]
    if len(names) == 2:
        raise CheckpointError(
            f"{path} has a distillation token and registers, whose order is unknown.",
            "Such networks are not supported.",
        )
    class_token = "cls_token" in tensors
    if not names:
        return Prefix(class_token)
    values = tensors[names[0]]
    if values.ndim != 3 or values.shape[0] != 1 or (names[0] == DISTILLATION and values.shape[1] != 1):
        raise CheckpointError(
            f"{path}: tensor {names[0]} has the shape {list(values.shape)}, not [1, tokens, features].",
            "Use a complete checkpoint of one model.",
        )
    if names[0] == DISTILLATION and not class_token:
        raise CheckpointError(
            f"{path}: tensor cls_token is missing before dist_token.", "Use a complete checkpoint of one model."
        )
    return Prefix(class_token, int(values.shape[1]), names[0])


def settle_prefix(prefix: Prefix, positions: int, patches: int, has_head: bool) -> Prefix:
    """The prefix that the network reads: the authors' code makes a second token that it never reads."""
    if prefix.name == DISTILLATION and positions == patches + 1 and not has_head:
        return Prefix(prefix.class_token, unread=True)
    return prefix


def check_positions(path: Path, prefix: Prefix, positions: int, size: tuple[int, int], patches: int) -> None:
    """Refuses a number of positions that fits no known placement.

    Args:
        path: file to name.
        prefix: tokens before the patches.
        positions: rows of pos_embed.
        size: image height and width, for the message.
        patches: patches of this image.

    Raises:
        SpecError: says how many tokens there are and what the difference may be.
    """
    if positions in _ways(prefix, patches):
        return
    tokens = patches + prefix.tokens
    more = positions - tokens
    with_prefix = f", {tokens} with {prefix}" if prefix.tokens else ""
    message = (
        f"image_height {size[0]} and image_width {size[1]} make {patches} patches{with_prefix}, but the pos_embed of "
        f"{path} has {positions} positions."
    )
    if 0 < more <= _FEW:
        those = f"the {more} positions more belong to tokens" if more > 1 else "the position more belongs to a token"
        raise SpecError(
            message,
            f"If the size is that of the training, {those} that the file has no tensor for (pretext or prompt), and "
            "the network cannot be computed from this file. Else give --image-height and --image-width of the "
            "training.",
        )
    raise SpecError(message, "Give --image-height and --image-width of the training.")


def _ways(prefix: Prefix, patches: int) -> tuple[int, ...]:
    """Numbers of positions: for every token, for the patches alone, for class token and patches."""
    every = (patches + prefix.tokens, patches)
    registers = prefix.class_token and prefix.name == REGISTERS
    return (*every, patches + 1) if registers else every


def place_tokens(tensors: dict[str, Array], prefix: Prefix, patches: int) -> str:
    """Gives every token a position and brings the extra tokens under one name.

    Args:
        tensors: of the backbone, checked by `check_positions`; changed in place.
        prefix: tokens before the patches.
        patches: of the image.

    Returns:
        A note for the user, or "".
    """
    if prefix.name and not prefix.unread:
        tensors["extra_tokens"] = tensors.pop(prefix.name)
    elif prefix.unread:
        tensors.pop(DISTILLATION, None)
        return f"ignored {DISTILLATION}: the authors' network never reads it"
    given = tensors["pos_embed"]
    missing = patches + prefix.tokens - given.shape[1]
    if not missing:
        return ""
    placed = np.zeros((1, patches + prefix.tokens, given.shape[2]), np.float32)
    first = 0 if missing == prefix.tokens else 1  # the class token has a position, or has not
    placed[:, :first], placed[:, first + missing :] = given[:, :first], given[:, first:]
    tensors["pos_embed"] = placed
    bare = str(prefix) if not first else str(Prefix(False, prefix.extra, prefix.name))
    return f"no position is added to {bare}: pos_embed has none"
