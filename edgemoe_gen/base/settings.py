"""Checks of settings tables: unknown keys, and the kind of a value.

The readers of projects, specs and boards share these checks. Each makes its own error, with file, key and hint.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

# Kind: what a value must be, in words. "number" takes infinity too, which its reader refuses by name.
KINDS: Mapping[str, str] = {
    "str": "a string",
    "path": "a path in quotes",
    "int": "a whole number",
    "float": "a number",
    "number": "a number",
    "bool": "true or false",
    "ints": "a whole number or a list of them",
    "sizes": "a list of whole numbers",
    "names": "a list of names",
    "paths": "a list of paths",
    "numbers": "a list of three numbers",
}


def unknown_key(table: Mapping[str, Any], known: Collection[str]) -> str | None:
    """The first key that is not known, if there is one."""
    return next((key for key in table if key not in known), None)


def value_of_kind(value: object, kind: str) -> Any:
    """The value, with lists as tuples, and numbers as `float` where the kind says so.

    Raises:
        ValueError: the value is of another kind; the text names the right kind.
    """
    if isinstance(value, list):
        if kind in ("ints", "sizes") and all(map(_is_whole, value)):
            return tuple(value)
        if kind in ("names", "paths") and all(isinstance(each, str) and each for each in value):
            return tuple(value)
        if kind == "numbers" and len(value) == 3 and all(map(_is_finite, value)):
            return tuple(float(each) for each in value)
    elif kind in ("int", "ints") and _is_whole(value):
        return value
    elif (kind == "float" and _is_finite(value)) or (kind == "number" and _is_number(value)):
        return float(value)  # type: ignore[arg-type]
    elif (kind == "bool" and isinstance(value, bool)) or (kind in ("str", "path") and isinstance(value, str)):
        return value
    raise ValueError(KINDS[kind])


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and _is_number(value) and math.isfinite(value)
