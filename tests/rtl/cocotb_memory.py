"""Memories and ROMs beside lists."""

from __future__ import annotations

import random
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from tests.rtl.bench import MEMORIES, ROM_WORDS, ROMS, Instance

CYCLES = 1500


class Pair:
    """A memory and what it should be."""

    def __init__(self, dut: Any, instance: Instance) -> None:
        self.name = instance.name
        self.width, self.depth = instance.parameter("WIDTH"), instance.parameter("DEPTH")
        self.lanes, self.latency = instance.parameter("LANES"), instance.parameter("LATENCY")
        names = ("write_enable", "write_address", "write_data", "read_enable", "read_address", "read_data")
        self.ports = [getattr(dut, f"{instance.name}_{name}") for name in names]
        self.words = [0] * self.depth
        self.stages: list[int | None] = [None] * self.latency
        self.driven = [0] * 5
        self.collisions = 0

    def drive(self, *values: int) -> None:
        """Inputs of the next cycle."""
        self.driven = list(values)
        for port, value in zip(self.ports, values, strict=False):
            port.value = value

    def check(self) -> None:
        """What the memory shows in this cycle, and what happens at its end."""
        enable, write_address, data, moves, read_address = self.driven
        if self.stages[-1] is not None:
            assert int(self.ports[5].value) == self.stages[-1], f"{self.name} gives another word"
        mask, lane = 0, self.width // self.lanes
        for number in range(self.lanes):
            if enable >> number & 1:
                mask |= (1 << lane) - 1 << number * lane
        old = list(self.stages)
        for stage in range(self.latency):
            if moves >> stage & 1:
                word = self.words[read_address]
                if write_address == read_address:
                    self.collisions += mask != 0
                    word ^= mask  # undefined: the simulation gives the complement
                self.stages[stage] = old[stage - 1] if stage else word
        self.words[write_address] = self.words[write_address] & ~mask | data & mask


@cocotb.test()
async def random_accesses(dut: Any) -> None:
    """Lanes, latencies, stalls of single stages, and collisions."""
    chance = random.Random(random.random())
    pairs = [Pair(dut, instance) for instance in MEMORIES]
    Clock(dut.memory_ap_clk, 10, unit="ns").start()
    for address in range(13):
        for pair in pairs:
            pair.drive((1 << pair.lanes) - 1, address, chance.randrange(1 << pair.width), 0, 0)
        await RisingEdge(dut.memory_ap_clk)
        for pair in pairs:
            pair.check()
    for _ in range(CYCLES):
        for pair in pairs:
            pair.drive(
                chance.randrange(1 << pair.lanes) if chance.random() < 0.6 else 0,
                chance.randrange(pair.depth),
                chance.randrange(1 << pair.width),
                chance.choice(((1 << pair.latency) - 1, chance.randrange(1 << pair.latency))),
                chance.randrange(pair.depth),
            )
        await RisingEdge(dut.memory_ap_clk)
        for pair in pairs:
            pair.check()
    assert all(pair.collisions > 20 for pair in pairs)


@cocotb.test()
async def tables(dut: Any) -> None:
    """Every word of a ROM from a parameter and of one from a file, after its latency."""
    Clock(dut.rom_ap_clk, 10, unit="ns").start()
    for instance in ROMS:
        latency = instance.parameter("LATENCY")
        address, enable, data = (
            getattr(dut, f"{instance.name}_{name}") for name in ("read_address", "read_enable", "read_data")
        )
        enable.value = (1 << latency) - 1
        seen = []
        for place in [*range(len(ROM_WORDS)), *[0] * latency]:
            address.value = place
            await RisingEdge(dut.rom_ap_clk)
            seen.append(int(data.value))
        assert seen[latency:] == ROM_WORDS, f"{instance.name}: {seen}"
