"""FIFOs beside a queue, cycle by cycle."""

from __future__ import annotations

import random
from collections import deque
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from tests.rtl.bench import FIFOS, Instance

CYCLES = 1200
RATES = (0.0, 0.3, 0.7, 1.0)


class Pair:
    """A FIFO and what it should be."""

    def __init__(self, dut: Any, instance: Instance) -> None:
        self.name, self.depth = instance.name, instance.parameter("DEPTH")
        self.flows = instance.parameters.get("FLOW", "1'b1" if self.depth == 1 else "1'b0") == "1'b1"
        names = ("din", "write", "full_n", "dout", "empty_n", "read", "occupancy")
        self.din, self.write, self.full_n, self.dout, self.empty_n, self.read, self.occupancy = (
            getattr(dut, f"{instance.name}_{name}") for name in names
        )
        self.queue: deque[int] = deque()
        self.driven = (0, 0, 0)
        self.passed = 0

    def drive(self, write: int, read: int, value: int) -> None:
        """Inputs of the next cycle."""
        self.driven = (write, read, value)
        self.write.value, self.read.value, self.din.value = write, read, value

    def check(self) -> None:
        """What the FIFO shows in this cycle, and what happens at its end."""
        write, read, value = self.driven
        room = len(self.queue) < self.depth or (self.flows and read == 1)
        shown = (int(self.empty_n.value), int(self.full_n.value), int(self.occupancy.value))
        assert shown == (bool(self.queue), room, len(self.queue)), f"{self.name}: {shown}, model {len(self.queue)}"
        if self.queue:
            assert int(self.dout.value) == self.queue[0], f"{self.name} shows another element than the oldest"
            if read:
                self.queue.popleft()
                self.passed += 1
        if write and room:
            self.queue.append(value)


async def started(dut: Any) -> list[Pair]:
    """All FIFOs, after a reset."""
    pairs = [Pair(dut, instance) for instance in FIFOS]
    Clock(dut.fifo_ap_clk, 10, unit="ns").start()
    dut.fifo_ap_rst_n.value = 0
    for pair in pairs:
        pair.drive(1, 1, 0)  # which a reset ignores
    for _ in range(3):
        await RisingEdge(dut.fifo_ap_clk)
    dut.fifo_ap_rst_n.value = 1
    for pair in pairs:
        pair.drive(0, 0, 0)
    return pairs


@cocotb.test()
async def random_traffic(dut: Any) -> None:
    """Every output in every cycle, at changing rates of both sides."""
    chance = random.Random(random.random())
    pairs = await started(dut)
    rates = {}
    for cycle in range(CYCLES):
        await RisingEdge(dut.fifo_ap_clk)
        for pair in pairs:
            pair.check()
            if cycle % 60 == 0:
                rates[pair.name] = (chance.choice(RATES), chance.choice(RATES))
            writes, reads = rates[pair.name]
            pair.drive(chance.random() < writes, chance.random() < reads, chance.randrange(1 << 16))
    assert all(pair.passed > 50 for pair in pairs)


@cocotb.test()
async def an_element_every_cycle(dut: Any) -> None:
    """With both sides always willing, an element passes every cycle; every second one through a strict single place."""
    pairs = await started(dut)
    for cycle in range(41):
        await RisingEdge(dut.fifo_ap_clk)
        for pair in pairs:
            pair.check()
            pair.drive(1, 1, cycle)
    await RisingEdge(dut.fifo_ap_clk)
    for pair in pairs:
        pair.check()
        assert pair.passed == (20 if pair.name == "strict_1" else 40), f"{pair.name}: {pair.passed} in 40 cycles"


@cocotb.test()
async def a_reset_empties(dut: Any) -> None:
    """Elements from before a reset are gone, and the FIFO works again."""
    for _ in range(2):
        pairs = await started(dut)
        for value in range(3):
            await RisingEdge(dut.fifo_ap_clk)
            for pair in pairs:
                pair.check()
                pair.drive(1, 0, 100 + value)
