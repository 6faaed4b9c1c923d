"""The ring of operands in the compute unit: constants shared by kernel, packer, memories and estimate."""

from __future__ import annotations

# Tiles of operands that are in the ring at once, each with its biases. A program numbers tiles modulo this.
OPEN_TILES = 16
# Iterations between writing a place of the ring and reading it, and the other way round: as long as the pipeline may
# take from one to the other.
RING_DISTANCE = 4
# Words of two tiles of a convolution that the ring is made for, at most: beyond, the end of a tile comes while it runs.
CONVOLUTION_RING = 512
