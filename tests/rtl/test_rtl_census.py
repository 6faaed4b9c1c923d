"""The shape of the IR that modules are made of: a compiler that changes it is seen at once."""

from __future__ import annotations

import re
from importlib.util import find_spec

import pytest

from edgemoe_gen.scheduling.compiler import compile_ir, compiler_version
from edgemoe_gen.scheduling.parse import parse_module
from tests.rtl.ir_census import DESIGNS, RENEW, census, digest, read, recorded
from tests.rtl.process_kernels import SIZES, SMALL, kernels

if find_spec("ziglang") is None:
    pytest.skip("the compiler of the extra [schedule] is not installed", allow_module_level=True)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in SIZES else pytest.mark.slow) for name in DESIGNS]
)
def test_the_ir_has_the_forms_that_are_on_record(name: str) -> None:
    """Forms of every function; and how often each comes, while kernels are those of the record."""
    record = recorded()[name]
    functions = record["functions"]
    assert isinstance(functions, dict)
    known = {function: read(text) for function, text in functions.items()}
    found = census(name)
    said = f"made by {record['compiler']}, now {compiler_version()}; where that is meant: {RENEW}"
    assert found.keys() == known.keys(), said
    exact = digest(name) == record["kernels"]
    for function, forms in found.items():
        assert forms.keys() - known[function].keys() == set(), f"{function} has new forms, {said}"
        assert not exact or forms == known[function], f"{function} is of another shape, {said}"


def test_pointers_are_chosen_nowhere_else() -> None:
    """Choices between pointers are rare, and each of them costs an access a condition."""
    found = {
        (name, function, form)
        for name, record in recorded().items()
        for function, text in record["functions"].items()  # type: ignore[attr-defined]
        for form in read(text)
        if form in ("phi ptr", "select ptr", "load ptr", "store ptr")
    }
    assert {form for _, _, form in found} <= {"phi ptr", "select ptr"}


def test_nothing_is_made_of_what_c_leaves_undefined() -> None:
    """The IR says of many values that they do not overflow; modules are the same without that."""
    text = compile_ir(kernels(SMALL).prepared.texts)
    bare = re.sub(r" (nsw|nuw|exact|disjoint|nneg|samesign|inbounds|nusw)(?= )", "", text)
    assert len(bare) < len(text) - 1000
    assert parse_module(bare).functions == parse_module(text).functions
