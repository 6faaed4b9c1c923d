"""One design: every size of the accelerator, its memories and FIFOs, and its identity.

Imports nothing of model or program. Templates, packer and estimate all read `Design`, so they agree by construction.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property, lru_cache

from edgemoe_gen.base.installed import resource_folder
from edgemoe_gen.design.fifos import Fifo, fifos
from edgemoe_gen.design.knobs import PROGRAM_KNOBS
from edgemoe_gen.design.sizes import Sizes
from edgemoe_gen.design.storage import Memory, StoragePlan, memories, plan_storage
from edgemoe_gen.hardware.descriptor import contract
from edgemoe_gen.hardware.memories import STAND_IN_DEPTH
from edgemoe_gen.numerics import tables


@dataclass(frozen=True)
class Design(Sizes):
    """A checked design: sizes, FIFOs and storage.

    Make one with `make_design`.

    Attributes:
        fifo_depths: depths of FIFOs, by name, that replace the design's own.
    """

    fifo_depths: Mapping[str, int] = field(default_factory=dict, hash=False)

    @cached_property
    def fifos(self) -> dict[str, Fifo]:
        """Every FIFO by name."""
        return fifos(self, self.fifo_depths)

    @cached_property
    def memories(self) -> tuple[Memory, ...]:
        """Every memory, in the order of the data path."""
        return memories(self, self.fifos)

    @cached_property
    def storage(self) -> StoragePlan:
        """The primitive of each memory."""
        return plan_storage(self.board, self.memories)

    @property
    def split_depth(self) -> int:
        """Addresses of the first array of every split memory; a second array holds the others. 0: none is split."""
        return self.storage.split_depth

    @property
    def first_depth(self) -> int:
        """Addresses of the first array of the deepest memory: the depth of an operation's parameters."""
        return min(self.shared_depth, self.split_depth or self.shared_depth)

    @property
    def rest_depth(self) -> int:
        """Addresses of the second array of the deepest memory; without one, of the stand-in."""
        return max(self.shared_depth - self.first_depth, STAND_IN_DEPTH)

    # Tables

    @cached_property
    def exp2_table(self) -> tables.Table:
        """Table of the exponential."""
        return _table(tables.exp2_table, self.knobs.exp_segments)

    @cached_property
    def gelu_table(self) -> tables.Table:
        """Table of GELU's tail."""
        return _table(tables.gelu_table, self.knobs.gelu_segments)

    @cached_property
    def reciprocal_table(self) -> tables.Table:
        """Table of the reciprocal."""
        return _table(tables.reciprocal_table, self.knobs.reciprocal_segments)

    @cached_property
    def rsqrt_table(self) -> tables.Table:
        """Table of the reciprocal square root."""
        return _table(tables.rsqrt_table, self.knobs.rsqrt_segments)

    @cached_property
    def identity(self) -> int:
        """64 bits that name this design: the knobs that shape the hardware, and the sources that it is rendered from.

        A program carries the identity, and the engine refuses a program with another identity.
        """
        # Which kinds of weights are narrow is the program's affair.
        shape = {name: value for name, value in asdict(self.knobs).items() if name not in ("clock_mhz", *PROGRAM_KNOBS)}
        shape |= {"narrow_weight_bits": self.narrow_weight_bits, "cache_bits": self.cache_bits}
        shape["contract"] = contract()
        digest = hashlib.sha256(json.dumps(shape, sort_keys=True).encode())
        for folder in ("hls", "templates"):
            # What lies in folders below, the scripts of the vendor flow, shapes no program.
            for path in sorted(resource_folder(folder).glob("*")):
                if path.is_file():
                    digest.update(path.name.encode())
                    digest.update(path.read_bytes())
        return int.from_bytes(digest.digest()[:8], "little")


@lru_cache(maxsize=256)
def _table(make: Callable[[int], tables.Table], segments: int) -> tables.Table:
    """A table, cached: many designs share their tables, which take longer to compute than all else of a design."""
    return make(segments)
