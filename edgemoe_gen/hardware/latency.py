"""Cycles of operators and of chains of them, from the tables of device families in `timing/families`.

`timing.table` makes the timing of a design from them. `most_cycles` serves rules of a design, which must hold at every
clock of every device.
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
    """Names of the families with tables."""
    return sorted(path.stem for path in FAMILIES.glob("*.toml") if "." not in path.stem)  # others are parts of one


def read_family(path: Path) -> Mapping[str, Any]:
    """A family's table.

    Raises:
        SimulationError: the table is not readable.
    """
    try:
        return _parsed(path, path.stat().st_mtime_ns)
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise SimulationError(f"the timing table {path.name} is not readable: {error}") from error


@lru_cache(maxsize=8)
def _parsed(path: Path, _: int) -> Mapping[str, Any]:
    """A table, cached by its file's time: reading it takes longer than all computations with it."""
    return tomllib.loads(path.read_text(encoding="utf-8"))


@lru_cache(maxsize=1024)
def most_cycles(loop: str, fifo: str, sizes: tuple[tuple[str, int], ...]) -> int:
    """Cycles from a pipeline's write to a FIFO to the pipeline's end, for the clock and device with the most.

    Args:
        loop: label of a pipelined loop.
        fifo: a FIFO that it writes before its end; another FIFO or "" gives the cycles of the whole pipeline.
        sizes: constants of the sources in the chain, in small letters.
    """
    cycles = 0
    for name in family_names():
        path = FAMILIES / f"{name}.toml"
        table = read_family(path)
        entry = table["loops"][loop]
        for band in range(len(table["bands"])):
            chains = Chains(path, table, band, dict(sizes))
            where = f"loops.{loop}"
            early = chains.early(where, entry).get(fifo, 0)
            cycles = max(cycles, chains.cycles(where, entry["chain"]) - early)
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

    def early(self, where: str, entry: Mapping[str, Any]) -> dict[str, int]:
        """Cycles of a loop's chain until each write before its end, by FIFO."""
        found = {}
        for fifo, behind in entry.get("writes", {}).items():
            if behind not in entry["chain"]:
                raise self._error(where, f"{fifo} is written behind '{behind}', which is not in the chain")
            found[fifo] = self.cycles(where, entry["chain"][: entry["chain"].index(behind) + 1])
        return found

    def size(self, where: str, text: str | int) -> int:
        """A number, or the value of a named size."""
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
