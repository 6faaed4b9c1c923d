"""Energy of a frame, by a stated rule: products, sums and DDR traffic at published energies. Tier: of its inputs.

Source: M. Horowitz, "Computing's energy problem (and what we can do about it)", ISSCC 2014, figure 1.1.9 (45 nm,
0.9 V): a product of 8 x 8 bits 0.2 pJ, of 32 x 32 bits 3.1 pJ; a sum of 32 bits 0.1 pJ; 64 bits of DRAM 1.3 to 2.6 nJ.
Nothing static, no clock tree, no routing of an FPGA: it ranks designs, it does not size a supply.
"""

from __future__ import annotations

from collections.abc import Mapping

from edgemoe_gen.design import Design

PRODUCT_PJ = 3.1 / (32 * 32)  # a pair of bits; 8 x 8 bits by this rule are 0.19 pJ
SUM_PJ = 0.1 / 32  # a bit
DDR_PJ = 1300.0 / 64  # a bit: the lower end


def energy_mj(design: Design, macs: Mapping[str, int], ddr_bytes: float) -> float:
    """Millijoules of so many products and bytes.

    Args:
        design: gives the widths.
        macs: multiply-accumulates of the network by kind of layer (`model.macs`), without padding; each counts with
            the width of its own weights, or of keys and values.
        ddr_bytes: through all ports.
    """
    widths = design.knobs.widths
    products = sum(count * widths.activation * widths.of_layer(layer) for layer, count in macs.items()) * PRODUCT_PJ
    sums = sum(macs.values()) * SUM_PJ * design.accumulator_bits
    return (products + sums + 8 * ddr_bytes * DDR_PJ) * 1e-9
