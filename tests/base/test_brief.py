"""What a notebook shows of a result is short, whatever it holds, and names what it leaves out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgemoe_gen.base.brief import Brief, brief


@dataclass(frozen=True, repr=False)
class Held(Brief):
    """Something with a value."""

    value: Any
    note: str = ""


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | st.binary(max_size=200)
    | st.builds(np.zeros, st.lists(st.integers(0, 9), max_size=4)),
    lambda inner: st.lists(inner, max_size=200) | st.dictionaries(st.text(max_size=20), inner, max_size=200),
    max_leaves=50,
)  # fmt: skip


@given(VALUES)
def test_any_value_is_shown_in_few_words(value: Any) -> None:
    assert len(brief(value)) <= 200
    assert len(repr(Held(value))) <= 220


def test_arrays_are_shown_by_shape_many_things_by_their_number_and_nothing_not_at_all() -> None:
    assert repr(Held(np.zeros((3, 4), np.float32))) == "Held(value=<float32 3 × 4>)"
    assert repr(Held((Held(1), Held(2)), "x")) == "Held(value=<2 of Held>, note='x')"
    assert repr(Held({f"key{i}": i for i in range(90)})) == "Held(value=<90 keys: key0, key1, key2, key3, …>)"
    assert repr(Held((1, 2, 3))) == "Held(value=(1, 2, 3))"
    assert repr(Held(())) == "Held()"
