"""The engine as its driver uses it: buffers in memory, registers by name, runs that are waited for.

All facts of the design are in engine.json; buffers are the files that the build has left beside the sources.
"""

from __future__ import annotations

import json
import logging
import os
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, First, RisingEdge
from cocotbext.axi import AxiLiteBus, AxiLiteMaster
from memory import PAGE, PERIOD_NS, Memory, Port, ReadPort, Weather, WritePort, cycle, gentle

HERE = Path(__file__).resolve().parent
FACTS = json.loads((HERE / "engine.json").read_text(encoding="utf-8"))
DATA = Path(os.environ.get("EDGEMOE_DATA") or HERE.parent / "data" / "cosim")
STATUSES = [name for name, _ in FACTS["statuses"]]
UNWRITTEN = 0xA5  # what the result's buffer holds before a run
# The engine is taken for hanging when nothing has gone over a port for so many cycles. Nothing keeps it from reading
# weights for longer than the longest operation takes.
QUIET_CYCLES = 50_000
RESET_CYCLES = 8


def contents(name: str) -> bytes:
    """A file of the build."""
    path = DATA / name
    assert path.is_file(), f"{path} is missing: `edgemoe-gen build` leaves it there, with the stages render and csim"
    return path.read_bytes()


def buffers() -> dict[str, bytes]:
    """What lies in memory, by the engine's arguments; that of the result as it has to be in the end."""
    weights, header = contents("weights.bin"), FACTS["weight_header"]
    words = [int.from_bytes(weights[4 * word : 4 * word + 4], "little") for word in range(header["words"])]
    ports, beat = words[header["ports"]], words[header["beat_bytes"]]
    first, share = 4 * header["words"], words[header["beats"]] * beat
    found = {f"weights_{port}": weights[first + port * share :][:share] for port in range(ports)}
    found |= {"program": contents("program.bin"), "constants": weights[first + ports * share :]}
    found |= {"image": contents("image.bin"), "result": contents("expected.bin")}
    # The engine reads whole beats, and a buffer may be empty.
    return {name: content + bytes(-len(content) % beat or (0 if content else beat)) for name, content in found.items()}


