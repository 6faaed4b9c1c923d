"""Conditions under which parts of a loop's body run, as binary decision diagrams over one-bit values.

A condition is a number: 0 never, 1 always, others are nodes. Equal conditions have equal numbers.
"""

from __future__ import annotations

NEVER = 0
ALWAYS = 1


class Conditions:
    """The conditions of one loop. Atoms are numbers of the caller's."""

    def __init__(self) -> None:
        self._nodes: list[tuple[int, int, int]] = [(-1, 0, 0), (-1, 1, 1)]  # rank of the atom, where false, where true
        self._known: dict[tuple[int, int, int], int] = {}
        self._results: dict[tuple[int, int, int], int] = {}
        self._restricted: dict[tuple[int, int], int] = {}
        self._support: dict[int, frozenset[int]] = {0: frozenset(), 1: frozenset()}
        self._atoms: list[int] = []
        self._ranks: dict[int, int] = {}

    def atom(self, number: int) -> int:
        """The condition that an atom is true."""
        rank = self._ranks.get(number)
        if rank is None:
            rank = self._ranks[number] = len(self._atoms)
            self._atoms.append(number)
        return self._node(rank, 0, 1)

    def both(self, a: int, b: int) -> int:
        """a and b."""
        return self._chosen(a, b, 0)

    def either(self, a: int, b: int) -> int:
        """a or b."""
        return self._chosen(a, 1, b)

    def inverse(self, a: int) -> int:
        """not a."""
        return self._chosen(a, 0, 1)

    def within(self, condition: int, care: int) -> int:
        """A condition that is equal where `care` holds, and as simple as possible elsewhere."""
        if care <= 1 or condition <= 1:
            return condition if care else 0
        key = (condition, care)
        if key not in self._restricted:
            rank = min(self._nodes[condition][0], self._nodes[care][0])
            (c0, c1), (k0, k1) = self._halves(condition, rank), self._halves(care, rank)
            if k0 == 0:
                result = self.within(c1, k1)
            elif k1 == 0:
                result = self.within(c0, k0)
            elif self._nodes[condition][0] != rank:
                result = self.within(condition, self.either(k0, k1))
            else:
                result = self._node(rank, self.within(c0, k0), self.within(c1, k1))
            self._restricted[key] = result
        return self._restricted[key]

    def atoms(self, condition: int) -> frozenset[int]:
        """Atoms that a condition depends on."""
        if condition not in self._support:
            rank, no, yes = self._nodes[condition]
            self._support[condition] = self.atoms(no) | self.atoms(yes) | {self._atoms[rank]}
        return self._support[condition]

    def parts(self, condition: int) -> tuple[int, int, int]:
        """Of a condition that is not fixed: its first atom, and the conditions where that is false and true."""
        rank, no, yes = self._nodes[condition]
        return self._atoms[rank], no, yes

    def _node(self, rank: int, no: int, yes: int) -> int:
        if no == yes:
            return no
        key = (rank, no, yes)
        if key not in self._known:
            self._known[key] = len(self._nodes)
            self._nodes.append(key)
        return self._known[key]

    def _halves(self, condition: int, rank: int) -> tuple[int, int]:
        node = self._nodes[condition]
        return (node[1], node[2]) if condition > 1 and node[0] == rank else (condition, condition)

    def _chosen(self, a: int, b: int, c: int) -> int:
        """b where a holds, else c."""
        if a <= 1:
            return b if a else c
        if b == c or (b == 1 and c == 0):
            return b if b == c else a
        key = (a, b, c)
        if key not in self._results:
            rank = min(self._nodes[part][0] for part in key if part > 1)
            halves = [self._halves(part, rank) for part in key]
            no, yes = (self._chosen(*(half[side] for half in halves)) for side in (0, 1))
            self._results[key] = self._node(rank, no, yes)
        return self._results[key]


__all__ = ["ALWAYS", "NEVER", "Conditions"]
