"""The floors that docs/architecture.md draws are those that the imports of the package stand on."""

from __future__ import annotations

import ast
import graphlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "edgemoe_gen"
PICTURE = re.compile(r"^## Floors\n.*?```text\n(.*?)```", re.M | re.S)


def modules() -> dict[str, Path]:
    """Every module of the package, by its dotted name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(path: Path, known: dict[str, Path]) -> Iterator[str]:
    """The package's modules that a file imports, for types alone too."""
    folder = path.relative_to(ROOT).parent.parts  # the driver, which is copied to boards, has relative names
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            above = folder[: len(folder) - node.level + 1] if node.level else ()
            origin = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names if origin in known else ():
                inner = f"{origin}.{alias.name}"
                yield inner if inner in known else origin


def room(module: str) -> str:
    """The folder below the package that a module lies in; the module's own name at the root."""
    return [*module.split("."), "edgemoe_gen"][1]


@pytest.fixture(scope="module")
def arrows() -> dict[str, set[str]]:
    """What each module imports."""
    known = modules()
    return {name: set(imported(path, known)) - {name} for name, path in known.items()}


@pytest.fixture(scope="module")
def floors() -> dict[str, int]:
    """Room to floor, counted from the top, as the page draws them."""
    picture = PICTURE.search((ROOT / "docs" / "architecture.md").read_text())
    assert picture, "docs/architecture.md lacks its section 'Floors'"
    return {
        name: floor
        for floor, line in enumerate(picture[1].splitlines())
        for name in re.split(r"\s{2,}", line.strip())[0].split(", ")
    }


def test_every_room_stands_on_a_floor_of_the_page(floors: dict[str, int]) -> None:
    assert set(floors) == {room(name) for name in modules()}


def test_every_import_leads_to_a_floor_below(arrows: dict[str, set[str]], floors: dict[str, int]) -> None:
    up = [
        f"{name} imports {other}"
        for name, others in arrows.items()
        for other in sorted(others)
        if room(name) != room(other) and floors[room(name)] >= floors[room(other)]
    ]
    assert not up


def test_no_modules_import_each_other_in_a_circle(arrows: dict[str, set[str]]) -> None:
    graphlib.TopologicalSorter(arrows).prepare()  # raises CycleError, which names the circle


def test_the_root_of_the_package_holds_its_front_door_alone() -> None:
    assert {path.name for path in PACKAGE.glob("*.py")} == {"__init__.py", "__main__.py"}
