"""The table of delays of a device family, `timing/families/*.delays.toml`, and the cost of one operation by it.

In: the table. Out: nanoseconds by operator and width, and the cost of a loop's node: time before its result or its
    first
register, cycles of latency, time after its last register.
"""

from __future__ import annotations

import sys
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.hardware.latency import FAMILIES

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover
    import tomli as tomllib

SUFFIX = ".delays.toml"


@dataclass(frozen=True)
class Cost:
    """Cost of an operation.

    Attributes:
        ns: combinational time in the cycle of its start.
        latency: cycles until its result.
        after_ns: time in the cycle of its result, if it has a latency.
        alone: nothing else shares a cycle with it.
    """

    ns: float
    latency: int = 0
    after_ns: float = 0.0
    alone: bool = False


FREE = Cost(0.0)


@dataclass(frozen=True)
class Delays:
    """A table of delays. `source` is its file's name; `grades` are the speed grades of its reports."""

    title: str
    source: str
    grades: tuple[str, ...]
    widths: Mapping[str, tuple[int, ...]]
    ns: Mapping[str, tuple[float, ...]]
    substitutes: Mapping[str, Mapping[str, Any]]

    def of(self, operator: str, bits: int) -> float:
        """Nanoseconds of an operator of a width: linear between entries, the nearest one outside of them."""
        widths, ns = self.widths[operator], self.ns[operator]
        at = bisect_left(widths, bits)
        if at == len(widths):
            return ns[-1]
        if widths[at] == bits or at == 0:
            return ns[at]
        share = (bits - widths[at - 1]) / (widths[at] - widths[at - 1])
        return ns[at - 1] + share * (ns[at] - ns[at - 1])

    def fixed(self, name: str, key: str = "ns") -> float:
        """A figure of `substitutes`."""
        return float(self.substitutes[name][key])

    def cycles(self, name: str) -> int:
        """Latency of an entry of `substitutes`."""
        return int(self.substitutes[name]["latency"])

    def product(self, first: int, second: int) -> Cost:
        """A multiplication of operands with these numbers of bits."""
        most = [int(bits) for bits in self.substitutes["dsp"]["bits"]]
        if first + second <= most[1]:
            return Cost(self.fixed("fabric_multiply"), self.cycles("fabric_multiply"), self.fixed("fabric_multiply"))
        fits = min(first, second) <= min(most) and max(first, second) <= max(most)
        name = "dsp" if fits else "dsp_wide"
        return Cost(self.fixed(name), self.cycles(name), self.fixed(name))

    def memory(self, implementation: str, bits: int) -> float:
        """Access to a memory, in the first and in the last of its cycles."""
        if implementation == "uram":
            return self.fixed("uram")
        return self.of("lutram" if implementation == "lutram" else "bram", bits)


class NoDelaysError(SimulationError):
    """There is no table of delays for a device; the design has no fault."""


def family_delays(part: str) -> Delays:
    """The table of a part.

    Raises:
        NoDelaysError: there is none.
        SimulationError: the table is not readable.
    """
    for path in sorted(FAMILIES.glob(f"*{SUFFIX}")):
        table, prefixes = read_delays(path)
        if part.lower().startswith(prefixes):
            return table
    raise NoDelaysError(
        f"there is no table of delays of the device {part}",
        f"add one as edgemoe_gen/timing/families/<family>{SUFFIX}",
    )


@lru_cache(maxsize=4)
def read_delays(path: Path) -> tuple[Delays, tuple[str, ...]]:
    """A table, and the beginnings of the names of its parts."""
    try:
        text = tomllib.loads(path.read_text(encoding="utf-8"))
        operators = {
            name: sorted((p["bits"], p["ns"]) for p in entry["points"]) for name, entry in text["operators"].items()
        }
        table = Delays(
            title=text["title"],
            source=path.name,
            grades=tuple(text["grades"]),
            widths={name: tuple(bits for bits, _ in points) for name, points in operators.items()},
            ns={name: tuple(float(ns) for _, ns in points) for name, points in operators.items()},
            substitutes=text["substitutes"],
        )
        return table, tuple(text["parts"])
    except (OSError, KeyError, TypeError, tomllib.TOMLDecodeError) as error:
        raise SimulationError(
            f"the table of delays {path.name} is not readable: {error}", "restore the file"
        ) from error


__all__ = ["FREE", "SUFFIX", "Cost", "Delays", "family_delays", "read_delays"]
