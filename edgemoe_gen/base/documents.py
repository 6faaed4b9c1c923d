"""Makes every JSON document that is written or printed: strict JSON, without NaN and Infinity."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def json_text(value: object, indent: int | None = 2) -> str:
    """A value as JSON; null stands for a figure that is not finite. Without an indent: one line, no spaces."""
    separators = (",", ":") if indent is None else None
    return json.dumps(_finite(value), indent=indent, separators=separators, allow_nan=False)


def write_json(path: Path, value: object, indent: int | None = 2) -> None:
    """Writes a file of `json_text` and a line end."""
    path.write_text(json_text(value, indent) + "\n", encoding="utf-8")


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value
