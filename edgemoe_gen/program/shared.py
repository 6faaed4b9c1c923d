"""Common parts of frames that share a pass of the weights: their rows, and products over all of them.

Work that does not fit on the chip at once is cut as for a full pass of the design, also for fewer frames. So all
programs of a network read the same weights and round alike.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from edgemoe_gen.base.errors import CapacityError
from edgemoe_gen.design import Design
from edgemoe_gen.model import ModelSpec
from edgemoe_gen.numerics.formats import Formats
from edgemoe_gen.numerics.lower import Linear
from edgemoe_gen.program.builder import Builder
from edgemoe_gen.program.places import Gathering, Place, Rows
from edgemoe_gen.program.product import PLAIN, Finish, Weights


@dataclass(frozen=True)
class Shared:
    """Rows of the frames of one pass, in all memories.

    Attributes:
        builder: takes the operations.
        spec: of the network.
        formats: its binary points.
        rows: of the frames.
    """

    builder: Builder
    spec: ModelSpec
    formats: Formats
    rows: Rows

    @property
    def design(self) -> Design:
        """The accelerator."""
        return self.builder.design

    def first_block(self, memory: str, frame: int) -> int:
        """First block of a frame in a memory."""
        return self.builder.memory_blocks(memory, frame * self.rows.pitch)

    def of_frame(self, place: Place, frame: int) -> Place:
        """The part of a place that holds a frame's rows."""
        return replace(place, block=place.block + self.first_block(place.memory, frame))

    def capacity_words(self, memory: str) -> int:
        """Words of a row, if a memory holds a full pass of this network."""
        return self.builder.capacity_words(memory, self.design.pass_rows(self.spec.tokens))

    def hidden_columns(self) -> int:
        """Columns of this network's tokens in the hidden memory, as far as the weight buffer can use them.

        Raises:
            CapacityError: the memory does not hold one output tile.
        """
        words = min(self.capacity_words("hidden"), self.design.max_in_words)
        columns = words * self.design.knobs.in_parallel
        if columns < self.design.knobs.out_parallel:
            raise CapacityError(
                f"the hidden memory holds {columns} columns of {self.design.pass_rows(self.rows.tokens)} rows, less "
                "than one output tile",
                "raise the knob max_hidden",
            )
        return columns

    def linear(
        self,
        key: str,
        name: str,
        linear: Linear,
        source: Place,
        destination: Place,
        finish: Finish = PLAIN,
        expert: int = -1,
        gathering: Gathering | None = None,
    ) -> None:
        """A product with weights over all rows, see `Builder.linear`; `key` names the weights, `name` their format."""
        self.builder.layer = key
        weights = Weights(linear, self.formats[name], key)
        self.builder.linear(weights, source, destination, self.rows.total, finish, expert, gathering)
