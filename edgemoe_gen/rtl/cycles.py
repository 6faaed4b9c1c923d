"""Cycles and fills of FIFOs of an engine in RTL, beside those of the timed simulation that follows the same stages."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from edgemoe_gen.rtl.simulation import EngineRun
from edgemoe_gen.timing.result import TimedResult


@dataclass(frozen=True)
class KindRow:
    """Operations of one kind.

    Attributes:
        kind: layer without numbers, such as "scores".
        rtl, timed: cycles of all of them.
        least, most: extremes over operations of RTL less timed simulation.
    """

    kind: str
    operations: int
    rtl: int
    timed: int
    least: int
    most: int


@dataclass(frozen=True)
class FifoRow:
    """One FIFO: its depth, and the places that each side needs."""

    name: str
    depth: int
    rtl: int
    timed: int


@dataclass(frozen=True)
class Comparison:
    """Both sides.

    Attributes:
        rtl, timed: cycles of the whole run.
        kinds: rows in the order of their first operations.
        fifos: FIFOs that both sides know.
    """

    rtl: int
    timed: int
    kinds: tuple[KindRow, ...]
    fifos: tuple[FifoRow, ...]

    @property
    def share(self) -> float:
        """Share by which RTL takes longer."""
        return self.rtl / self.timed - 1


def compare_cycles(run: EngineRun, timed: TimedResult, operations: int) -> Comparison:
    """Compares the last run of an RTL simulation with a timed run of the same program and number of operations."""
    found: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for ours, theirs in zip(run.operations[:operations], timed.operations[:operations], strict=True):
        found[kind_of(theirs.label)].append((ours.cycles, theirs.cycles))
    return Comparison(
        run.cycles[-1],
        timed.cycles,
        tuple(_row(kind, pairs) for kind, pairs in found.items()),
        tuple(_fifos(run, timed)),
    )


def kind_of(label: str) -> str:
    """Kind of a layer, such as "experts.fc1" of "blocks.3.experts.7.fc1.0"."""
    return re.sub(r"(^|\.)(blocks\.)?\d+(?=\.|$)", "", label).removeprefix("blocks").strip(".")


def _row(kind: str, pairs: Sequence[tuple[int, int]]) -> KindRow:
    differences = [ours - theirs for ours, theirs in pairs]
    sums = (sum(ours for ours, _ in pairs), sum(theirs for _, theirs in pairs))
    return KindRow(kind, len(pairs), *sums, min(differences), max(differences))


def _fifos(run: EngineRun, timed: TimedResult) -> list[FifoRow]:
    # RTL numbers what the sources have as an array: sums_0 of sums[0].
    known = {re.sub(r"\[(\d+)\]", r"_\1", fifo.name): fifo for fifo in timed.fifos}
    rows = []
    for name, fill in sorted(run.fills.items()):
        fifo = known.get(name.rpartition(".")[2])
        if fifo is not None:
            rows.append(FifoRow(fifo.name, fifo.depth, fill, fifo.highest))
    return rows


__all__ = ["Comparison", "FifoRow", "KindRow", "compare_cycles", "kind_of"]