class Engine:
    """Clock, reset, registers and memory."""

    def __init__(self, dut: Any, weather: Weather | None = None) -> None:
        self.dut, weather = dut, weather or Weather()
        self.chance = random.Random(random.random())  # cocotb seeds it for each test, from the seed of the run
        self.memory = Memory(FACTS["longest_burst"], self.chance)
        self.offsets: Mapping[str, int] = {name: register["offset"] for name, register in FACTS["registers"].items()}
        self.content = buffers()
        self.operations = int.from_bytes(self.content["program"][4 * FACTS["operations_word"] :][:4], "little")
        dut.ap_clk.value = 0
        dut.ap_rst_n.value = 0
        directions = {port["bundle"]: port["direction"] for port in FACTS["ports"]}
        self.ports: list[Port] = [
            (ReadPort if direction == "read" else WritePort)(dut, bundle, self.memory, weather, self.chance)
            for bundle, direction in directions.items()
        ]
        bus = AxiLiteBus.from_prefix(dut, "s_axi_control")
        self.control = AxiLiteMaster(bus, dut.ap_clk, dut.ap_rst_n, reset_active_level=False)
        write, read = self.control.write_if, self.control.read_if
        for half in (write, read):
            half.log.setLevel(logging.WARNING)  # a line for each access hides what matters
        for channel in (write.aw_channel, write.w_channel, write.b_channel, read.ar_channel, read.r_channel):
            gentle(channel, weather, self.chance)

    async def begin(self) -> None:
        """Clock, reset, memory with all buffers, and their addresses in the registers."""
        cocotb.start_soon(Clock(self.dut.ap_clk, PERIOD_NS, unit="ns").start())
        await ClockCycles(self.dut.ap_clk, RESET_CYCLES)
        self.dut.ap_rst_n.value = 1
        for port in self.ports:
            port.connect()
            port.start()
        await self.point_all()

    async def point_all(self, beat: int | None = None, within: int = 0) -> None:
        """Puts all buffers into memory, that of the result as a fresh one, and says where they lie.

        Args:
            beat: see `buffer`.
            within: what the registers hold beside the address of a beat.
        """
        for name, content in self.content.items():
            if name != "result":
                await self.point(name, self.buffer(content, beat) + within)
        self.result = await self.new_result(beat, within)

    async def reset(self) -> None:
        """The reset of the block design, in the middle of whatever goes on; interconnect and memory follow it."""
        self.dut.ap_rst_n.value = 0
        await ClockCycles(self.dut.ap_clk, RESET_CYCLES)
        self.memory.turns.forget()
        for port in self.ports:
            port.reset()
        self.dut.ap_rst_n.value = 1
        await ClockCycles(self.dut.ap_clk, RESET_CYCLES)

    def buffer(self, content: bytes, beat: int | None = None) -> int:
        """Puts a buffer into memory; gives its address, above 4 GiB.

        Args:
            content: of the buffer.
            beat: of a page, where it begins; None: any one, so that bursts meet the ends of pages.
        """
        size = FACTS["port_bits"] // 8
        end = max((first + len(held) for first, held in self.memory.buffers.items()), default=1 << 32)
        place = self.chance.randrange(PAGE // size) if beat is None else beat % (PAGE // size)
        address = (end // PAGE + 1) * PAGE + size * place
        self.memory.buffers[address] = bytearray(content)
        return address

    async def point(self, name: str, address: int) -> None:
        """Says where a buffer lies."""
        await self.write(f"{name}_1", address & 0xFFFFFFFF)
        await self.write(f"{name}_2", address >> 32)

    async def new_result(self, beat: int | None = None, within: int = 0) -> int:
        """A fresh buffer for the result, of which the engine is told; gives its address. See `point_all`."""
        address = self.buffer(bytes([UNWRITTEN]) * len(self.content["result"]), beat)
        await self.point("result", address + within)
        return address

    async def write(self, name: str, value: int) -> None:
        """Writes a register."""
        await self.control.write_dword(self.offsets[name], value)

    async def read(self, name: str) -> int:
        """Reads a register."""
        return int(await self.control.read_dword(self.offsets[name]))

    async def bit(self, name: str, field: str) -> bool:
        """Reads a bit of a register."""
        return bool(await self.read(name) >> FACTS["registers"][name]["bits"][field] & 1)

    async def start(self) -> None:
        """Starts a run."""
        self.stale = await self.read("progress")  # of the run before, until this one has its first operation
        self.started = cycle()
        self.memory.last_beat = cycle()
        await self.write("CTRL", 1)

    async def poll(self) -> None:
        """Waits for the end of a run by reading the control register, and looks at its progress meanwhile."""
        before = self.stale
        while not await self.bit("CTRL", "AP_DONE"):
            progress = await self.read("progress")
            right = before <= progress <= self.operations or before == self.stale
            assert right, f"progress {progress} after {before}, of {self.operations} operations"
            before = progress
            await self.alive()
            await ClockCycles(self.dut.ap_clk, 50)
        self.say()

    async def interrupt(self) -> None:
        """Waits for the interrupt."""
        while not self.dut.interrupt.value:
            await First(RisingEdge(self.dut.interrupt), ClockCycles(self.dut.ap_clk, 1_000))
            await self.alive()
        self.say()

    async def alive(self) -> None:
        """Ends a test that hangs."""
        quiet = cycle() - self.memory.last_beat
        if quiet > QUIET_CYCLES:
            progress = await self.read("progress")
            raise AssertionError(f"nothing moves for {quiet:,} cycles, in operation {progress} of {self.operations}")

    def say(self) -> None:
        """How long a run took."""
        self.dut._log.info("a run of %d cycles, bursts: %s", cycle() - self.started, self.memory.bursts)

    async def status(self) -> str:
        """Name of what the run ended with. The status is new once a run."""
        assert await self.bit("status_ctrl", "status_ap_vld"), "the run has written no status"
        value = await self.read("status")
        assert not await self.bit("status_ctrl", "status_ap_vld"), "reading does not clear the valid bit of the status"
        return STATUSES[value] if value < len(STATUSES) else f"status {value}"

    def compare(self, address: int) -> None:
        """Compares a result with that of C simulation, byte for byte."""
        found, expected = self.memory.buffers[address], self.content["result"]
        wrong = [place for place, byte in enumerate(expected) if found[place] != byte]
        assert not wrong, (
            f"{len(wrong)} of {len(expected)} bytes are not those of C simulation; byte {wrong[0]} is "
            f"{found[wrong[0]]:#04x} instead of {expected[wrong[0]]:#04x}"
        )
