"""What stands behind the engine's AXI masters: buffers, and a memory that answers late, with gaps, or with errors.

It is made of cocotbext-axi's channels, since its ready-made memory answers each burst at once. What it is asked for is
checked: bursts of at most BURST beats that lie within 4 KiB, whole beats, WLAST where it belongs, addresses of buffers.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass
from typing import Any, ClassVar

import cocotb
from cocotb.triggers import ClockCycles, Event
from cocotb.utils import get_sim_time
from cocotbext.axi.axi_channels import (
    AxiARBus,
    AxiARSink,
    AxiAWBus,
    AxiAWSink,
    AxiBBus,
    AxiBSource,
    AxiRBus,
    AxiRSource,
    AxiWBus,
    AxiWSink,
)

PERIOD_NS = 10  # of the clock; cycles are counted, so it means nothing
PAGE = 4096  # which no burst may cross (AXI4, A3.4.1)
OKAY, SLVERR, DECERR = 0, 2, 3


class WideLockAR(AxiARBus):
    """Without ARLOCK: Vitis HLS exports two bits, as AXI3 had, and cocotbext-axi insists on AXI4's one."""

    _optional_signals: ClassVar[list[str]] = [name for name in AxiARBus._optional_signals if name != "arlock"]


class WideLockAW(AxiAWBus):
    """Without AWLOCK, for the same reason."""

    _optional_signals: ClassVar[list[str]] = [name for name in AxiAWBus._optional_signals if name != "awlock"]


@dataclass(frozen=True)
class Weather:
    """How fast everything around the engine is.

    Attributes:
        latency: cycles from a burst's address, or its last beat where it is written, to its answer: from, to.
        moves: share of cycles in which a channel moves; the other ones are gaps and back-pressure.
        stands: of so many cycles, all channels stand still in so many at once, as while DDR is refreshed or busy.
        is_shared: one memory behind all ports, which serves a burst at a time, of a random port among those that wait.
    """

    latency: tuple[int, int] = (4, 4)
    moves: float = 1.0
    stands: tuple[int, int] = (1, 0)
    is_shared: bool = False


