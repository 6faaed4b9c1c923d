"""Both sides of an AXI master under test: the kernel that asks, and a memory that answers late, with gaps and errors.

The memory is made of cocotbext-axi's channels, since its ready-made one answers each burst at once. It checks what AXI4
asks of a burst, and its bookkeeping is the reference for order, addresses and counts.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge
from cocotbext.axi import AxiReadBus, AxiWriteBus
from cocotbext.axi.axi_channels import AxiARSink, AxiAWSink, AxiBSource, AxiRSource, AxiWSink

from tests.rtl.bench import INSTANCES

PAGE = 4096
BASE = 0x12_3456_7000


@dataclass(frozen=True)
class Traffic:
    """How both sides behave.

    Attributes:
        latency: cycles from a burst's address (or last beat) to its answer: from, to.
        kernel: share of cycles in which the kernel gives or takes a beat.
        channels: share of cycles in which the memory moves a channel.
        errors: every burst of such a number in this list gets this response.
    """

    latency: tuple[int, int] = (4, 4)
    kernel: float = 1.0
    channels: float = 1.0
    errors: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Request:
    """What a kernel asks for."""

    first: int
    beats: int


def boundary_requests(data_bits: int, limit: int, chance: random.Random) -> list[Request]:
    """Requests of all kinds around the limits of bursts and pages, then random ones."""
    page = PAGE * 8 // data_bits
    found = [Request(3, 1), Request(page - 1, 1), Request(page - 1, 2), Request(page - 2, limit), Request(5, 0)]
    found += [Request(0, limit), Request(7, limit - 1), Request(1, limit + 1), Request(page - limit // 2, limit)]
    found += [Request(2 * page - 1, 2 * limit + 1), Request(1, 0), Request(page - 5, min(2 * page, 100) + 3)]
    found += [Request(chance.randrange(4 * page), chance.randrange(1, 3 * min(limit, page))) for _ in range(5)]
    return found


class Partner:
    """Clock, reset and ports of one instance."""

    address = ""  # channel of addresses

    def __init__(self, dut: Any, name: str, traffic: Traffic) -> None:
        instance = INSTANCES[name]
        self.dut, self.name, self.traffic = dut, name, traffic
        self.clock, self.reset = self.port("ap_clk"), self.port("ap_rst_n")
        self.chance = random.Random(random.random())
        self.data_bits, self.limit = instance.parameter("DATA_BITS"), instance.parameter("MAX_BURST")
        self.bytes = self.data_bits // 8
        self.outstanding, self.id = instance.parameter("OUTSTANDING"), instance.parameter("ID")
        self.open = self.most_open = self.bursts = self.cycle = 0

    def port(self, name: str) -> Any:
        """A port of the instance."""
        return getattr(self.dut, f"{self.name}_{name}")

    def idle(self) -> bool:
        """Whether the instance says that nothing is asked of it."""
        return bool(self.port("idle").value)

    async def start(self) -> None:
        """Clock and reset."""
        self.port("base").value = BASE
        self.port("request_write").value = 0
        self.port("stop").value = 0
        self.reset.value = 0
        Clock(self.clock, 10, unit="ns").start()
        cocotb.start_soon(self.count())
        for _ in range(4):
            await RisingEdge(self.clock)
        self.reset.value = 1
        await RisingEdge(self.clock)

    async def count(self) -> None:
        """Counts cycles."""
        while True:
            await RisingEdge(self.clock)
            self.cycle += 1

    def pause(self, channel: Any) -> None:
        """Makes a channel of the memory slow."""
        rate = self.traffic.channels
        if rate < 1:
            channel.set_pause_generator(iter(lambda: self.chance.random() >= rate, None))

    async def until(self, condition: Callable[[], bool], limit: int = 4_000) -> None:
        """Waits for a condition at a clock edge."""
        for _ in range(limit):
            await RisingEdge(self.clock)
            if condition():
                return
        raise AssertionError(f"{self.name}: nothing moves any more after {limit} cycles")

    async def ask(self, requests: Sequence[Request]) -> None:
        """The kernel's requests."""
        for request in requests:
            self.port("request_first").value = request.first
            self.port("request_beats").value = request.beats
            self.port("request_write").value = 1
            await self.until(lambda: bool(self.port("request_full_n").value))
        self.port("request_write").value = 0

    async def give_up(self) -> None:
        """Stops the master, until it is idle; only a burst whose address waits on the channel may still begin."""
        valid, ready = (self.port(f"m_axi_{self.address}{name}") for name in ("valid", "ready"))
        self.port("request_write").value = 0
        self.port("stop").value = 1
        begun = 0

        def ended() -> bool:
            nonlocal begun
            begun += bool(valid.value and ready.value)
            return bool(self.port("idle").value)

        await self.until(ended)
        assert self.open == 0, f"{self.name} is idle with {self.open} bursts on their way"
        self.port("stop").value = 0
        for _ in range(20):
            await RisingEdge(self.clock)
            ended()
        assert begun <= 1, f"{self.name} begins {begun} bursts that were given up"
        assert self.port("idle").value and self.port("error").value == 0

    def addresses(self, requests: Sequence[Request]) -> list[int]:
        """Address of every beat, in order."""
        return [BASE + (request.first + beat) * self.bytes for request in requests for beat in range(request.beats)]

    def burst(self, address: int, length: int, size: int, kind: int, identity: int) -> list[int]:
        """Addresses of a burst's beats, after the rules of AXI4 and of the module."""
        beats = int(length) + 1
        end = address + beats * self.bytes
        assert beats <= self.limit, f"{self.name}: a burst of {beats} beats"
        assert address // PAGE == (end - 1) // PAGE, f"{self.name}: a burst from {address:#x} to {end:#x} crosses 4 KiB"
        assert 1 << int(size) == self.bytes and int(kind) == 1 and int(identity) == self.id
        self.bursts += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        assert self.open <= self.outstanding, f"{self.name}: {self.open} bursts on their way"
        return list(range(address, end, self.bytes))

    def count_up(self, what: str, many: int) -> None:
        """Says what was done, for whoever reads the log."""
        self.dut._log.warning("%s: %d %s in %d bursts, %d cycles", self.name, many, what, self.bursts, self.cycle)

    def response(self) -> int:
        """Of the burst that came last."""
        return dict(self.traffic.errors).get(self.bursts, 0)

    def due(self) -> int:
        """The cycle of an answer to what comes now."""
        return self.cycle + self.chance.randint(*self.traffic.latency)


