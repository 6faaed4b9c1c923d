"""Keys and kinds of settings that people write."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgemoe_gen.base.settings import KINDS, unknown_key, value_of_kind

SCALARS = st.booleans() | st.integers(-(1 << 63), (1 << 63) - 1) | st.floats() | st.text(max_size=5)
VALUES = SCALARS | st.lists(SCALARS, max_size=4) | st.dictionaries(st.text(max_size=2), SCALARS, max_size=2)
# By kind: the types that Python has for it, and whether a boolean may be one.
TYPES: dict[str, type | tuple[type, ...]] = {
    "str": str, "path": str, "int": int, "float": float, "number": float, "bool": bool, "ints": (int, tuple),
    "sizes": tuple, "names": tuple, "paths": tuple, "numbers": tuple,
}  # fmt: skip
ITEMS = {"ints": int, "sizes": int, "names": str, "paths": str, "numbers": float}


@given(VALUES, st.sampled_from(sorted(KINDS)))
def test_a_value_is_of_its_kind_or_refused_in_its_words(value: Any, kind: str) -> None:
    try:
        found = value_of_kind(value, kind)
    except ValueError as error:
        assert str(error) == KINDS[kind]
        return
    assert isinstance(found, TYPES[kind])
    assert isinstance(found, bool) == (kind == "bool")
    for item in found if isinstance(found, tuple) else ():
        assert isinstance(item, ITEMS[kind]) and not isinstance(item, bool)
    expected = float(value) if kind in ("float", "number") else value
    assert (list(found) if isinstance(found, tuple) else found) == expected or found != found


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("str", ""), ("path", "a/b"), ("int", -3), ("float", 2), ("number", math.inf), ("bool", False), ("ints", 4),
        ("ints", [4, 5]), ("sizes", []), ("names", ["a"]), ("paths", []), ("numbers", [0.5, 1, 2]),
    ],
)  # fmt: skip
def test_what_every_kind_takes(kind: str, value: object) -> None:
    assert value_of_kind(value, kind) == (tuple(value) if isinstance(value, list) else value)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("int", True), ("int", 1.0), ("float", math.nan), ("float", "1"), ("bool", 0), ("ints", [1, True]),
        ("sizes", 4), ("names", "a"), ("names", [""]), ("numbers", [1, 2]), ("path", ["a"]), ("number", True),
    ],
)  # fmt: skip
def test_what_no_kind_takes(kind: str, value: object) -> None:
    with pytest.raises(ValueError, match=KINDS[kind]):
        value_of_kind(value, kind)


def test_the_first_unknown_key_is_told() -> None:
    assert unknown_key({"a": 1, "c": 2, "b": 3}, ("a",)) == "c"
    assert unknown_key({"a": 1}, {"a": 0, "b": 0}) is None