def cycle() -> int:
    """Cycles since the simulation began."""
    return int(get_sim_time("ns") // PERIOD_NS)


class Turns:
    """Who is served by a memory that serves one burst at a time: a random one of those that wait."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.waiting: list[Event] = []
        self.is_taken = False

    async def take(self) -> None:
        """Waits for a turn."""
        mine = Event()
        self.waiting.append(mine)
        self.choose()
        await mine.wait()

    def choose(self) -> None:
        """Gives the turn to somebody, if it is free."""
        if self.waiting and not self.is_taken:
            self.is_taken = True
            self.waiting.pop(self.chance.randrange(len(self.waiting))).set()

    def leave(self) -> None:
        """Ends a turn."""
        self.is_taken = False
        self.choose()

    def forget(self) -> None:
        """After a reset nobody waits."""
        self.waiting.clear()
        self.is_taken = False


class Memory:
    """Buffers by address, and what went over the ports."""

    def __init__(self, burst: int, chance: random.Random) -> None:
        self.burst, self.turns = burst, Turns(chance)
        self.outstanding: dict[str, int] = {}  # most bursts of a bundle that waited at once
        self.buffers: dict[int, bytearray] = {}
        self.bursts: dict[str, int] = {}  # by bundle
        self.errors: dict[tuple[str, int], int] = {}  # responses by bundle and number of its burst, from 1 on
        self.last_beat = 0  # cycle

    def place(self, address: int, size: int) -> tuple[bytearray, int]:
        """The buffer that holds so many bytes from an address on, and where they begin in it."""
        for first, content in self.buffers.items():
            if first <= address and address + size <= first + len(content):
                return content, address - first
        raise AssertionError(f"{size} bytes at {address:#x} are in no buffer")

    def response(self, bundle: str) -> int:
        """Counts a burst of a bundle; gives its response."""
        number = self.bursts[bundle] = self.bursts.get(bundle, 0) + 1
        return self.errors.get((bundle, number), OKAY)

    def forget(self) -> None:
        """Counts bursts from 1 on again, and answers all of them well."""
        self.bursts.clear()
        self.errors.clear()


class Port:
    """One AXI master of the engine, as the memory sees it."""

    def __init__(self, dut: Any, bundle: str, memory: Memory, weather: Weather, chance: random.Random) -> None:
        self.dut, self.bundle, self.memory, self.weather, self.chance = dut, bundle, memory, weather, chance
        self.prefix = f"m_axi_{bundle}"
        self.bytes = len(self.signal("WSTRB"))
        self.waiting: deque[tuple[int, Any]] = deque()  # due in this cycle
        self.asked = Event()
        self.channels: list[Any] = []
        self.tasks: list[Any] = []
        # Answers of channels that the bundle does not use; a bundle has all of them, whatever it does.
        for name in (
            "AWREADY",
            "WREADY",
            "ARREADY",
            "RVALID",
            "RDATA",
            "RLAST",
            "RID",
            "RRESP",
            "BVALID",
            "BRESP",
            "BID",
        ):
            self.signal(name).value = 0
        for name in ("RUSER", "BUSER"):
            if hasattr(dut, f"{self.prefix}_{name}"):
                self.signal(name).value = 0

    def signal(self, name: str) -> Any:
        """A port of the engine."""
        return getattr(self.dut, f"{self.prefix}_{name}")

    def start(self) -> None:
        """Begins to answer."""
        self.tasks = [cocotb.start_soon(self.take()), cocotb.start_soon(self.give())]

    def reset(self) -> None:
        """Forgets what is on its way, as the interconnect does that is reset with the engine."""
        for task in self.tasks:
            task.cancel()
        for channel in self.channels:
            channel.clear()
        self.waiting.clear()
        self.start()

    async def take(self) -> None:
        """Takes bursts."""
        raise NotImplementedError

    async def give(self) -> None:
        """Gives their answers."""
        raise NotImplementedError

    def channel(self, kind: Any, bus: Any) -> Any:
        """A channel of the memory, which moves as the weather lets it."""
        made = kind(
            bus.from_prefix(self.dut, self.prefix), self.dut.ap_clk, self.dut.ap_rst_n, reset_active_level=False
        )
        gentle(made, self.weather, self.chance)
        self.channels.append(made)
        return made

    def addresses(self, address: int, length: int, size: int, kind: int) -> range:
        """Of a burst's beats, after the rules of AXI4."""
        beats = length + 1
        end = address + beats * self.bytes
        assert beats <= self.memory.burst, f"{self.prefix}: a burst of {beats} beats"
        assert 1 << size == self.bytes and kind == 1, f"{self.prefix}: a burst of narrow beats, or not of kind INCR"
        assert address % self.bytes == 0, f"{self.prefix}: {address:#x} is not where a beat begins"
        assert address // PAGE == (end - 1) // PAGE, f"{self.prefix}: {address:#x} to {end:#x} crosses 4 KiB"
        return range(address, end, self.bytes)

    def answer_later(self, what: Any) -> None:
        """Puts an answer behind the ones before it."""
        due = cycle() + self.chance.randint(*self.weather.latency)
        self.waiting.append((due, what))
        held = self.memory.outstanding
        held[self.bundle] = max(held.get(self.bundle, 0), len(self.waiting))
        self.asked.set()

    async def next_answer(self) -> Any:
        """The next one, when it is due."""
        while not self.waiting:
            self.asked.clear()
            await self.asked.wait()
        due, what = self.waiting.popleft()
        if due > cycle():
            await ClockCycles(self.dut.ap_clk, due - cycle())
        return what


class ReadPort(Port):
    """A master that reads."""

    def connect(self) -> None:
        """Makes the channels."""
        self.ar, self.r = self.channel(AxiARSink, WideLockAR), self.channel(AxiRSource, AxiRBus)

    async def take(self) -> None:
        """Bursts that are asked for."""
        while True:
            ar = await self.ar.recv()
            places = self.addresses(int(ar.araddr), int(ar.arlen), int(ar.arsize), int(ar.arburst))
            self.answer_later((places, int(ar.arid), self.memory.response(self.bundle)))

    async def give(self) -> None:
        """Their beats; those of a bad answer are noise, since nothing says what they are."""
        while True:
            places, identity, response = await self.next_answer()
            if self.weather.is_shared:
                await self.memory.turns.take()
            for address in places:
                buffer, first = self.memory.place(address, self.bytes)
                beat = (
                    bytes(buffer[first : first + self.bytes]) if response == OKAY else self.chance.randbytes(self.bytes)
                )
                sent = self.r._transaction_obj(
                    rid=identity, rdata=int.from_bytes(beat, "little"), rresp=response, rlast=address == places[-1]
                )
                await self.r.send(sent)
            if self.weather.is_shared:
                await self.r.wait()  # a port that does not take its beats keeps all others waiting
                self.memory.turns.leave()
            self.memory.last_beat = cycle()


class WritePort(Port):
    """A master that writes."""

    def connect(self) -> None:
        """Makes the channels."""
        self.aw, self.w = self.channel(AxiAWSink, WideLockAW), self.channel(AxiWSink, AxiWBus)
        self.b = self.channel(AxiBSource, AxiBBus)

    async def take(self) -> None:
        """Bursts and their beats."""
        while True:
            aw = await self.aw.recv()
            response = self.memory.response(self.bundle)
            places = self.addresses(int(aw.awaddr), int(aw.awlen), int(aw.awsize), int(aw.awburst))
            if self.weather.is_shared:
                await self.memory.turns.take()
            for address in places:
                w = await self.w.recv()
                assert int(w.wlast) == (address == places[-1]), f"{self.prefix}: WLAST at another beat than the last"
                buffer, first = self.memory.place(address, self.bytes)
                beat, strobes = int(w.wdata).to_bytes(self.bytes, "little"), int(w.wstrb)
                for byte in range(self.bytes):
                    if strobes >> byte & 1 and response == OKAY:
                        buffer[first + byte] = beat[byte]
            if self.weather.is_shared:
                self.memory.turns.leave()
            self.memory.last_beat = cycle()
            self.answer_later((int(aw.awid), response))

    async def give(self) -> None:
        """Responses."""
        while True:
            identity, response = await self.next_answer()
            await self.b.send(self.b._transaction_obj(bid=identity, bresp=response))


def gentle(channel: Any, weather: Weather, chance: random.Random) -> None:
    """Lets a channel move in some cycles only."""
    period, still = weather.stands
    if weather.moves < 1 or still:
        channel.set_pause_generator(iter(lambda: cycle() % period < still or chance.random() >= weather.moves, None))