def content(address: int, data_bits: int) -> int:
    """What the memory holds there."""
    return (address * 0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835 ^ address << 7) % (1 << data_bits)


class ReadPartner(Partner):
    """The same for reading."""

    address = "ar"

    async def start(self) -> None:
        """Clock, reset and the memory."""
        self.port("beat_read").value = 0
        bus = AxiReadBus.from_prefix(self.dut, f"{self.name}_m_axi")
        self.ar = AxiARSink(bus.ar, self.clock, self.reset, reset_active_level=False)
        self.r = AxiRSource(bus.r, self.clock, self.reset, reset_active_level=False)
        self.ar.queue_occupancy_limit = self.r.queue_occupancy_limit = 2
        self.waiting: deque[tuple[int, list[int], int]] = deque()
        await super().start()
        self.pause(self.ar)
        self.pause(self.r)
        cocotb.start_soon(self.accept())
        cocotb.start_soon(self.answer())
        cocotb.start_soon(self.watch())

    async def accept(self) -> None:
        """Bursts that are asked for."""
        while True:
            ar = await self.ar.recv()
            beats = self.burst(int(ar.araddr), ar.arlen, ar.arsize, ar.arburst, ar.arid)
            self.waiting.append((self.due(), beats, self.response()))

    async def answer(self) -> None:
        """Beats, burst after burst."""
        while True:
            await self.until(lambda: bool(self.waiting) and self.waiting[0][0] <= self.cycle, 1_000_000)
            while self.waiting and self.waiting[0][0] <= self.cycle:
                _, beats, response = self.waiting.popleft()
                for address in beats:
                    await self.r.send(
                        self.r._transaction_obj(
                            rid=self.id, rdata=content(address, self.data_bits), rresp=response,
                            rlast=address == beats[-1],
                        )
                    )  # fmt: skip

    async def watch(self) -> None:
        """The end of bursts, and that none is kept waiting by the master."""
        valid, ready, last = (self.port(f"m_axi_{name}") for name in ("rvalid", "rready", "rlast"))
        while True:
            await RisingEdge(self.clock)
            if valid.value:
                assert ready.value, f"{self.name} was asked for a beat that it has no room for"
                self.open -= int(last.value)

    async def take(self, many: int) -> list[int]:
        """The kernel takes beats."""
        read, data, empty_n = (self.port(name) for name in ("beat_read", "beat_dout", "beat_empty_n"))
        found: list[int] = []
        rate, quiet = self.traffic.kernel, 0
        while len(found) < many:
            wants = rate == 1 or self.chance.random() < rate
            read.value = wants
            await RisingEdge(self.clock)
            if empty_n.value:
                quiet = 0
                if wants:
                    found.append(int(data.value))
            else:
                quiet += 1
                assert quiet < 2_000, f"{self.name}: {len(found)} of {many} beats came"
        read.value = 0
        return found


