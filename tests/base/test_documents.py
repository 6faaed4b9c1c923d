"""JSON that every parser reads."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgemoe_gen.base.documents import json_text, write_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
)


def refuse(constant: str) -> float:
    raise ValueError(constant)


def nulled(value: object) -> object:
    """What is expected, in the order of JSON's types."""
    if isinstance(value, dict):
        return {key: nulled(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [nulled(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@settings(max_examples=40, deadline=None)
@given(VALUES)
def test_documents_are_strict_and_hold_null_for_what_is_no_number(value: object) -> None:
    for indent in (2, None):
        assert json.loads(json_text(value, indent), parse_constant=refuse) == nulled(value)


def test_a_file_ends_with_a_line_end(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"a": math.nan})
    assert (tmp_path / "a.json").read_text() == '{\n  "a": null\n}\n'


def test_what_is_no_data_is_no_document() -> None:
    with pytest.raises(TypeError):
        json_text(object())
