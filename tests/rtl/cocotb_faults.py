"""The same tests on modules with planted faults, each with the fault that it must fail by and without any."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import cocotb

from tests.rtl import cocotb_axi_read, cocotb_axi_write, cocotb_axilite, cocotb_dot, cocotb_fifo, cocotb_memory
from tests.rtl.bench import FAULTS

MODULES: dict[str, ModuleType] = {
    "axi_read": cocotb_axi_read, "axi_write": cocotb_axi_write, "axilite": cocotb_axilite, "dot": cocotb_dot,
    "fifo": cocotb_fifo, "memory": cocotb_memory,
}  # fmt: skip
OPTIONS = {
    "axi_read.limits_of_bursts": {"name": "r128", "weather": "varying"},
    "axi_write.limits_of_bursts": {"name": "w128", "weather": "varying"},
    "axi_read.giving_up": {"name": "r128"},
    "axi_write.giving_up": {"name": "w128"},
}
SOUND = sorted({fault.test for fault in FAULTS})


async def run(dut: Any, test: str) -> None:
    """One test of the other modules."""
    module, _, name = test.partition(".")
    await getattr(MODULES[module], name).func(dut, **OPTIONS.get(test, {}))


@cocotb.test()
@cocotb.parametrize(test=SOUND)
async def sound(dut: Any, test: str) -> None:
    """Without a fault, every test passes."""
    dut.fault.value = 0
    await run(dut, test)


@cocotb.test()
@cocotb.parametrize(number=range(1, len(FAULTS) + 1))
async def faulty(dut: Any, number: int) -> None:
    """With it, the test fails."""
    dut.fault.value = number
    await run(dut, FAULTS[number - 1].test)
