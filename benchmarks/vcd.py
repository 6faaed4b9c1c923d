"""Reads a trace (VCD) that `edgemoe-gen rtl --simulate --trace` writes: signals by their paths, and every change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Signal:
    """One signal; several may share a code, where the simulator knows that they are the same.

    Attributes:
        path: instances from the top on, and the name, with dots between.
        bits: of it.
        code: by which changes name it.
    """

    path: str
    bits: int
    code: str


def signals(path: Path) -> list[Signal]:
    """What a trace declares."""
    found, scopes = [], []
    with path.open(encoding="ascii") as file:
        for line in file:
            words = line.split()
            if not words:
                continue
            if words[0] == "$scope":
                scopes.append(words[2])
            elif words[0] == "$upscope":
                scopes.pop()
            elif words[0] == "$var":
                name = words[4].partition("[")[0]
                found.append(Signal(".".join([*scopes, name]), int(words[2]), words[3]))
            elif words[0] == "$enddefinitions":
                return found
    raise ValueError(f"{path} is no trace: its definitions do not end")


def changes(path: Path) -> Iterator[tuple[int, str, str]]:
    """Time, code and new value, in binary digits without leading zeros, of every change; all values come at first."""
    time, is_declared = 0, True
    with path.open(encoding="ascii") as file:
        for line in file:
            if is_declared:
                is_declared = not line.startswith("$enddefinitions")
            elif line[0] == "#":
                time = int(line[1:])
            elif line[0] == "b":
                value, _, code = line[1:].rstrip().partition(" ")
                yield time, code, value
            elif line[0] in "01xz":
                yield time, line[1:].rstrip(), line[0]


def sampled(path: Path, names: Mapping[str, str], period: int) -> dict[str, dict[int, int]]:
    """Values of some signals in every cycle of a trace, by label and cycle.

    Args:
        path: of the trace.
        names: of signals, by label; the end of a path that no other signal has.
        period: of the clock, in the trace's unit; a cycle's values are those in its second half.

    Raises:
        ValueError: there is no such signal, or there are several.
    """
    codes: dict[str, list[str]] = {}
    for label, name in names.items():
        met = {signal.code for signal in signals(path) if f".{signal.path}".endswith(f".{name}")}
        if len(met) != 1:
            raise ValueError(f"{len(met)} signals are called {name}")
        codes.setdefault(met.pop(), []).append(label)
    found: dict[str, dict[int, int]] = {label: {} for label in names}
    now = dict.fromkeys(codes, 0)
    cycle: int | None = None

    def keep(until: int) -> None:
        nonlocal cycle
        while cycle is not None and cycle < until:
            for code, labels in codes.items():
                for label in labels:
                    found[label][cycle] = now[code]
            cycle += 1

    time = 0
    for time, code, value in changes(path):
        if cycle is None:
            cycle = time // period
        keep(time // period)
        if code in now:
            now[code] = int(value, 2) if value.isdigit() else 0
    keep(time // period + 1)
    return found
