"""Chains of products beside sums of Python, in a pipeline that stalls from any of its stages on."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from tests.rtl.bench import DOTS, Instance

CYCLES = 800
FIRST = 12  # cycles until every chain holds what was given to it


@dataclass
class Iteration:
    """Factors and addends of one sum."""

    a: list[int]
    b: list[int]
    c: list[int]


class Chain:
    """A chain, and the iterations that are in its stages."""

    def __init__(self, dut: Any, instance: Instance, chance: random.Random) -> None:
        self.count = instance.parameter("PRODUCTS")
        self.bits = {port: instance.parameter(f"{port.upper()}_BITS") for port in "abc"}
        self.width = instance.parameter("BITS")
        self.takes = int(str(instance.parameters["ADDENDS"]).rpartition("'h")[2], 16)
        self.ports = {name: getattr(dut, f"{instance.name}_{name}") for name in ("go", "a", "b", "c", "sum")}
        self.chance = chance
        self.stages: list[Iteration] = [self.iteration() for _ in range(self.count + 3)]
        self.stalls = 0

    def iteration(self) -> Iteration:
        """Random values, extreme ones among them."""

        def values(bits: int) -> list[int]:
            low, high = -(1 << bits - 1), (1 << bits - 1) - 1
            return [self.chance.choice((low, high, self.chance.randint(low, high))) for _ in range(self.count)]

        return Iteration(values(self.bits["a"]), values(self.bits["b"]), values(self.bits["c"]))

    def drive(self, stalls: bool) -> int:
        """Inputs of a cycle. A stage that waits holds those before it."""
        first = self.chance.choice((0, self.chance.randint(1, self.count + 2))) if stalls else 0  # that stand still
        self.stalls += first > 0
        go = (1 << self.count + 2) - (1 << first)
        self.ports["go"].value = go
        for port in "abc":
            packed = 0
            for k in range(self.count):
                stage = k + 1 if port == "c" else max(0, k - 1)
                value = getattr(self.stages[stage], port)[k] & (1 << self.bits[port]) - 1
                packed |= value << k * self.bits[port]
            self.ports[port].value = packed
        return go

    def step(self, go: int) -> None:
        """What moves at the end of a cycle."""
        before = list(self.stages)
        for stage in range(self.count + 2):
            if go >> stage & 1:
                self.stages[stage + 1] = before[stage]
        if go & 1:
            self.stages[0] = self.iteration()

    def check(self) -> None:
        """The sum that the last stage shows."""
        last = self.stages[-1]
        total = sum(a * b for a, b in zip(last.a, last.b, strict=True))
        total += sum(c for k, c in enumerate(last.c) if self.takes >> k & 1)
        assert int(self.ports["sum"].value) == total & (1 << self.width) - 1


@cocotb.test()
async def sums(dut: Any) -> None:
    """Every sum, whatever stands still."""
    chance = random.Random(random.random())
    chains = [Chain(dut, instance, chance) for instance in DOTS]
    Clock(dut.dot_ap_clk, 10, unit="ns").start()
    for cycle in range(CYCLES):
        moves = [chain.drive(cycle >= FIRST) for chain in chains]
        await RisingEdge(dut.dot_ap_clk)
        for chain, go in zip(chains, moves, strict=True):
            if cycle >= FIRST:
                chain.check()
            chain.step(go)
    assert all(chain.stalls > CYCLES / 4 for chain in chains)
