"""AXI masters that write."""

from __future__ import annotations

import random
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge
from cocotbext.axi import AxiRamWrite, AxiWriteBus

from tests.rtl.axi_partner import Request, Traffic, WritePartner, boundary_requests, content
from tests.rtl.bench import WRITES

NAMES = [instance.name for instance in WRITES]
WEATHER = {
    "prompt": Traffic(),
    "far": Traffic(latency=(200, 200)),
    "varying": Traffic(latency=(4, 200), kernel=0.6, channels=0.7),
    "slow kernel": Traffic(latency=(20, 60), kernel=0.25),
}


@cocotb.test()
@cocotb.parametrize(name=NAMES, weather=list(WEATHER))
async def limits_of_bursts(dut: Any, name: str, weather: str) -> None:
    """Every width in every weather: all beats at their addresses in order, then idle."""
    partner = WritePartner(dut, name, WEATHER[weather])
    await partner.start()
    requests = boundary_requests(partner.data_bits, partner.limit, random.Random(random.random()))
    addresses = partner.addresses(requests)
    values = [content(a + n, partner.data_bits) for n, a in enumerate(addresses)]
    cocotb.start_soon(partner.ask(requests))
    await partner.give(values)
    await partner.until(lambda: bool(partner.port("idle").value))
    assert partner.order == addresses, "beats went to other addresses"
    assert partner.memory == dict(zip(addresses, values, strict=True)), "other beats were written"
    assert partner.open == 0 and partner.answered == partner.bursts and partner.port("error").value == 0
    partner.count_up("beats written", len(values))


@cocotb.test()
async def a_beat_every_cycle(dut: Any) -> None:
    """Beats leave without gaps; no more bursts than may be wait for a response, but as many."""
    partner = WritePartner(dut, "w128", Traffic(latency=(100, 100)))
    await partner.start()
    cocotb.start_soon(partner.ask([Request(0, 700), Request(1000, 500)]))
    began = partner.cycle
    await partner.give(list(range(1200)))
    await partner.until(lambda: len(partner.order) == 1200)
    assert partner.cycle - began < 1200 + 60, f"1200 beats took {partner.cycle - began} cycles"
    far = WritePartner(dut, "w32", Traffic(latency=(150, 150)))
    await far.start()
    cocotb.start_soon(far.ask([Request(0, 64)]))
    await far.give(list(range(64)))
    await far.until(lambda: bool(far.port("idle").value))
    assert far.most_open == far.outstanding


@cocotb.test()
async def beats_before_their_request(dut: Any) -> None:
    """Beats wait in the buffer until somebody says where they go, and a request waits for its beats."""
    for name in NAMES:
        partner = WritePartner(dut, name, Traffic())
        await partner.start()
        await partner.give([1, 2, 3])
        for _ in range(20):
            await RisingEdge(partner.clock)
        assert not partner.bursts and partner.port("idle").value
        await partner.ask([Request(4, 5)])
        for _ in range(20):
            await RisingEdge(partner.clock)
            assert not partner.port("idle").value, f"{name} is idle before it has written"
        assert not partner.bursts
        await partner.give([4, 5])
        await partner.until(partner.idle)
        assert list(partner.memory.values()) == [1, 2, 3, 4, 5]


@cocotb.test()
async def errors_are_kept(dut: Any) -> None:
    """The first bad response stays until reset."""
    for name in NAMES:
        partner = WritePartner(dut, name, Traffic(errors=((1, 1), (2, 3), (3, 2))))
        await partner.start()
        assert partner.port("error").value == 0
        for number, error in enumerate((0, 3, 3)):
            await partner.ask([Request(number, 1)])
            await partner.give([number])
            await partner.until(partner.idle)
            await RisingEdge(partner.clock)
            assert partner.port("error").value == error, f"{name}: error {int(partner.port('error').value)}"


@cocotb.test()
@cocotb.parametrize(name=NAMES)
async def giving_up(dut: Any, name: str) -> None:
    """At many moments of requests: bursts that have begun are written whole, then all is as after reset."""
    partner = WritePartner(dut, name, Traffic(latency=(4, 60), channels=0.8, errors=((1, 3),)))
    await partner.start()
    for wait in (0, 1, 2, 3, 5, 9, 20, 40, 70, 150):
        asking = cocotb.start_soon(partner.ask([Request(3, 300), Request(0, 90), Request(9, 90)]))
        giving = cocotb.start_soon(partner.give([7] * 10_000))
        for _ in range(wait):
            await RisingEdge(partner.clock)
        asking.cancel()
        giving.cancel()
        partner.port("beat_write").value = 0
        await partner.give_up()
    partner.order.clear()
    requests = [Request(1, 3 * partner.limit + 3), Request(2, 1)]
    addresses = partner.addresses(requests)
    values = [content(address, partner.data_bits) for address in addresses]
    cocotb.start_soon(partner.ask(requests))
    await partner.give(values)
    await partner.until(lambda: bool(partner.port("idle").value))
    assert partner.order == addresses
    found = [partner.memory[address] for address in addresses[:-1]]
    assert found == values[:-1], "beats that were given up are written"


@cocotb.test()
async def a_memory_of_others(dut: Any) -> None:
    """cocotbext-axi's own memory holds what was written."""
    partner = WritePartner(dut, "w128", Traffic())
    ram = AxiRamWrite(
        AxiWriteBus.from_prefix(dut, "w128_m_axi"), partner.clock, partner.reset, reset_active_level=False, size=1 << 16
    )
    partner.port("beat_write").value = 0
    await super(WritePartner, partner).start()
    requests = [Request(250, 17), Request(0, 200)]
    addresses = partner.addresses(requests)
    values = [content(a, 128) for a in addresses]
    cocotb.start_soon(partner.ask(requests))
    await partner.give(values)
    await partner.until(lambda: bool(partner.port("idle").value))
    for address, value in zip(addresses, values, strict=True):
        assert ram.read(address % (1 << 16), 16) == value.to_bytes(16, "little")
