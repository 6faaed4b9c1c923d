"""Energy of a frame, by a stated rule: products, sums and DDR traffic at published energies. Tier: estimate.

Source: M. Horowitz, "Computing's energy problem (and what we can do about it)", ISSCC 2014, figure 1.1.9 (45 nm,
0.9 V): a product of 8 x 8 bits 0.2 pJ, of 32 x 32 bits 3.1 pJ; a sum of 32 bits 0.1 pJ; 64 bits of DRAM 1.3 to 2.6 nJ.
Static power, clock tree and routing of an FPGA are left out: the energy ranks designs, it does not size a supply.

Published energies are taken to be those of random operands. A network's operands are not random: activations and
weights change fewer bits from one product to the next. RTL simulation counted how many fewer
(`benchmarks/activity.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

from edgemoe_gen.design import Design

PRODUCT_PJ = 3.1 / (32 * 32)  # a pair of bits; 8 x 8 bits by this rule are 0.19 pJ
SUM_PJ = 0.1 / 32  # a bit
DDR_PJ = 1300.0 / 64  # a bit: the lower end
# Toggles of a bit beside those of random bits, of the unit's factors and of its sums: a trained network on 2 x 8 x 8
# products a cycle, 1,800 cycles of a frame in six windows; single windows have 0.57 to 1.01, and 0.65 to 0.97.
PRODUCT_ACTIVITY = 0.8
SUM_ACTIVITY = 0.8


def energy_mj(design: Design, macs: Mapping[str, int], ddr_bytes: float) -> float:
    """Millijoules of a number of products and bytes.

    Args:
        design: the design with its widths.
        macs: multiply-accumulates of the network by kind of layer (`model.macs`), without padding; each counts with
            the width of its own weights, or of keys and values.
        ddr_bytes: bytes through all ports.
    """
    widths = design.knobs.widths
    bits = sum(count * widths.activation * widths.of_layer(layer) for layer, count in macs.items())
    products = bits * PRODUCT_PJ * PRODUCT_ACTIVITY
    sums = sum(macs.values()) * design.accumulator_bits * SUM_PJ * SUM_ACTIVITY
    return (products + sums + 8 * ddr_bytes * DDR_PJ) * 1e-9