class WritePartner(Partner):
    """The same for writing."""

    address = "aw"

    async def start(self) -> None:
        """Clock, reset and the memory."""
        self.port("beat_write").value = 0
        bus = AxiWriteBus.from_prefix(self.dut, f"{self.name}_m_axi")
        self.aw = AxiAWSink(bus.aw, self.clock, self.reset, reset_active_level=False)
        self.w = AxiWSink(bus.w, self.clock, self.reset, reset_active_level=False)
        self.b = AxiBSource(bus.b, self.clock, self.reset, reset_active_level=False)
        self.aw.queue_occupancy_limit = self.w.queue_occupancy_limit = 2
        self.memory: dict[int, int] = {}
        self.order: list[int] = []
        self.responses: deque[tuple[int, int]] = deque()
        self.answered = 0
        await super().start()
        for channel in (self.aw, self.w, self.b):
            self.pause(channel)
        cocotb.start_soon(self.accept())
        cocotb.start_soon(self.answer())
        cocotb.start_soon(self.watch())

    async def accept(self) -> None:
        """Bursts and their beats."""
        while True:
            aw = await self.aw.recv()
            beats = self.burst(int(aw.awaddr), aw.awlen, aw.awsize, aw.awburst, aw.awid)
            response = self.response()
            for address in beats:
                w = await self.w.recv()
                assert int(w.wstrb) == (1 << self.bytes) - 1
                assert int(w.wlast) == (address == beats[-1]), f"{self.name}: WLAST at another beat than the last"
                self.memory[address] = int(w.wdata)
                self.order.append(address)
            self.responses.append((self.due(), response))

    async def answer(self) -> None:
        """Responses."""
        while True:
            await self.until(lambda: bool(self.responses) and self.responses[0][0] <= self.cycle, 1_000_000)
            _, response = self.responses.popleft()
            await self.b.send(self.b._transaction_obj(bid=self.id, bresp=response))

    async def watch(self) -> None:
        """Responses that arrive, and that a burst that has begun is never without a beat."""
        valid, ready, last = (self.port(f"m_axi_{name}") for name in ("wvalid", "wready", "wlast"))
        b_valid, b_ready, idle = self.port("m_axi_bvalid"), self.port("m_axi_bready"), self.port("idle")
        begun = False
        while True:
            await RisingEdge(self.clock)
            if valid.value:
                begun = not (ready.value and last.value)
            else:
                assert not begun, f"{self.name}: a burst waits for a beat of the kernel"
            assert not (idle.value and self.open), f"{self.name} is idle with {self.open} responses missing"
            if b_valid.value and b_ready.value:
                self.open -= 1
                self.answered += 1

    async def give(self, values: Sequence[int]) -> None:
        """The kernel gives beats."""
        write, data, full_n = (self.port(name) for name in ("beat_write", "beat_din", "beat_full_n"))
        rate, quiet, given = self.traffic.kernel, 0, 0
        while given < len(values):
            wants = rate == 1 or self.chance.random() < rate
            write.value = wants
            data.value = values[given]
            await RisingEdge(self.clock)
            if full_n.value:
                quiet = 0
                given += wants
            else:
                quiet += 1
                assert quiet < 2_000, f"{self.name}: {given} of {len(values)} beats were taken"
        write.value = 0
