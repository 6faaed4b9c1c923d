"""Cycles of operators and of chains of them, from the tables of device families in `timing/families`.

`timing.table` makes the timing of a design from them. `most_cycles` is for what must hold at every clock of every
device: rules of a design.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.base.installed import PACKAGE

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover
    import tomli as tomllib

FAMILIES = PACKAGE / "timing" / "families"


def family_names() -> list[str]:
    """Names of the families that there are tables of."""
    return sorted(path.stem for path in FAMILIES.glob("*.toml"))


def read_family(path: Path) -> Mapping[str, Any]:
    """A family's table.

    Raises:
        SimulationError: it is not readable.
    """
    try:
        return _parsed(path, path.stat().st_mtime_ns)
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise SimulationError(f"the timing table {path.name} is not readable: {error}") from error


@lru_cache(maxsize=8)
def _parsed(path: Path, _: int) -> Mapping[str, Any]:
    """A table as it was at a time: reading it takes longer than all that is computed from it."""
    return tomllib.loads(path.read_text(encoding="utf-8"))


@lru_cache(maxsize=1024)
def most_cycles(loop: str, behind: str, sizes: tuple[tuple[str, int], ...]) -> int:
    """Cycles of the part of a pipeline behind one of its operators, at the clock and on the device where it is longest.

    Args:
        loop: label of a pipelined loop.
        behind: entry of its chain; "" for the whole chain.
        sizes: constants of the sources that the chain names, in small letters.
    """
    cycles = 0
    for name in family_names():
        path = FAMILIES / f"{name}.toml"
        table = read_family(path)
        chain = table["loops"][loop]["chain"]
        part = chain[chain.index(behind) + 1 :] if behind else chain
        for band in range(len(table["bands"])):
            cycles = max(cycles, Chains(path, table, band, dict(sizes)).cycles(f"loops.{loop}", part))
    return cycles


class Chains:
    """Turns chains of operators to cycles at one clock band."""

    def __init__(self, path: Path, table: Mapping[str, Any], band: int, known: Mapping[str, int]) -> None:
        self.path = path
        self.operators: Mapping[str, Mapping[str, Any]] = table["operators"]
        self.functions: Mapping[str, Sequence[str]] = table["functions"]
        self.band = band
        self.sizes = known

    def cycles(self, where: str, chain: Sequence[str], inside: tuple[str, ...] = ()) -> int:
        """Sum of a chain's entries, functions resolved."""
        total = 0
        for entry in chain:
            name, _, argument = entry.partition(" ")
            if name in self.functions:
                if name in inside or argument:
                    raise self._error(where, f"the function '{entry}' goes through itself or has an argument")
                total += self.cycles(where, self.functions[name], (*inside, name))
            elif name in self.operators:
                total += self._operator(where, name, argument)
            else:
                raise self._error(where, f"there is no operator or function '{name}'")
        return total

    def size(self, where: str, text: str | int) -> int:
        """A number, or the size that is named."""
        if isinstance(text, int) or text.isdigit():
            return int(text)
        if text not in self.sizes:
            raise self._error(where, f"the sources have no constant {text.upper()}")
        return self.sizes[text]

    def _operator(self, where: str, name: str, argument: str) -> int:
        entry = self.operators[name]
        if ("cycles" in entry) == bool(argument):
            wanted = "takes no argument" if "cycles" in entry else "needs an argument"
            raise self._error(where, f"the operator '{name}' {wanted}")
        if "cycles" in entry:
            return int(entry["cycles"][self.band])
        amount = self.size(where, argument)
        if "levels_per_cycle" in entry:
            levels = math.ceil(math.log2(max(amount, 1)))
            return -(-levels // int(entry["levels_per_cycle"][self.band]))
        return -(-amount // int(entry["bits_per_cycle"][self.band]))

    def _error(self, where: str, text: str) -> SimulationError:
        return SimulationError(f"{self.path.name}, {where}: {text}", "mend the table")
