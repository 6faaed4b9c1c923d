"""Accesses of a loop that may meet: those of one FIFO, and those of one array if their places may be equal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import gcd

from edgemoe_gen.scheduling.memory import Access


@dataclass(frozen=True)
class Group:
    """Accesses that may meet, in the order of the program. `kind` is that of their variable."""

    name: str
    kind: str
    accesses: tuple[Access, ...]


def access_groups(accesses: Iterable[Access]) -> list[Group]:
    """All accesses in groups; every access belongs to one group."""
    by_variable: dict[tuple[str, str], list[Access]] = {}
    for access in accesses:
        by_variable.setdefault((access.pointer.variable, access.channel), []).append(access)
    groups = []
    for (_, channel), found in by_variable.items():
        variable = found[0].variable
        if variable.kind in ("fifo", "axi"):
            groups.append(Group(channel, variable.kind, tuple(found)))
        else:
            groups += [Group(variable.name, variable.kind, tuple(part)) for part in _separate(found)]
    return groups


def _separate(accesses: Sequence[Access]) -> list[list[Access]]:
    """Accesses to one variable, apart where their places can't overlap."""
    if accesses[0].variable.whole and any(access.pointer.terms for access in accesses):
        members = [list(accesses)]
    else:
        members = _apart([(access.pointer.offset, _reach(access), access) for access in accesses])
    parts = []
    for member in members:
        parts += [member] if accesses[0].variable.one_word else _banks(member)
    return parts


def _banks(accesses: Sequence[Access]) -> list[list[Access]]:
    """Accesses to one array, apart where they never touch the same part of an element, whatever their indices are."""
    scales = [scale for access in accesses for scale, _ in access.pointer.terms]
    if not scales:
        return [list(accesses)]
    unit = gcd(*scales)
    places = [access.pointer.offset % unit for access in accesses]
    if any(place + access.bytes > unit for place, access in zip(places, accesses, strict=True)):
        return [list(accesses)]
    return _apart([(place, access.bytes, access) for place, access in zip(places, accesses, strict=True)])


def _apart(intervals: Sequence[tuple[int, int, Access]]) -> list[list[Access]]:
    """Accesses by intervals (start, length) that overlap, each set in the order of the program."""
    parts: list[list[int]] = []
    end: int | None = None
    for i in sorted(range(len(intervals)), key=lambda i: intervals[i][0]):
        start, length, _ = intervals[i]
        if end is None or start >= end:
            parts.append([])
            end = start
        parts[-1].append(i)
        end = max(end, start + length)
    return [[intervals[i][2] for i in sorted(part)] for part in parts]


def _reach(access: Access) -> int:
    """Bytes behind its fixed offset that belong to the same array: a member of a struct begins behind them.

    An index may go as far as the array does, which no pointer says; the next member begins at least one element later.
    """
    return max([access.bytes, *(scale for scale, _ in access.pointer.terms)])


__all__ = ["Group", "access_groups"]
