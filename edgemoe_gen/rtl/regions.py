"""A function as regions that run one after another: every innermost loop one, every piece without loops between them.

A loop becomes a pipeline that takes an iteration a cycle, a piece without loops a pipeline that is passed once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from edgemoe_gen.scheduling.flow import block_order, innermost_loops, natural_loops, predecessors
from edgemoe_gen.scheduling.ir import Function, Location


@dataclass(frozen=True, eq=False)
class Region:
    """Blocks that run together.

    Attributes:
        number: in the order of the function.
        header: the block of its entry.
        blocks: its blocks, each before its successors.
        is_loop: whether its blocks lead back to its header.
        location: source line of a loop's statement, or None.
    """

    number: int
    header: str
    blocks: tuple[str, ...]
    is_loop: bool
    location: Location | None


@dataclass(frozen=True)
class Regions:
    """The regions of a function. `of` is by block; `before` are the blocks that each block is reached from."""

    regions: tuple[Region, ...]
    of: Mapping[str, Region]
    before: Mapping[str, list[str]]


def find_regions(function: Function, callees: Collection[str] = ()) -> Regions:
    """Cuts a function into regions. Calls of `callees`, which are separate modules, end their region.

    So a loop with such a call is no pipeline, even if it is an innermost loop.
    """
    order = block_order(function)
    before = predecessors(function, order)
    calls = {
        name
        for name, block in function.blocks.items()
        if any(i.opcode == "call" and i.detail in callees for i in block.instructions)
    }
    loops = {loop.header: loop for loop in innermost_loops(function) if not calls & set(loop.blocks)}
    inside = {block: header for header, loop in loops.items() for block in loop.blocks}
    heads = {order[0], *(loop.header for loop in natural_loops(function))}
    for block in order:
        for target in function.blocks[block].successors:
            if block in calls or (block in inside and inside.get(target) != inside[block]):
                heads.add(target)
    first: dict[str, str] = {}  # of a block, the header of its region
    blocks: dict[str, list[str]] = {}
    for block in order:
        if block in inside:
            first[block] = inside[block]
        else:
            came = {first.get(other, "") for other in before[block]}
            joins = block not in heads and len(came) == 1 and next(iter(came)) not in loops
            first[block] = next(iter(came)) if joins else block
        blocks.setdefault(first[block], []).append(block)
    regions = tuple(
        Region(n, header, tuple(found), header in loops, loops[header].location if header in loops else None)
        for n, (header, found) in enumerate(blocks.items())
    )
    return Regions(regions, {block: region for region in regions for block in region.blocks}, before)


__all__ = ["Region", "Regions", "find_regions"]
