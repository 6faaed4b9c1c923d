"""Places of the operands of products in the compute unit's ring, and the operands that come ahead."""

from __future__ import annotations

from edgemoe_gen.base.errors import CapacityError
from edgemoe_gen.design import Design
from edgemoe_gen.hardware.descriptor import Operation
from edgemoe_gen.hardware.kinds import bit, facts_of, operand_number
from edgemoe_gen.hardware.memories import MEMORIES, PATHS
from edgemoe_gen.hardware.ring import OPEN_TILES


class Ring:
    """The ring of one program. Products take places in it one behind another.

    Args:
        design: the accelerator.
        ahead: whether first tiles may come during the operation before.
    """

    def __init__(self, design: Design, ahead: bool) -> None:
        self.design = design
        self.ahead = ahead
        self._word = 0  # where the next product's operands begin
        self._tile = 0

    def take(self, operation: Operation, before: Operation | None) -> dict[str, int]:
        """Fields of a product: place of its operands, and whether its first tile comes during the operation before.

        The first tile always does, unless the operation before has no compute unit or fills the cache of the operands.

        Raises:
            CapacityError: the ring is too small for one of its tiles.
        """
        convolves = bool(operation.flags & bit("SHIFTED"))
        most = self.design.convolution_words if convolves else self.design.max_in_words
        if operation.in_words > most:
            raise CapacityError(
                f"a product has {operation.in_words} words of inputs, but the operand ring takes {most} at a time",
                "raise max_map_channels or max_dim" if convolves else "raise max_hidden or max_dim",
            )
        ahead = False
        if before is not None and self.ahead:
            kind = facts_of(before.kind)
            fills_operands = kind.writes and MEMORIES[PATHS[before.path][1]].operands
            ahead = kind.in_region and (operation.operand == operand_number("WEIGHTS") or not fills_operands)
        fields = {"ring_word": self._word, "ring_tile": self._tile}
        words = operation.out_tiles * operation.in_words
        self._word = (self._word + words) % self.design.ring_words
        self._tile = (self._tile + operation.out_tiles) % OPEN_TILES
        return fields | {"flags": operation.flags | (bit("AHEAD") if ahead else 0)}
