"""One-line representations of results: a notebook prints the last value of a cell, and arrays and reports are long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

_MOST = 80  # characters of a value; texts are not cut


class Brief:
    """Gives a dataclass (with `repr=False`) a one-line representation: long values appear as their shape or count."""

    def __repr__(self) -> str:
        values = ((each.name, getattr(self, each.name)) for each in fields(self) if each.repr)  # type: ignore[arg-type]
        said = ", ".join(f"{name}={brief(value)}" for name, value in values if not _is_empty(value))
        return f"{type(self).__name__}({said})"


def brief(value: object) -> str:
    """A value in a few words: an array by its type and shape, a long container by its number of entries."""
    shape: Any = getattr(value, "shape", None)
    if isinstance(shape, tuple) and hasattr(value, "dtype"):
        return f"<{value.dtype} {' × '.join(map(str, shape)) or 'scalar'}>"
    if isinstance(value, str):
        return repr(value)
    if isinstance(value, Mapping):
        return _short(value, f"<{len(value)} keys: {_names(list(map(str, value)))}>")
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        kinds = {type(each).__name__ for each in value}
        return _short(value, f"<{len(value)} of {' and '.join(sorted(kinds))}>")
    headline = getattr(value, "headline", None)
    said = f": {headline}" if isinstance(headline, str) else ""
    return _short(value, f"<{type(value).__name__}{said}>")


def _short(value: Any, otherwise: str) -> str:
    """The value's own representation, or `otherwise` if it is long; a container of arrays is not rendered at all."""
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, Sequence) else ()
    if len(inner) > _MOST or any(hasattr(each, "dtype") or is_dataclass(each) for each in inner):
        return otherwise
    if is_dataclass(value) and not isinstance(value, Brief):
        return otherwise
    text = repr(value)
    return text if len(text) <= _MOST else otherwise


def _names(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (", …" if len(names) > 4 else "")


def _is_empty(value: object) -> bool:
    return value is None or (isinstance(value, str | tuple | list | dict) and not value)
