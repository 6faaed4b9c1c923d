"""Control flow of a function: order of its blocks, dominators, and its innermost loops."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgemoe_gen.scheduling.ir import Function, Location


@dataclass(frozen=True)
class NaturalLoop:
    """An innermost loop.

    Attributes:
        header: block that every iteration begins with.
        blocks: of its body, each before those that follow it.
        latches: blocks that go back to the header.
        location: source line of its statement, or None.
    """

    header: str
    blocks: tuple[str, ...]
    latches: tuple[str, ...]
    location: Location | None


def innermost_loops(function: Function) -> tuple[NaturalLoop, ...]:
    """The loops that hold no other, in the order of the function."""
    loops = natural_loops(function)
    return tuple(
        loop for loop in loops if not any(other is not loop and other.header in loop.blocks for other in loops)
    )


def natural_loops(function: Function) -> tuple[NaturalLoop, ...]:
    """All loops, in the order of the function."""
    order = block_order(function)
    before = predecessors(function, order)
    dominators = _dominators(order, before)
    bodies: dict[str, set[str]] = {}
    latches: dict[str, list[str]] = {}
    for block in order:
        for target in function.blocks[block].successors:
            if target in dominators[block]:
                body = bodies.setdefault(target, {target})
                latches.setdefault(target, []).append(block)
                waiting = [block]
                while waiting:
                    at = waiting.pop()
                    if at not in body:
                        body.add(at)
                        waiting += before[at]
    loops = []
    for header, body in bodies.items():
        location = next((function.blocks[latch].loop for latch in latches[header]), None)
        blocks = tuple(block for block in order if block in body)
        loops.append(NaturalLoop(header, blocks, tuple(latches[header]), location))
    return tuple(loops)


def block_order(function: Function) -> list[str]:
    """Reachable blocks, each before its successors except for the back edges of loops."""
    entry = next(iter(function.blocks))
    done: list[str] = []
    seen = {entry}
    stack = [(entry, iter(function.blocks[entry].successors))]
    while stack:
        block, targets = stack[-1]
        for target in targets:
            if target not in seen:
                seen.add(target)
                stack.append((target, iter(function.blocks[target].successors)))
                break
        else:
            done.append(block)
            stack.pop()
    return done[::-1]


def predecessors(function: Function, order: list[str]) -> dict[str, list[str]]:
    """Blocks from which each block is reached."""
    before: dict[str, list[str]] = {block: [] for block in order}
    for block in order:
        for target in function.blocks[block].successors:
            before[target].append(block)
    return before


def _dominators(order: list[str], before: Mapping[str, list[str]]) -> dict[str, frozenset[str]]:
    """Of every block, those that each way to it passes."""
    everything = frozenset(order)
    found = dict.fromkeys(order, everything)
    found[order[0]] = frozenset({order[0]})
    changed = True
    while changed:
        changed = False
        for block in order[1:]:
            common = everything
            for other in before[block]:
                common = common & found[other]
            common = common | {block}
            if common != found[block]:
                found[block] = common
                changed = True
    return found


__all__ = ["NaturalLoop", "block_order", "innermost_loops", "natural_loops", "predecessors"]
