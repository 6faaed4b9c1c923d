"""Names of the engine that scripts, block design, package and reports share."""

from __future__ import annotations

TOP = "edgemoe_engine"  # function that becomes hardware, IP, and instance in the block design
IP_VENDOR, IP_LIBRARY, IP_VERSION = "edgemoe", "hls", "1.0"
VLNV = f"{IP_VENDOR}:{IP_LIBRARY}:{TOP}:{IP_VERSION}"
BITSTREAM, HANDOFF = "edgemoe.bit", "edgemoe.hwh"  # as the Vivado script leaves them
