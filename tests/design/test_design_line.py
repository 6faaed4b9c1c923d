"""The modules of a design stand in a line, those of the hardware too: each imports only what stands before it."""

from __future__ import annotations

import ast

import pytest

from edgemoe_gen.base.installed import PACKAGE

LINES = {
    "design": ("knobs", "sizes", "rules", "fifos", "storage", "products", "design", "make", "__init__"),
    "hardware": (
        "names",
        "boards",
        "axi",
        "registers",
        "ring",
        "parts",
        "memories",
        "kinds",
        "descriptor",
        "latency",
        "__init__",
    ),
}  # fmt: skip


@pytest.mark.parametrize("room", LINES)
def test_every_module_imports_only_those_before_it(room: str) -> None:
    line = LINES[room]
    assert sorted(path.stem for path in (PACKAGE / room).glob("*.py")) == sorted(line)
    for place, name in enumerate(line):
        tree = ast.parse((PACKAGE / room / f"{name}.py").read_text(encoding="utf-8"))
        imported = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        inside = {module.split(".")[2] for module in imported if module.startswith(f"edgemoe_gen.{room}.")}
        assert inside <= set(line[:place]), name
        assert f"edgemoe_gen.{room}" not in imported, name
