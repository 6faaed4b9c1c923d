"""Reads a yml configuration of the authors' training code (M3ViT `configs/`) into `SpecOptions`.

The files leave out the arguments of the training script (`--moe_top_k`, `--multi_gate`, ...). Such a name may be a key
in the file, at the top or under `backbone_kwargs`; the top wins. Everything else in the file is skipped.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from edgemoe_gen.base.errors import SpecError
from edgemoe_gen.base.names import shown
from edgemoe_gen.base.parsing import refuse_absurd
from edgemoe_gen.model.spec import SpecOptions

# Switch in task_dictionary and name, in the order in which parse_task_dictionary of utils/config.py fills TASKS.NAMES:
# the order in the file does not matter.
_TASKS = (
    ("include_semseg", "semseg"),
    ("include_human_parts", "human_parts"),
    ("include_sal", "sal"),
    ("include_normals", "normals"),
    ("include_edge", "edge"),
    ("include_depth", "depth"),
)
# TEST.SCALE of utils/config.py: height, width.
_SIZES = {"PASCALContext": (512, 512), "NYUD": (480, 640), "CityScapes": (128, 256)}
# tr.ToTensor (pixel / 255) and tr.Normalize (ImageNet's) in get_transformations of utils/common_config.py. The pictures
# of CityScapes pass by these: data/cityscapes.py feeds arrays that were prepared elsewhere, so nothing here tells how.
_NORMALISED = ("PASCALContext", "NYUD")
_LIMIT = 1 << 18  # characters; PyYAML takes a second for so many
_BACKBONES = ("VisionTransformer", "VisionTransformer_moe")


def read_yml(path: Path, text: str) -> SpecOptions:
    """The options of a configuration.

    Args:
        path: the file, for messages.
        text: its text.

    Raises:
        SpecError: not yml, not such a configuration, or a value of the wrong kind.
    """
    if len(text) > _LIMIT:
        raise SpecError(f"{path} has {len(text):,} characters, far more than a configuration.", "Give another file.")
    try:
        document = yaml.load(text, _Loader)
        refuse_absurd(document)
    except Exception as error:  # what PyYAML raises on damaged files is of no one family
        said = getattr(error, "problem", None) or (error if type(error) is ValueError else type(error).__name__)
        problem = shown(said)
        raise SpecError(f"{path} is truncated or not yml: {problem}.", "Mend the file, or copy it again.") from error
    if not isinstance(document, Mapping) or not isinstance(document.get("backbone_kwargs"), Mapping):
        raise SpecError(f"{path} has no table backbone_kwargs.", "Give a configuration of the authors' training code.")
    return _Reader(path, document).options()


class _Loader(yaml.SafeLoader):
    """Plain values without aliases: with aliases, a few lines could stand for more than any memory holds."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        alias = self.check_event(yaml.AliasEvent)
        node = super().compose_node(parent, index)
        if alias and not isinstance(node, yaml.ScalarNode):
            raise yaml.composer.ComposerError(None, None, "an alias of a table or list, which is not read")
        return node


class _Reader:
    def __init__(self, path: Path, document: Mapping[Any, Any]) -> None:
        self.path = path
        top = {str(key).lstrip("-").replace("-", "_"): value for key, value in document.items()}
        self.top = top
        self.backbone = {str(key): value for key, value in top["backbone_kwargs"].items()}
        head = top.get("head_kwargs")
        self.head: Mapping[Any, Any] = head if isinstance(head, Mapping) else {}

    def options(self) -> SpecOptions:
        name = self.top.get("backbone")
        if name is not None and name not in _BACKBONES:
            raise SpecError(
                f"{self.path}: backbone {name} is no vision transformer.", f"Supported: {', '.join(_BACKBONES)}."
            )
        height, width = self._size()
        data = str(self.top.get("train_db_name"))
        multi = self._flag("multi_gate")
        return SpecOptions(
            heads=self._int("num_heads"),
            image_height=height,
            image_width=width,
            patch=self._int("patch_size"),
            dim=self._int("embed_dim"),
            depth=self._int("depth"),
            experts=self._int("moe_experts"),
            mlp_ratio=self._number("mlp_ratio"),
            expert_ratio=self._number("moe_mlp_ratio"),
            router="multi" if multi else None,
            gate_type=self._text("moe_gate_type"),
            top_k=self._int("moe_top_k"),
            input_ahead=self._flag("gate_input_ahead"),
            expert_prune=self._flag("expert_prune"),
            experts_per_task=self._experts_per_task(),
            tasks=self._tasks(),
            align_corners=self._bool("head_kwargs.align_corners", self.head.get("align_corners")),
            decoder_block=self._whole("head_kwargs.in_index", self.head.get("in_index")),
            normalise="imagenet" if data in _NORMALISED else None,
        ).said_by(f"{self.path.name}, by the authors' transforms for {data}")

    def _get(self, key: str) -> Any:
        return self.top.get(key, self.backbone.get(key))

    def _int(self, key: str) -> int | None:
        return self._whole(key, self._get(key))

    def _whole(self, key: str, value: Any) -> int | None:
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            raise SpecError(f"{self.path}: {key} is {value!r}, which is not a whole number.", f"Correct {key}.")
        return value

    def _number(self, key: str) -> float | None:
        value = self._get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise SpecError(f"{self.path}: {key} is {value!r}, which is not a number.", f"Correct {key}.")
        return float(value) if value >= 0 else None  # a negative moe_mlp_ratio stands for "as mlp_ratio"

    def _text(self, key: str) -> str | None:
        value = self._get(key)
        return None if value is None else str(value)

    def _flag(self, key: str) -> bool | None:
        return self._bool(key, self._get(key))

    def _bool(self, key: str, value: Any) -> bool | None:
        if value is None or isinstance(value, bool):
            return value
        # As str2bool of train_fastmoe.py.
        word = str(value).lower()
        if word in ("yes", "true", "t", "y", "1"):
            return True
        if word in ("no", "false", "f", "n", "0"):
            return False
        raise SpecError(f"{self.path}: {key} is {value!r}, which is neither true nor false.", f"Correct {key}.")

    def _experts_per_task(self) -> int | None:
        if not self._flag("regu_experts_fromtask"):
            return None
        per_task = self._int("num_experts_pertask")
        if per_task is None or per_task < 1:
            raise SpecError(
                f"{self.path}: regu_experts_fromtask is true, but num_experts_pertask is {per_task}.",
                "Give num_experts_pertask of the training.",
            )
        return per_task

    def _size(self) -> tuple[int | None, int | None]:
        size = self._get("img_size")
        if size is None:
            return _SIZES.get(str(self.top.get("train_db_name")), (None, None))
        pair = [size, size] if isinstance(size, int) else size
        if not isinstance(pair, list) or len(pair) != 2:
            raise SpecError(f"{self.path}: img_size is {size!r}, which is not [height, width].", "Correct img_size.")
        return self._whole("img_size", pair[0]), self._whole("img_size", pair[1])

    def _tasks(self) -> tuple[str, ...] | None:
        dictionary = self.top.get("task_dictionary")
        if not isinstance(dictionary, Mapping):
            return None
        return tuple(name for switch, name in _TASKS if dictionary.get(switch)) or None
