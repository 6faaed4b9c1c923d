"""Parts that the stand-ins have "installed", with what each has: block RAM of 18 Kbit, DSP, FF, LUT, UltraRAM.

From DS891 (Zynq UltraScale+ MPSoC product tables) and DS987 (Kria K26).
"""

from __future__ import annotations

PARTS: dict[str, dict[str, int]] = {
    "xczu7ev-ffvc1156-2-e": {"BRAM_18K": 624, "DSP": 1728, "FF": 460800, "LUT": 230400, "URAM": 96},
    "xczu9eg-ffvb1156-2-e": {"BRAM_18K": 1824, "DSP": 2520, "FF": 548160, "LUT": 274080, "URAM": 0},
    "xck26-sfvc784-2LV-c": {"BRAM_18K": 288, "DSP": 1248, "FF": 234240, "LUT": 117120, "URAM": 64},
    "xczu3eg-sbva484-1-i": {"BRAM_18K": 432, "DSP": 360, "FF": 141120, "LUT": 70560, "URAM": 0},
}
